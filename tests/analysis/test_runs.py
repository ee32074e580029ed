"""Records of runs: read back, put together, compared. No torch is needed for any of it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from archcalc.analysis.compare import compare
from archcalc.analysis.profile import profile
from archcalc.analysis.runs import (
    Accuracy,
    Epoch,
    accuracies,
    best,
    interval,
    winner,
)
from archcalc.errors import UsageError
from archcalc.io.runs import FIRST_FIELDS, history_csv, load, load_all, parse_history
from archcalc.lookup.registry import find
from archcalc.report.charts.style import svg
from archcalc.report.charts.training import errors, learning
from archcalc.report.sections.accuracy import show as trained
from archcalc.report.sections.comparison import show as comparison
from tests.analysis.run_on_disk import RECIPE, epoch, make


def test_a_history_comes_back_to_the_last_bit() -> None:
    rows = (
        Epoch(1, 1 / 3, 2.3025850929940455, 0.1, None, None, 0.1 + 0.2, 1e6 / 7),
        Epoch(2, 1e-300, 2.0, 0.2, 1.5, 0.25, 1.0, 2.0),
    )
    assert parse_history(history_csv(rows)) == rows


def test_the_best_epoch_has_the_highest_accuracy_and_of_equal_ones_the_lower_loss() -> None:
    rows = [epoch(1, 0.5), epoch(2, 0.7, 0.9), epoch(3, 0.7, 0.8), epoch(4, 0.6)]
    assert best(rows) == rows[2]


def test_without_images_held_out_the_last_epoch_is_the_best() -> None:
    rows = [epoch(1, None), epoch(2, None)]
    assert best(rows) == rows[1]
    assert best([]) is None


def test_a_run_is_loaded_finished_or_not(tmp_path: Path) -> None:
    done = load(make(tmp_path / "a", 0.8))
    assert done.result is not None
    assert done.result.accuracy == 0.8
    assert (done.model, done.data, done.seed, done.recipe) == ("nin", "cifar-10", 0, RECIPE)
    assert done.best is not None
    assert done.best.epoch == 2
    assert load(make(tmp_path / "b", None)).result is None


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a run: it has no run\.json"):
        load(tmp_path)
    with pytest.raises(UsageError, match="there is no run under"):
        load_all(tmp_path)


DAMAGE = {
    "not JSON": ("run.json", "{", "is not JSON"),
    "nothing": ("run.json", "{}", "is missing"),
    "a list": ("run.json", "[]", "expected a table"),
    "nested deeply": ("run.json", "[" * 50_000, "nested too deeply"),
    "text for a number": ("run.json", '{"seed": "0"}', "seed: expected a whole number, got text"),
    "five thousand digits": ("run.json", '{"seed": ' + "9" * 5000 + "}", "thousands of digits"),
    "a result of text": ("result.json", '{"accuracy": "high"}', "expected a number, got text"),
    "no result": ("result.json", "null", "expected a table, got nothing"),
    "an infinite loss": ("result.json", '{"loss": 1e400}', "inf is not a finite number"),
    "no number": ("result.json", '{"loss": NaN}', "the constant NaN is not a number"),
    "a key twice": ("result.json", '{"loss": 1, "loss": 2}', "the key 'loss' is given twice"),
    "zero images": (
        "result.json",
        '{"accuracy": 0.5, "loss": 1, "images": 0, "epoch": 1, "seconds": 1}',
        "accuracy, images or epoch is out of range",
    ),
    "an empty history": ("history.csv", "", "it is not a table"),
    "other columns": ("history.csv", "a,b\n1,2\n", "its columns are not epoch, lr"),
    "a short row": ("history.csv", ",".join(Epoch._fields) + "\n1,2\n", "2 fields, not 10"),
    "words": ("history.csv", ",".join(FIRST_FIELDS) + "\n1,a,b,c,d,e,f,g\n", "is not a number"),
    "epoch 5 first": (
        "history.csv",
        ",".join(FIRST_FIELDS) + "\n5,0.1,1,1,1,1,1,1\n",
        "not numbered from 1",
    ),
    "an endless field": ("history.csv", '"' + "x" * 200_000, "it is not a table"),
}


def test_a_history_without_sizes_and_flops_is_read_and_whole_numbers_stay_whole() -> None:
    old = parse_history(",".join(FIRST_FIELDS) + "\n1,0.1,1,0.5,,,2,3\n")
    assert old == (Epoch(1, 0.1, 1.0, 0.5, None, None, 2.0, 3.0),)
    flops = 2**60 + 1  # not a double
    new = (old[0]._replace(height=16, flops=flops),)
    assert parse_history(history_csv(new)) == new
    with pytest.raises(UsageError, match="row 1 is damaged"):
        parse_history(history_csv(new).replace(str(flops), "1.5"))


@pytest.mark.parametrize(("file", "text", "words"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_one_sentence(tmp_path: Path, file: str, text: str, words: str) -> None:
    folder = make(tmp_path / "a", 0.8)
    if text.startswith('{"seed"'):
        whole = (folder / "run.json").read_text()
        text = whole.replace('"seed": 0', text[1:-1])
    (folder / file).write_text(text)
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_seeds_of_one_way_of_training_are_put_together_and_other_ways_are_not(
    tmp_path: Path,
) -> None:
    for seed, accuracy in enumerate((0.80, 0.82, 0.84)):
        make(tmp_path / f"s{seed}", accuracy, seed=seed)
    make(tmp_path / "other", 0.9, model="nin,norm=batch")
    make(tmp_path / "unfinished", None, seed=9)
    together, other = sorted(accuracies(load_all(tmp_path)), key=lambda one: one.mean)
    assert (together.runs, other.runs) == (3, 1)
    assert together.mean == pytest.approx((0.80 + 0.82 + 0.84) / 3)
    assert together.deviation == pytest.approx(statistics.stdev([0.80, 0.82, 0.84]))
    half = 4.303 * 0.02 / 3**0.5  # Student's t for 2 degrees of freedom
    assert (together.low, together.high) == pytest.approx((0.82 - half, 0.82 + half))
    assert other.deviation is None  # one run has none; 0 would be a claim


def test_an_interval_stays_between_0_and_1() -> None:
    assert interval([0.98, 1.0], 100)[1] == 1.0
    low, high = interval([1.0], 100)
    assert 0.95 < low < high <= 1.0


@pytest.mark.parametrize(
    ("spans", "data", "wins"),
    [
        ([(0.80, 0.82), (0.83, 0.85)], "cifar-10", 1),
        ([(0.80, 0.84), (0.83, 0.85)], "cifar-10", None),
        ([(0.80, 0.82), (0.83, 0.85), (0.70, 0.86)], "cifar-10", None),
        ([(0.80, 0.82), (0.83, 0.85)], "mixed", None),
        ([(0.80, 0.82)], "cifar-10", None),
    ],
)
def test_there_is_a_winner_only_where_its_interval_lies_above_all_others(
    spans: list[tuple[float, float]], data: str, wins: int | None
) -> None:
    found = [
        Accuracy(
            f"m{index}",
            "fast",
            f"set{index}" if data == "mixed" else data,
            (3, 32, 32),
            2,
            (low + high) / 2,
            0.01,
            low,
            high,
            10,
            1.0,
        )
        for index, (low, high) in enumerate(spans)
    ]
    assert winner(found) == (None if wins is None else found[wins])


def test_compare_gets_an_accuracy_column_and_names_no_winner_when_intervals_overlap(
    tmp_path: Path,
) -> None:
    make(tmp_path / "a", 0.80)
    make(tmp_path / "b", 0.805, model="nin,head=fc")
    profiles = [
        profile(find(name).graph(options=options))
        for name, options in (("nin", {}), ("nin", {"head": "fc"}), ("nin-fashion", {}))
    ]
    found = compare(profiles, runs=load_all(tmp_path))
    assert [row["test_accuracy"] for row in found.rows()] == [0.80, 0.805, None]
    report = comparison(found)
    assert [column.key for column in report.tables[0].columns][-1] == "test_accuracy"
    assert [row[-1] for row in report.tables[0].rows] == [0.80, 0.805, None]
    assert "The intervals overlap: no winner." in report.notes
    assert "No finished run of nin-fashion was found." in report.notes
    assert [one["mean"] for one in report.data["accuracies"]] == [0.80, 0.805]


def test_a_model_that_was_trained_in_two_ways_has_no_one_accuracy(tmp_path: Path) -> None:
    make(tmp_path / "a", 0.80)
    make(tmp_path / "b", 0.90, precision="bf16")
    report = comparison(compare([profile(find("nin").graph())], runs=load_all(tmp_path)))
    assert report.tables[0].rows[0][-1] is None
    assert len(report.tables[1].rows) == 2


def test_the_report_of_runs_has_a_row_a_run_and_their_mean(tmp_path: Path) -> None:
    for seed in range(2):
        make(tmp_path / f"s{seed}", 0.8 + 0.01 * seed, seed=seed)
    report = trained(*load_all(tmp_path))
    assert len(report.tables[0].rows) == 2
    assert report.tables[1].rows[0][3] == pytest.approx(0.805)
    assert json.loads(json.dumps(report.data))["runs"][0]["result"]["accuracy"] == 0.8


def test_the_curve_of_a_run_is_svg_with_a_line_for_each_half_and_labels_are_escaped(
    tmp_path: Path,
) -> None:
    pytest.importorskip("altair")
    from xml.etree import ElementTree

    drawn = svg(learning([epoch(1, 0.4), epoch(2, 0.6)]))
    ElementTree.fromstring(drawn)
    # Training and validation, of loss and of accuracy.
    assert drawn.count('aria-roledescription="line mark"') == 4
    for number, rate in enumerate((0.1, 0.2)):
        make(tmp_path / str(number), rate)
    named = svg(errors(load_all(tmp_path), lambda run: f"{run.folder.name}<&>"))
    ElementTree.fromstring(named)
    assert "0&lt;&amp;&gt;" in named
