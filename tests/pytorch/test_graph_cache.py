"""The cache of traced graphs: changed models are traced again, uncertain ones are not cached."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from archcalc.graph import Graph
from archcalc.io import graph_cache
from archcalc.lookup import dependencies
from archcalc.lookup.resolve import resolve

Net = Callable[..., str]


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Net:
    """Write ``net.py`` and its helper; return the name of its model."""
    monkeypatch.setenv("ARCHCALC_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def write(width: str = "8", imports: str = "import helper") -> str:
        (tmp_path / "net.py").write_text(
            textwrap.dedent(
                f"""
                import os
                {imports}
                from torch import nn


                class Net(nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.conv = nn.Conv2d(3, {width}, 3)

                    def forward(self, x):
                        return self.conv(x)
                """
            )
        )
        return "net.py:Net"

    (tmp_path / "helper.py").write_text("WIDTH = 8\n")
    return write


def forget(*names: str) -> None:
    """Remove the user's modules from ``sys.modules``, as in a new process."""
    dependencies._watch = None
    for name in ("helper", "archcalc_model_net", *names):
        sys.modules.pop(name, None)


def ask(name: str) -> tuple[Graph, bool]:
    """Return the graph as in a new process, and whether it came from the cache."""
    forget()
    before = {file: file.stat().st_ino for file in entries()}
    graph = resolve(name, input="8x8x3", cache=True)
    return graph, bool(before) and before == {file: file.stat().st_ino for file in entries()}


def entries() -> list[Path]:
    return sorted((Path(os.environ["ARCHCALC_CACHE"]) / graph_cache.FOLDER).glob("*.json"))


def test_a_graph_is_traced_once(net: Net) -> None:
    name = net("helper.WIDTH")
    first, from_cache = ask(name)
    assert not from_cache
    assert len(entries()) == 1
    second, from_cache = ask(name)
    assert from_cache
    assert second == first
    assert second.lifetimes == first.lifetimes


def test_a_changed_helper_is_traced_again(net: Net, tmp_path: Path) -> None:
    name = net("helper.WIDTH")
    ask(name)
    (tmp_path / "helper.py").write_text("WIDTH = 16\n")
    graph, from_cache = ask(name)
    assert not from_cache
    assert graph.output.shape[1] == 16


def test_a_changed_environment_variable_is_traced_again(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = net('int(os.environ.get("WIDTH", 8))')
    assert ask(name)[0].output.shape[1] == 8
    assert ask(name)[1]
    monkeypatch.setenv("WIDTH", "4")
    graph, from_cache = ask(name)
    assert not from_cache
    assert graph.output.shape[1] == 4
    monkeypatch.setenv("OTHER", "4")
    assert ask(name)[1]


def test_a_changed_file_that_the_model_reads_is_traced_again(net: Net, tmp_path: Path) -> None:
    (tmp_path / "width.txt").write_text("8")
    name = net('int(open("width.txt").read())')
    ask(name)
    assert ask(name)[1]
    (tmp_path / "width.txt").write_text("2")
    graph, from_cache = ask(name)
    assert not from_cache
    assert graph.output.shape[1] == 2


@pytest.mark.parametrize(
    "width",
    [
        '8 if os.path.exists("flag") else 4',
        "8 + int(__import__('time').time()) % 2",
        "len(os.listdir('.'))",
        "len(dict(os.environ)) % 7 + 1",
        "int(__import__('subprocess').check_output(['echo', '8']))",
    ],
)
def test_graphs_with_unverifiable_dependencies_are_not_cached(net: Net, width: str) -> None:
    name = net(width)
    ask(name)
    assert entries() == []


def test_another_version_input_or_option_is_another_entry(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = net("helper.WIDTH")
    ask(name)
    forget()
    resolve(name, input="9x9x3", cache=True)
    forget()
    resolve(name, input="8x8x3", batch=2, cache=True)
    assert len(entries()) == 3
    monkeypatch.setattr(graph_cache, "version", lambda package: "99.0")
    assert not ask(name)[1]
    assert len(entries()) == 4


def test_a_damaged_entry_is_ignored_and_made_again(net: Net) -> None:
    name = net("helper.WIDTH")
    graph, _ = ask(name)
    [file] = entries()
    whole = file.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole.replace(b'"conv2d"', b"7"), b"\xff\x00"):
        file.write_bytes(damage)
        assert ask(name) == (graph, False)
        assert file.read_bytes() == whole


def test_the_oldest_entries_are_removed(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    name = net("helper.WIDTH")
    ask(name)
    [first] = entries()
    os.utime(first, (1, 1))
    monkeypatch.setattr(graph_cache, "LARGEST", int(1.5 * first.stat().st_size))
    forget()
    resolve(name, input="9x9x3", cache=True)
    assert len(entries()) == 1
    assert entries() != [first]


def test_the_second_command_imports_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from archcalc.cli import run; code = run(['flops', 'torchvision:alexnet']); "
        "print('torch' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    environment = {**os.environ, "ARCHCALC_CACHE": str(tmp_path)}
    done = [
        subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True
        )
        for _ in range(2)
    ]
    assert [one.stderr.strip() for one in done] == ["True", "False"]
    assert done[0].stdout == done[1].stdout
    assert "714.2M" in done[0].stdout


def test_without_the_cache_every_command_traces(net: Net, cli: Callable[..., object]) -> None:
    name = net("helper.WIDTH")
    cli(f"flops {name} --input 8x8x3 --no-cache")
    assert entries() == []
