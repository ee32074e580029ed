"""Loading a saved program does not run code that it contains."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archcalc.errors import UsageError
from archcalc.lookup.resolve import resolve
from archcalc.pytorch import program

RAN: list[str] = []


def runs() -> None:
    RAN.append("it ran")


class Payload:
    def __reduce__(self) -> Any:
        return runs, ()


class Reshaping(nn.Module):
    """A module with input-dependent sizes, a scan over them, and arguments that are not tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor, pair: dict[str, Tensor]) -> Tensor:
        y = x.reshape(x.shape[0] * x.shape[1] // 2, -1)[: x.shape[0] // 2]
        with torch.no_grad():
            y = y + 1
        return y.sum() + self.layer(pair["a"])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(2, 8),)), path)
    return path


def changed(path: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    """Rewrite or add members of an archive."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    top = next(iter(members)).partition("/")[0]
    for name, change in changes.items():
        members[f"{top}/{name}"] = change(members.get(f"{top}/{name}", b""))
    out = path.with_name("crafted.pt2")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return out


def pickled(content: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save((Payload(),), buffer)
    return buffer.getvalue()


def in_json(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        tree = json.loads(content)
        change(tree)
        return json.dumps(tree).encode()

    return apply


def evaluates(tree: Any) -> None:
    sizes = tree["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    code = f"__import__('{__name__}').runs()"
    sizes[0] = {"as_expr": {"expr_str": code, "hint": {"as_int": 2}}}


def calls(tree: Any) -> None:
    node = tree["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.serialization.os.system"
    node["inputs"] = [{"name": "command", "arg": {"as_string": "true"}, "kind": 1}]


def custom(tree: Any) -> None:
    tree["config"]["a"] = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True}


CRAFTED: dict[str, tuple[dict[str, Any], str]] = {
    "sample inputs": ({"data/sample_inputs/model.pt": pickled}, "contains more than tensors"),
    "an expression": ({"models/model.json": in_json(evaluates)}, "it evaluates"),
    "a function": ({"models/model.json": in_json(calls)}, "it calls torch.serialization.os.system"),
    "an object": (
        {
            "data/constants/model_constants_config.json": in_json(custom),
            "data/constants/opaque_obj_0": lambda content: pickle.dumps(Payload()),
        },
        "it contains a custom object",
    ),
    "machine code": ({"data/aotinductor/model/a.so": lambda content: b""}, "data/aotinductor"),
}


@pytest.mark.parametrize("where", CRAFTED)
def test_a_crafted_file_is_refused_before_anything_in_it_runs(saved: Path, where: str) -> None:
    changes, words = CRAFTED[where]
    RAN.clear()
    with pytest.raises(UsageError) as caught:
        resolve(str(changed(saved, changes)), input=["2,8"])
    assert not RAN
    assert words in str(caught.value)
    assert "give --trust if you trust its source" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_crafted_file_runs_if_it_is_trusted(saved: Path) -> None:
    RAN.clear()
    path = changed(saved, {"data/sample_inputs/model.pt": pickled})
    program.load(str(path), trust=True)
    assert RAN


def test_every_command_that_runs_a_program_requires_trust(
    saved: Path, cli: Callable[[str], tuple[int, str, str]]
) -> None:
    path = changed(saved, {"data/sample_inputs/model.pt": pickled})
    out = saved.with_name("out.pt2")
    for line in (
        f"bench {path} --input 2,8 --device cpu --time 0.01 --warmup 0.01 --threads 1",
        f"export {path} --input 2,8 -o {out}",
        f"verify {path} --input 2,8",
        f"reconcile {path} --input 2,8",
    ):
        RAN.clear()
        code, _, err = cli(line)
        assert code == 2, line
        assert "give --trust" in err
        assert not RAN
        cli(f"{line} --trust")
        assert RAN, line


def test_a_program_of_the_older_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "old.pt2"
    with zipfile.ZipFile(path, "w") as old:
        old.writestr("version", "1")
        old.writestr("serialized_exported_program.json", "{}")
        old.writestr("serialized_state_dict.pt", pickle.dumps(Payload()))
    RAN.clear()
    with pytest.raises(UsageError, match=r"older torch\.export format.*--trust"):
        resolve(str(path), input=["2,8"])
    assert not RAN


def test_what_torch_saves_is_loaded_without_trust(saved: Path, tmp_path: Path) -> None:
    assert resolve(str(saved), input=["2,8"]).profile().macs == 2 * 8 * 8
    path = tmp_path / "dynamic.pt2"
    rows = torch.export.Dim("rows", min=2, max=64)
    exported = torch.export.export(
        Reshaping(),
        (torch.zeros(4, 6), {"a": torch.zeros(3, 8)}),
        dynamic_shapes=({0: 2 * rows}, {"a": None}),
    )
    torch.export.save(exported, path)
    loaded = program.load(str(path))
    assert [node.target for node in loaded.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("damage", [b"", b"not a program", b"PK\x05\x06" + b"\0" * 18, None])
def test_a_damaged_file_is_refused_in_one_sentence(
    saved: Path, damage: bytes | None, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    saved.write_bytes(saved.read_bytes()[:3000] if damage is None else damage)
    with pytest.raises(UsageError, match=r"is not a program that torch\.export can load"):
        resolve(str(saved), input=["2,8"])
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
