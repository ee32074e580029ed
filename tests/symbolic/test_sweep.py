"""Sweeps: every candidate counted, filtered and kept as a loop over them would."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import archcalc
from archcalc.errors import UsageError
from archcalc.io import calibrations
from archcalc.symbolic.sweep import keep, space, sweep
from archcalc.symbolic.sweep.where import parse_condition
from tests.analysis.calibrations import calibration

OVER = ["c5_reduce=4:64:12", "c3_reduce=16:128:16"]


def by_hand() -> list[dict[str, int]]:
    """The same candidates, one network at a time."""
    rows = []
    for c5, c3 in itertools.product(range(4, 65, 12), range(16, 129, 16)):
        found = archcalc.graph("inception-reduced", c5_reduce=c5, c3_reduce=c3).profile()
        rows.append({"c5_reduce": c5, "c3_reduce": c3, "params": found.params, "macs": found.macs})
    return rows


def test_a_sweep_counts_what_a_loop_over_its_networks_counts() -> None:
    found = sweep("inception-reduced", OVER, rows=True)
    assert [dict(row) for row in found.everything] == by_hand()
    assert found.candidates == found.valid == found.kept == 6 * 8


def test_a_condition_keeps_what_it_says() -> None:
    text = "macs <= 100e6 and c5_reduce % 8 == 0"
    found = sweep("inception-reduced", OVER, where=text, rows=True)
    wanted = [r for r in by_hand() if r["macs"] <= 100_000_000 and r["c5_reduce"] % 8 == 0]
    assert [dict(row) for row in found.everything] == wanted
    assert wanted


def test_the_front_has_what_nothing_beats_and_the_best_come_first() -> None:
    found = sweep("inception-reduced", OVER, pareto="min:macs,max:params", top=3, by="max:params")
    rows = by_hand()

    def beaten(row: dict[str, int]) -> bool:
        return any(
            other["macs"] <= row["macs"]
            and other["params"] >= row["params"]
            and (other["macs"], other["params"]) != (row["macs"], row["params"])
            for other in rows
        )

    assert [dict(row) for row in found.front] == [row for row in rows if not beaten(row)]
    assert [row["params"] for row in found.best] == sorted(r["params"] for r in rows)[:-4:-1]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_front_is_that_of_all_pairs(objectives: int) -> None:
    draw = np.random.default_rng(objectives)
    costs = draw.integers(0, 6, (200, objectives))
    kept = keep.undominated(costs).tolist()
    for index, row in enumerate(costs):
        beats = (costs <= row).all(axis=1) & (costs < row).any(axis=1)
        equal_before = (costs[:index] == row).all(axis=1).any()
        assert (index in kept) == (not beats.any() and not equal_before)


def test_a_front_that_is_fed_in_pieces_is_the_front_of_all() -> None:
    draw = np.random.default_rng(0)
    figures = {name: draw.integers(0, 1000, 5000) for name in ("macs", "params")}
    rows = keep.Rows(np.arange(5000).reshape(-1, 1), figures)
    objectives = keep.parse_objectives("min:macs,max:params")
    whole, pieces = keep.Front(objectives), keep.Front(objectives)
    best = keep.Best(keep.Objective("max", "macs"), 7)
    whole.add(rows)
    for start in range(0, 5000, 700):
        part = rows.take(np.arange(start, min(start + 700, 5000)))
        pieces.add(part)
        best.add(part)
    assert whole.rows is not None
    assert pieces.rows is not None
    assert best.rows is not None
    assert pieces.rows.positions.tolist() == whole.rows.positions.tolist()
    order = np.argsort(-figures["macs"], kind="stable")[:7]
    assert best.rows.positions[:, 0].tolist() == order.tolist()


def test_choices_have_a_formula_each_and_refused_candidates_a_reason() -> None:
    found = sweep("nin", ["head=gap,fc", "input=1,16,32"], rows=True, figures=["flops"])
    wanted = []
    for head, side in itertools.product(("gap", "fc"), (1, 16, 32)):
        counted = archcalc.graph("nin", head=head, input=(3, side, side)).profile()
        wanted.append((head, side, counted.params, counted.macs, counted.flops))
    assert [tuple(row.values()) for row in found.everything] == wanted
    refused = sweep("googlenet", ["input=16:320:16"])
    assert refused.candidates == 20
    assert refused.valid == refused.candidates - sum(refused.refusals.values()) == 16
    assert any("window is larger than its" in reason for reason in refused.refusals)


def test_a_sample_is_the_same_for_the_same_seed_and_has_nobody_twice() -> None:
    over = {"c5_reduce": range(1, 101), "c3_reduce": range(1, 101)}
    one, again, other = (
        sweep("inception-reduced", over, sample=500, seed=seed, rows=True).everything
        for seed in (0, 0, 1)
    )
    assert one == again != other
    assert len({(row["c5_reduce"], row["c3_reduce"]) for row in one}) == 500
    drawn = sweep("inception-reduced", over, sample=20_000, replacement=True)
    assert drawn.candidates == 20_000
    with pytest.raises(UsageError, match=r"--sample 20,000 is more than the 10,000 candidates"):
        sweep("inception-reduced", over, sample=20_000)


def test_the_kept_sample_does_not_depend_on_the_chunks_before_it() -> None:
    figures = {"macs": np.arange(30_000)}
    rows = keep.Rows(np.arange(30_000).reshape(-1, 1), figures)
    parts = [rows.take(np.arange(start, start + 10_000)) for start in (0, 10_000, 20_000)]
    samples = []
    for order in ((0, 1, 2), (2, 0, 1)):
        sample = keep.Sample(1000, seed=3)
        for chunk in order:
            sample.add(parts[chunk], chunk)
        assert sample.rows is not None
        samples.append(sorted(sample.rows.positions[:, 0].tolist()))
    assert samples[0] == samples[1]
    assert 13_000 < np.mean(samples[0]) < 17_000


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_are_written_as_they_come(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"rows{suffix}"
    sweep("inception-reduced", OVER, output=str(path))
    read: Any = {
        ".csv": pandas.read_csv,
        ".jsonl": lambda file: pandas.read_json(file, lines=True),
        ".parquet": pandas.read_parquet,
    }[suffix]
    assert read(path).to_dict("records") == by_hand()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_sweep_that_is_cut_off_goes_on_from_its_finished_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archcalc.symbolic.sweep.CHUNK", 7)
    path, whole = str(tmp_path / "rows.csv"), sweep("inception-reduced", OVER, top=5)
    counted = []

    def stop(progress: Any) -> None:
        counted.append(progress.done)
        if len(counted) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep("inception-reduced", OVER, top=5, output=path, progress=stop)
    assert not Path(path).exists()
    with pytest.raises(UsageError, match="has the unfinished rows of another sweep"):
        sweep("inception-reduced", ["c5_reduce=4:8"], output=path)
    again = sweep(
        "inception-reduced", OVER, top=5, output=path, progress=lambda p: counted.append(p.done)
    )
    assert counted == [7, 14, 21, 28, 35, 42, 48]
    assert (again.front, again.best, again.kept) == (whole.front, whole.best, whole.kept)
    assert pandas.read_csv(path).to_dict("records") == by_hand()


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ([], "a sweep needs at least one axis"),
        (["c5_reduce"], "write NAME=FIRST:LAST:STEP"),
        (["c5_reduce=64:4"], "is empty"),
        (["c5_reduce=0:4"], "is empty"),
        (["c5_reduce=4:64:0"], "is empty"),
        (["c5_reduce=a:b"], "is not a range of whole numbers"),
        (["c5_reduce=4,four"], "'four' is not a whole number"),
        (["c5_reduce=4,4"], "repeats a value"),
        (["c5_reduce=4:8", "c5_reduce=4:8"], "is given twice"),
        (["c9=4:8"], "has no option 'c9'; its axes are c1, c3_reduce"),
        (["c5_reduce=" + "9" * 5000], "is not a whole number"),
    ],
)
def test_a_wrong_axis_is_one_sentence(over: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        sweep("inception-reduced", over)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("macs", "is a value"),
        ("macs <=", "is not a condition"),
        ("beauty > 3", "unknown figure 'beauty'"),
        ("__import__('os').system('true') == 0", "is not one of names"),
        ("macs ** 9 > 1", "is not one of names"),
        ("(" * 900 + "macs" + ")" * 900 + " > 1", "is not a condition"),
    ],
)
def test_a_wrong_condition_is_one_sentence(where: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        sweep("inception-reduced", OVER, where=where)


def test_what_does_not_fit_int64_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        UsageError, match="does not fit int64; evaluate single values instead; narrow"
    ):
        sweep("nin", ["input=4000000000:4000000001"])


def test_conditions_are_exact_beyond_the_precision_of_floats() -> None:
    large = 2**53
    condition = parse_condition("macs <= 9007199254740992e0")
    assert condition({"macs": np.array([large, large + 1])}).tolist() == [True, False]


def test_every_candidate_of_a_space_comes_once_and_in_order() -> None:
    axes = space.parse_space({"a": range(3), "b": ["x", "y"]})
    rows = [tuple(row) for chunk in axes.grid(4) for row in zip(*chunk, strict=True)]
    assert rows == list(itertools.product(range(3), range(2)))


def test_the_nats_bench_space_is_32768_networks_that_add_up() -> None:
    path = Path(__file__).parents[2] / "docs" / "spaces" / "nats_bench_size.py"
    widths = {f"c{place}": range(8, 65, 8) for place in range(5)}
    found = sweep(f"{path}:net", widths, top=1, by="max:macs")
    assert found.candidates == found.valid == 8**5
    # All widths 64: the stem, five 3×3 of each cell at 32, 16 and 8 pixels, two blocks, the head.
    cells = 5 * 9 * 64 * 64 * (32 * 32 + 16 * 16 + 8 * 8)
    blocks = (2 * 9 + 1) * 64 * 64 * (16 * 16 + 8 * 8)
    assert found.best[0]["macs"] == 27 * 64 * 32 * 32 + cells + blocks + 640 == 274_399_872


def test_a_sweep_filters_by_the_predicted_latency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calibrations.save(calibration(), "cpu.json")
    over = {"c5_reduce": range(8, 65, 8)}
    found = archcalc.sweep("inception-5x5-reduced", over, predict="cpu.json", rows=True)
    times = [row["latency_ms"] for row in found.everything]
    assert times == sorted(times)  # a wider reduction takes longer
    one = archcalc.predict("inception-5x5-reduced", "cpu.json", c5_reduce=8)
    assert times[0] == pytest.approx(1e3 * one.seconds)
    assert found.everything[0]["latency_high_ms"] == pytest.approx(1e3 * one.high)
    assert found.predicted_for == f"{calibration().machine}, cpu, float32, 1 thread"
    limit = f"latency_ms <= {times[2]}"
    kept = archcalc.sweep("inception-5x5-reduced", over, predict="cpu.json", where=limit)
    assert kept.kept == 3


def test_a_latency_without_a_calibration_is_refused() -> None:
    with pytest.raises(archcalc.UsageError, match="latency_ms needs a calibration: add --predict"):
        archcalc.sweep("inception-5x5-reduced", ["c5_reduce=8,16"], where="latency_ms <= 2")
    with pytest.raises(archcalc.UsageError, match=r"^there is no file none\.json"):
        archcalc.sweep("inception-5x5-reduced", ["c5_reduce=8,16"], predict="none.json")
