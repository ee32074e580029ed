"""``derive`` and ``sweep`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

import archcalc
from archcalc.cli import run


def ran(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, str, str]:
    code = run(list(line))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_derive_shows_the_formula_its_value_and_the_working(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = ran(capsys, "derive", "inception-5x5-reduced", "--over", "c5_reduce")
    assert code == 0
    assert "777,728·c5_reduce" in out
    assert "12,443,648" in out
    assert "(28×28×32)×(5×5×c5_reduce) = 627,200·c5_reduce" in out
    assert "Holds for all sizes." in out


def test_derive_writes_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = ["derive", "googlenet", "--over", "input,num_classes", "--metric", "macs"]
    code, out, _ = ran(capsys, *line, "--format", "python")
    scope: dict[str, object] = {}
    exec(out, scope)
    assert code == 0
    assert scope["googlenet"](height=224)["macs"] == 1_582_671_872  # type: ignore[operator]
    path = tmp_path / "googlenet.js"
    assert ran(capsys, *line, "--format", "javascript", "-o", str(path))[0] == 0
    assert path.read_text(encoding="utf-8").startswith("// googlenet: macs as functions of height")


def test_explain_keeps_sizes_as_variables(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "explain", "nin", "--over", "height", "--node", "mlpconv1")
    assert code == 0
    assert "(height×32×192)×(5×5×3) = 460,800·height" in out


def test_two_models_cost_the_same_at_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["derive", "inception-5x5", "inception-5x5-reduced", "--over", "c5_reduce"]
    code, out, _ = ran(capsys, *line, "--equal", "macs")
    assert code == 0
    assert "From c5_reduce = 155 on" in out
    assert "119,770,112" in out  # at 154


def test_sweep_shows_the_front_and_writes_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    line = ["sweep", "inception-reduced", "--over", "c5_reduce=4:64:4", "--where", "macs<=130e6"]
    code, out, err = ran(capsys, *line, "--top", "2", "--by", "max:macs", "-o", str(path))
    assert (code, f"wrote {path}: 4 candidates" in err) == (0, True)
    assert "16 candidates, 16 that the network takes, 4 where macs<=130e6." in out
    frame = pandas.read_parquet(path)
    wanted = [
        archcalc.graph("inception-reduced", c5_reduce=c).profile().macs for c in (4, 8, 12, 16)
    ]
    assert frame["macs"].tolist() == wanted


def test_sweep_draws_the_distribution(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("altair")
    path = tmp_path / "edf.svg"
    line = ["sweep", "nin", "--over", "input=8:64:4", "--edf", "macs", "-o", str(path)]
    assert ran(capsys, *line)[0] == 0
    assert "share of candidates" in path.read_text(encoding="utf-8")


def test_sweep_writes_its_record_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "sweep", "nin", "--over", "head=gap,fc", "-f", "json")
    record = json.loads(out)
    assert code == 0
    assert record["candidates"] == record["valid"] == 2
    assert {row["head"] for row in record["sample"]} == {"gap", "fc"}


def test_a_search_finds_the_corner_of_a_small_space(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    study = str(tmp_path / "study.db")
    line = ["sweep", "inception-reduced", "--over", "c5_reduce=1:8", "--search", "optuna"]
    line += ["--pareto", "min:macs", "--study", study, "-f", "json", "--trials"]
    code, out, _ = ran(capsys, *line, "60")
    least = archcalc.graph("inception-reduced", c5_reduce=1).profile().macs
    assert code == 0
    assert [row["macs"] for row in json.loads(out)["front"]] == [least]
    again = json.loads(ran(capsys, *line, "3")[1])  # continues in the same file
    assert again["candidates"] == 60 + 3
    assert [row["macs"] for row in again["front"]] == [least]
    line[3] = "c3_reduce=1:8"
    code, _, err = ran(capsys, *line, "3")
    assert (code, "has a search over other axes: c5_reduce" in err) == (2, True)


def test_a_space_declared_in_a_file_needs_no_axes(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[1] / "docs" / "spaces" / "nats_bench_size.py"
    code, out, _ = ran(capsys, "sweep", f"{path}:net", "-f", "json")
    assert code == 0
    assert json.loads(out)["candidates"] == 8**5


def test_a_saved_sweep_becomes_a_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("altair")
    saved, page, text = (tmp_path / name for name in ("sweep.json", "sweep.html", "sweep.md"))
    line = ["sweep", "inception-reduced", "--over", "c5_reduce=4:64:4", "--over", "c3=64,128"]
    assert ran(capsys, *line, "-o", str(saved))[0] == 0
    code, _, err = ran(capsys, "report", "--sweep", str(saved), "-o", str(page), "-o", str(text))
    assert (code, err.count("wrote")) == (0, 2)
    assert "32 candidates" in page.read_text(encoding="utf-8")
    pictures = sorted(each.name for each in tmp_path.glob("*.svg"))
    assert pictures == [
        "sweep-curve-c3.svg",
        "sweep-curve-c5_reduce.svg",
        "sweep-distribution-macs.svg",
        "sweep-front.svg",
    ]
    assert all(name in text.read_text(encoding="utf-8") for name in pictures)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"axes": {}}, "at least one axis"),
        ({"axes": {"c5_reduce": {"first": 9, "last": 1, "step": 1}}}, "is not a range"),
        ({"front": [{"macs": 1}]}, "a row has no"),
        ({"candidates": "many"}, "candidates: expected a whole number"),
        ({"schema_version": 7}, "is not a saved sweep"),
    ],
)
def test_a_damaged_sweep_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, object], why: str
) -> None:
    saved = tmp_path / "sweep.json"
    ran(capsys, "sweep", "inception-reduced", "--over", "c5_reduce=4:8:4", "-o", str(saved))
    record = json.loads(saved.read_text(encoding="utf-8"))
    saved.write_text(json.dumps(record | change), encoding="utf-8")
    code, out, err = ran(capsys, "report", "--sweep", str(saved), "-o", str(tmp_path / "x.md"))
    assert (code, out) == (2, "")
    assert why in err
    assert not (tmp_path / "x.md").exists()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (["derive", "nin"], "derive needs the sizes to keep as variables"),
        (["derive", "nin", "--over", "head"], "head is gap or fc or fc-dropout, not a size"),
        (["derive", "nin", "--over", "input", "--metric", "beauty"], "unknown figure 'beauty'"),
        (["derive", "nin", "googlenet", "--over", "batch"], "give two models, one --over"),
        (["derive", "nni", "--over", "input"], "unknown model 'nni': did you mean nin"),
        (["sweep", "nin"], "a sweep needs at least one axis"),
        (["sweep", "nin", "--over", "input=9:3"], "is empty"),
        (["sweep", "nin", "--over", "input=3:9", "--where", "macs"], "is a value"),
        (["sweep", "nin", "--over", "input=3:9", "--with", "epochs=3"], "need --train"),
        (["sweep", "nin", "--over", "input=3:9", "-o", "/nowhere/x.csv"], "cannot write"),
        (["derive", "nin", "--over", "heigth"], "nin has no size 'heigth': one of"),
        (["derive", "nin", "--over", "height", "--node", "x"], "no node of nin matches 'x'"),
        (
            ["sweep", "nin", "--over", "height=8:9", "--where", "macs < 1", "-o", "x.svg"],
            "none of the 2 candidates meets macs < 1",
        ),
        (["sweep", "nin", "--over", "widht=1:3"], "nin has no option 'widht'"),
        (["sweep", "nin", "--over", "height="], "write NAME=FIRST:LAST:STEP"),
        (["sweep", "nin", "--over", "height=1:9:0"], "a step of 1 or more"),
        (["sweep", "nin", "--over", "mlp=perhaps"], "option mlp=perhaps is not"),
        (
            ["sweep", "nin", "--over", "head=gap,fcc"],
            "option head=fcc is not gap or fc or fc-dropout",
        ),
        (["sweep", "nin", "--over", "height=9", "--by", "macs"], "--by needs --top N"),
        (["sweep", "nin", "--over", "height=9", "--trials", "9"], "needs --search optuna"),
        (["sweep", "nin", "--over", "height=9", "--replacement"], "needs --sample N"),
        (["sweep", "nin", "--over", "height=9", "--address", "x:1"], "needs --backend"),
        (["sweep", "nin", "--over", "height=9", "-o", "x.png"], ".html, .tex, .jsonl, .parquet"),
        (["sweep", "googlenet", "--over", "input=8:16:4"], "2 because pool3: 3×3 window"),
    ],
)
def test_invalid_input_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], line: list[str], why: str
) -> None:
    code, out, err = ran(capsys, *line)
    assert (code, out) == (2, "")
    assert why in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["x.svg", "x.md"])
def test_an_unwritable_file_is_refused_before_counting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    def counted(*_: object, **__: object) -> None:
        raise AssertionError("counted first")

    monkeypatch.setattr("archcalc.symbolic.sweep._chunk", counted)
    path = str(tmp_path / "missing" / name)
    code, out, err = ran(capsys, "sweep", "nin", "--over", "input=8:16:4", "-o", path)
    assert (code, out) == (2, "")
    assert "there is no folder" in err


def test_a_space_without_a_valid_candidate_writes_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["sweep", "googlenet", "--over", "input=8:16:4", "-o", str(tmp_path / "rows.csv")]
    code, _, err = ran(capsys, *line)
    assert code == 2
    assert "googlenet refuses every candidate" in err
    assert list(tmp_path.iterdir()) == []
