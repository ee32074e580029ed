"""Graphs as files: what is written is read again, and what is not a graph is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.cli import run
from archcalc.errors import UsageError
from archcalc.graph import Attributes, Maker, nbytes
from archcalc.io.graph_file import decode, encode, load, save
from archcalc.lookup import registry
from archcalc.training_step import training_step


@pytest.mark.parametrize("name", registry.names())
def test_every_registered_network_is_read_as_it_was_written(name: str) -> None:
    graph = archcalc.graph(name)
    again = decode(encode(graph), "text")
    assert again == graph
    assert (again.declared, again.made_by) == (True, None)
    assert again.profile().macs == graph.profile().macs
    assert again.profile().memory == graph.profile().memory


def test_a_training_step_with_lifetimes_is_read_as_it_was_written() -> None:
    step = replace(
        training_step(archcalc.graph("nin"), "adam"),
        lifetimes={(1, 0): 3, (2, 0): 9},
        made_by={"mlpconv1.conv": Maker("conv", True)},
    )
    again = decode(encode(step), "text")
    # Not every field is compared by ==.
    assert vars(again) == vars(step)


def test_what_made_a_node_is_read_as_it_was_written() -> None:
    nodes = {"conv": Maker("conv", True), "act": Maker("tensor", False)}
    for made_by in (nodes, {}, None):
        graph = replace(archcalc.graph("inception-5x5"), made_by=made_by)
        assert decode(encode(graph), "text").made_by == made_by


def test_attributes_keep_tuples_tables_and_infinities() -> None:
    graph = archcalc.graph("inception-5x5")
    held = {"value": -math.inf, "sizes": ((1, 2), None), "table": {"a": (1.5, True)}, "name": "é"}
    odd = graph.nodes[-1]._replace(attrs=Attributes(held))
    again = decode(encode(replace(graph, nodes=(*graph.nodes[:-1], odd))), "text")
    assert again.nodes[-1].attrs == held
    strange = replace(graph, nodes=(*graph.nodes[:-1], odd._replace(attrs=Attributes(x=object()))))
    with pytest.raises(UsageError, match="has an attribute of type object"):
        encode(strange)


def test_a_saved_graph_is_a_model_for_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.graph.json"
    assert run(["flops", "nin,head=fc", "--save-graph", str(path)]) == 0
    assert capsys.readouterr().err == f"wrote {path}\n"
    for line in (
        ["show"],
        ["flops", "-f", "csv"],
        ["params"],
        ["memory"],
        ["receptive-field"],
        ["compare", "nin", "--sort", "macs"],
        ["explain"],
    ):
        assert run([line[0], str(path), *line[1:]]) == 0
        said = capsys.readouterr().out
        assert "mlpconv1" in said or "222" in said


def test_a_saved_graph_has_no_options_and_one_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.graph.json"
    save(archcalc.graph("nin"), path)
    for extra in (["--input", "64x64x3"], ["--batch", "2"], ["--set", "head=fc"]):
        assert run(["flops", str(path), *extra]) == 2
        assert "is a saved graph: it has no options" in capsys.readouterr().err
    assert run(["flops", str(path), "--train"]) == 2
    assert "save it again with --train" in capsys.readouterr().err
    assert run(["flops", "nin", "googlenet", "--save-graph", str(path)]) == 2
    assert "writes one graph; name one model, not 2" in capsys.readouterr().err
    assert run(["flops", "nin", "--save-graph", str(tmp_path / "net.json")]) == 2
    assert "the name of a graph's file must end in .graph.json" in capsys.readouterr().err


def _node(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda data: change(data["nodes"][1])


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another version": (lambda d: d.update(schema_version=9), "has schema version 9"),
    "no nodes": (lambda d: d.pop("nodes"), "missing required field `nodes`"),
    "no output": (lambda d: d.update(outputs={}), "it has no output"),
    "a cycle": (_node(lambda n: n.update(inputs=[[5, 0]])), "node 5, which is not before"),
    "itself as input": (_node(lambda n: n.update(inputs=[[1, 0]])), "node 1, which is not before"),
    "a negative source": (_node(lambda n: n.update(inputs=[[-1, 0]])), "which is not before"),
    "a negative size": (
        _node(lambda n: n.update(outputs=[[[1, -2], "float32"]])),
        "negative or too large",
    ),
    "a size of 30 digits": (
        _node(lambda n: n.update(outputs=[[[10**30], "int8"]])),
        "not the file",
    ),
    "an unknown dtype": (_node(lambda n: n.update(outputs=[[[1], "float7"]])), "dtype 'float7'"),
    "two names": (_node(lambda n: n.update(name="input")), "two nodes are called 'input'"),
    "no weights": (_node(lambda n: n.update(weights=[])), "not a conv2d that can be counted"),
    "code": (_node(lambda n: n.update(attrs={"x": {"__import__": "os"}})), "a table that archcalc"),
    "a late end": (lambda d: d.update(lifetimes=[[0, 0, 999]]), "lives until node 999"),
}


@pytest.mark.parametrize(("change", "words"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_graph_is_refused_in_one_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = tmp_path / "net.graph.json"
    data = json.loads(encode(archcalc.graph("nin")))
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "nul", '{"nodes": ' + "[" * 5000])
def test_what_is_no_graph_at_all_is_refused_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "net.graph.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not the file of a graph"):
        load(path)


def test_elements_below_a_byte_are_packed_and_scales_are_counted() -> None:
    assert [nbytes(9, dtype) for dtype in ("int1", "int2", "int4", "int8")] == [2, 3, 5, 9]
    # 33 elements: 17 bytes at 4 bits; blocks of 32 or 16 need 2 or 3 scales of a byte.
    assert nbytes(33, "mxfp4") == 17 + 2
    assert nbytes(33, "nvfp4") == 17 + 3


def test_a_precision_changes_bytes_and_bit_operations_and_nothing_else() -> None:
    graph = archcalc.graph("googlenet")
    whole, quarter = graph.profile(), graph.to("int8").profile()
    assert (quarter.macs, quarter.flops, quarter.params) == (whole.macs, whole.flops, whole.params)
    assert 4 * quarter.weight_bytes == whole.weight_bytes
    assert 4 * quarter.memory.peak_bytes == whole.memory.peak_bytes
    from archcalc.analysis.figures import read

    assert read(whole, "bops") == whole.macs * 32 * 32
    assert read(quarter, "bops") == whole.macs * 8 * 8
    assert graph.to("float32") is graph
    with pytest.raises(UsageError, match="unknown dtype 'int9': one of bool, int1"):
        graph.to("int9")
