"""Every command's tables fit terminals of 60, 80, 120 and 200 columns."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from archcalc.cli import COMMANDS, options, run
from archcalc.io.runs import load_all
from archcalc.report.document import Document, Notes, answer
from archcalc.report.formats.terminal import STYLES, terminal
from archcalc.report.sections import accuracy, latency
from archcalc.report.table import Column, Table
from tests.analysis import run_on_disk
from tests.report.test_story_measured import bench
from tests.report.test_story_measured import latency as measured
from tests.report.widths import WIDTHS, check

LINES = (
    "list",
    "list nin",
    "list nin*",
    "show googlenet",
    "show vit-b-16",
    "explain googlenet --node inception_3a.*",
    "explain inception-reduced --over c5_reduce",
    "flops",
    "flops nin googlenet --convention torch",
    "flops nin --train --optimizer adam",
    "compare nin,mlp=false,head=fc googlenet-bn mobilenet-v3-large vit-b-16",
    "compare inception-naive inception-reduced --diff --units exact",
    "params mobilenet-v3-large",
    "memory vit-b-16",
    "memory nin --train --optimizer adam",
    "receptive-field densenet121",
    "derive inception-reduced --over c5_reduce,batch",
    "sweep inception-reduced --over c5_reduce=8:32:8",
    "claims all",
    "claims alexnet --waterfall",
    "lint nin googlenet vgg16 densenet121",
    "check --format md",
    "diff before.json after.json",
)
ELSEWHERE = {
    "verify": "tests/pytorch/test_verify.py",
    "reconcile": "tests/pytorch/test_verify.py",
    "bench": "below",
    "train": "below",
    "evaluate": "below",
    "calibrate": "tests/pytorch",
    "featuremaps": "writes pictures",
    "report": "writes files",
    "explore": "writes a page",
    "export": "writes files",
    "completion": "prints a script",
}


def test_every_command_is_tried() -> None:
    assert {line.split()[0] for line in LINES} | set(ELSEWHERE) == set(COMMANDS)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Document]:
    found: list[Document] = []

    def keep(document: Document, format: str, place: object) -> str:
        found.append(document)
        return ""

    monkeypatch.chdir(tmp_path)
    shutil.copy(Path(__file__).parents[2] / "archcalc.toml", tmp_path)
    for name, model in (("before", "inception-naive"), ("after", "inception-reduced")):
        run(["flops", model, "-f", "json", "-o", f"{name}.json"])
    monkeypatch.setattr(options, "written", keep)
    return found


@pytest.mark.parametrize("line", LINES)
def test_tables_fit_and_keep_their_names_and_numbers(line: str, documents: list[Document]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdout.isatty", lambda: False, raising=False)
        with suppress(SystemExit):
            run(line.split())
    assert documents
    for document in documents:
        check(document)


def test_measured_times_fit() -> None:
    names = ("inception-naive", "googlenet", "nin,mlp=false,head=fc")
    check(latency.show(bench(*(measured(name, 3.14159) for name in names))))


def test_accuracies_fit(tmp_path: Path) -> None:
    for seed, reached in enumerate((0.86, 0.88)):
        run_on_disk.make(tmp_path / str(seed), reached, model="nin,norm=batch", seed=seed)
    runs = load_all(tmp_path)
    check(accuracy.show(*runs))
    check(accuracy.evaluation(runs[0], (0.5, 0.86, 10_000), "mnist"))


NAME = "./a/rather/deep/folder/of/experiments/network_of_june.py:BottleneckTransformer"


def test_a_name_wider_than_the_terminal_is_not_broken() -> None:
    columns = (Column("model", "model"), Column("params", "params", "count"))
    table = Table(columns, ((NAME, 123_456),), f"{NAME}, H×W×C = 224×224×3")
    shown = terminal(answer((table,), notes=[f"Not measured: {NAME}."]), width=60)
    lines = shown.splitlines()
    assert f"{NAME}," in lines  # the title
    assert NAME in lines  # the head of a block of values
    assert any(line.endswith("123.5k") for line in lines)
    assert f"{NAME}." in lines  # the note


def test_what_was_left_out_of_several_tables_is_said_once() -> None:
    columns = (Column("name", "name"), Column("detail", "detail", priority=1))
    tables = [Table(columns, (("a", "x" * 70),), str(number)) for number in range(3)]
    shown = terminal(answer(tables), width=60)
    assert shown.count("Left out to fit 60 columns: detail.") == 1
    assert shown.rstrip().endswith("detail.")


@pytest.mark.parametrize("width", [20, *WIDTHS])
@pytest.mark.parametrize("term", sorted(STYLES))
def test_severities_and_verdicts_are_coloured_at_every_width(term: str, width: int) -> None:
    columns = (Column("severity", "severity", "term"), Column("node", "node"))
    table = Table(columns, ((term, "a_node_with_a_long_name"),))
    plain, coloured = (terminal(answer((table,)), width=width, colour=on) for on in (False, True))
    assert "\x1b[" not in plain
    assert f"m{term}" in coloured.replace("\x1b[1;3", "\x1b[3")


def test_chinese_wraps_at_the_width_of_the_terminal() -> None:
    sentence = "乘加为卷积、全连接层与矩阵乘的乘加次数；每次乘加计 2 次运算，" * 4
    document = answer((), notes=[sentence])
    lines = terminal(document, width=60).splitlines()
    assert isinstance(document.blocks[0], Notes)
    assert "".join(lines).replace(" ", "") == sentence.replace(" ", "")
    assert all(
        50 < sum(2 if ord(sign) > 0x2E80 else 1 for sign in line) <= 62 for line in lines[:-1]
    )
