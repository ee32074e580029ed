"""The accuracy section: what runs reached, beside the MACs of the network as it was trained."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis.runs import Run
from archcalc.cli import run as command
from archcalc.io.runs import load_all
from archcalc.language import LANGS, Lang
from archcalc.report import charts
from archcalc.report import gather as stories
from archcalc.report.assemble import document
from archcalc.report.document import Chart, Section, Tabular, Text
from tests.analysis import run_on_disk
from tests.analysis.run_on_disk import RECIPE


def make(folder: Path, model: str, accuracy: float | None, **changes: Any) -> None:
    """A run of two minutes that also says where it ran and on which classes."""
    more = {
        "model": model,
        "precision": "bf16",
        "classes": [str(number) for number in range(10)],
        "environment": {"processor": "a processor", "threads": 2, "torch": "2.14"},
    }
    run_on_disk.make(folder, accuracy, seconds=120.0, **{**more, **changes})


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    make(folder / "a0", "nin", 0.86)
    make(folder / "a1", "nin", 0.88, seed=1)
    make(folder / "b", "nin,norm=batch", 0.95)
    make(folder / "unfinished", "nin,head=fc", None)
    make(folder / "other", "nin-fashion", 0.91)
    return folder


MODELS = ("nin", "nin,norm=batch", "nin,head=fc")


def profiles(*specs: str) -> list[Any]:
    return [archcalc.graph(spec).profile() for spec in specs]


def section(found: list[Run], *specs: str, lang: Lang = "en") -> Section:
    told = stories.of_profiles(profiles(*specs), sections=["accuracy"], runs=found)
    (only,) = document(told, lang=lang).sections
    return only


def sentences(found: Section) -> list[str]:
    return [block.text for block in found.blocks if isinstance(block, Text)]


@pytest.mark.parametrize("lang", LANGS)
def test_a_row_a_way_of_training_with_its_macs_and_interval(runs: Path, lang: Lang) -> None:
    found = section(load_all(runs), *MODELS, lang=lang)
    (table,) = (block.table for block in found.blocks if isinstance(block, Tabular))
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    assert [row["model"] for row in rows] == ["nin", "nin,norm=batch"]
    plain, batch = rows
    assert (plain["runs"], plain["test_accuracy"]) == (2, pytest.approx(0.87))
    assert plain["interval"] == "74.29 – 99.71 %"  # 87 ± 12.706 × 1.4142 / √2
    assert plain["macs"] == batch["macs"] == profiles("nin")[0].macs
    assert batch["seconds"] == 120.0
    assert "nin,head=fc" in sentences(found)[-2]
    threads = {"en": "2 threads", "zh": "2 线程"}[lang]
    assert f"{threads}, bf16, torch 2.14" in sentences(found)[-1]


def test_a_winner_is_named_only_where_its_interval_lies_above(runs: Path) -> None:
    overlapping = section(load_all(runs), *MODELS)
    assert "cifar-10: the intervals overlap, so no winner is named." in sentences(overlapping)
    ones = [run for run in load_all(runs) if run.seed == 0]
    clear = section(ones, *MODELS)
    assert any("nin,norm=batch is the most accurate" in text for text in sentences(clear))


def test_the_charts_are_accuracy_against_macs_and_the_curves(runs: Path) -> None:
    figures = [b for b in section(load_all(runs), *MODELS).blocks if isinstance(b, Chart)]
    assert [figure.key for figure in figures] == ["accuracy-1", "curves-1", "curves-minutes-1"]
    against, curves, minutes = (figure.spec for figure in figures)
    assert [row["y"] for layer in minutes["layer"] for row in layer["data"]["values"]] == [
        row["y"] for layer in curves["layer"] for row in layer["data"]["values"]
    ]
    points = against["layer"][-1]["data"]["values"]
    assert [(point["model"], point["y"]) for point in points] == [
        ("nin", pytest.approx(87.0)),
        ("nin,norm=batch", 95.0),
    ]
    rows, tested = (layer["data"]["values"] for layer in curves["layer"])
    assert len(rows) == 3 * 2  # runs × epochs
    assert {row["images"] for row in rows} == {"validation"}
    assert [row["y"] for row in tested] == pytest.approx([86.0, 88.0, 95.0])
    assert {row["run"] for row in rows} == {"nin 0", "nin 1", "nin,norm=batch 0"}
    for spec in (against, curves, minutes):
        assert charts.svg(spec).startswith("<svg")


def test_fewer_macs_and_more_accuracy_make_the_pareto_line() -> None:
    rows = [
        ("small", 100, 0.8, 0.79, 0.81),
        ("worse", 200, 0.7, 0.69, 0.71),
        ("large", 300, 0.9, 0.89, 0.91),
    ]
    spec = charts.accuracy(rows, "si")
    line = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert [point["model"] for point in line["data"]["values"]] == ["small", "large"]
    low, high = spec["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert low < 69
    assert 91 < high <= 100


def test_sets_are_told_apart_and_two_ways_of_one_model_by_what_differs(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    make(folder / "a", "nin", 0.8)
    make(folder / "b", "nin", 0.9, recipe_name="article", recipe=asdict(replace(RECIPE, lr=1.0)))
    make(folder / "c", "nin", 0.7, data={"name": "cifar-100", "fingerprint": "c", "train": 9})
    found = section(load_all(folder), "nin")
    assert any("cifar-10: nin, article is the most" in text for text in sentences(found))
    assert "Accuracies on different data sets are not compared." in sentences(found)
    figures = [block.key for block in found.blocks if isinstance(block, Chart)]
    assert [key for key in figures if "minutes" not in key] == [
        "accuracy-1",
        "curves-1",
        "curves-2",
    ]


def test_accuracy_is_drawn_against_the_work_where_every_epoch_has_it(tmp_path: Path) -> None:
    make(tmp_path / "a", "nin", 0.8)
    run = load_all(tmp_path)[0]
    counted = [row._replace(flops=2 * 10**15) for row in run.history]
    from archcalc.report.charts.training import curves

    drawn = curves({"nin": [replace(run, history=tuple(counted))]}, "pflop")
    assert drawn is not None
    lines, ends = drawn["layer"]
    assert [row["x"] for row in lines["data"]["values"]] == [2, 4]
    assert [row["x"] for row in ends["data"]["values"]] == [4]
    assert curves({"nin": [run]}, "pflop") is None


def test_the_accuracy_on_the_training_images_is_dashed_where_none_are_held_out(
    tmp_path: Path,
) -> None:
    make(tmp_path / "a", "nin", 0.8)
    run = load_all(tmp_path)[0]
    history = tuple(row._replace(validation_accuracy=None) for row in run.history)
    from archcalc.report.charts.training import curves

    drawn = curves({"nin": [replace(run, history=history)]})
    assert drawn is not None
    lines = drawn["layer"][0]
    assert [row["y"] for row in lines["data"]["values"]] == [
        100 * row.train_accuracy for row in history
    ]
    dashes = lines["encoding"]["strokeDash"]["scale"]
    assert dict(zip(dashes["domain"], dashes["range"], strict=True)) == {
        "validation": [1, 0],
        "training": [4, 3],
    }


def test_macs_are_of_the_input_and_the_classes_that_it_was_trained_with(tmp_path: Path) -> None:
    classes = [str(number) for number in range(20)]
    make(tmp_path / "a", "googlenet", 0.5, input=[3, 96, 96], classes=classes)
    told = stories.of_profiles(profiles("googlenet"), runs=load_all(tmp_path))
    (trained,) = told.trained
    as_trained = archcalc.graph("googlenet", input="96x96x3", num_classes=20).profile()
    assert trained.macs == as_trained.macs < told.profiles[0].macs


def test_the_command_tells_it_in_every_format(runs: Path, tmp_path: Path) -> None:
    config = tmp_path / "story.toml"
    config.write_text(
        'models = ["nin", "nin,norm=batch"]\nruns = "runs"\nsections = ["accuracy"]\n'
        'output = ["story.json", "story.md", "story.html"]\n',
        encoding="utf-8",
    )
    assert command(["report", "--config", str(config)]) == 0
    data = json.loads((tmp_path / "story.json").read_text(encoding="utf-8"))
    first = data["accuracies"][0]
    assert first["mean"] == pytest.approx(0.87)
    assert [each["result"]["accuracy"] for each in first["runs"]] == [0.86, 0.88]
    assert len(first["runs"][0]["history"]) == 2
    assert str(tmp_path) not in json.dumps(data)  # the same wherever it is written
    text = (tmp_path / "story.md").read_text(encoding="utf-8")
    assert "## Measured accuracy" in text
    assert "95.00 %" in text
    assert (tmp_path / "story-curves-1.svg").is_file()
    assert "Measured accuracy" in (tmp_path / "story.html").read_text(encoding="utf-8")
    assert command(["report", "--config", str(config), "--check"]) == 0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("googlenet", "none of the models was trained; the runs are of nin"),
        ("nin,head=fc", "no run of these models is finished"),
    ],
)
def test_runs_of_other_models_or_unfinished_ones_are_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, said: str
) -> None:
    options = ["--runs", str(runs), "-o", str(tmp_path / "x.csv")]
    assert command(["report", model, *options]) == 2
    assert said in capsys.readouterr().err


def test_a_report_without_runs_has_no_accuracy() -> None:
    told = stories.of_profiles(profiles("nin"))
    assert "accuracy" not in [section.key for section in document(told, charts=False).sections]
