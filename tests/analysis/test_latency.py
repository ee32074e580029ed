"""Records of measurements: statistics, ratios, files."""

import json
import math
import random
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.analysis.latency import (
    Bench,
    Caution,
    Environment,
    Latency,
    Layers,
    LayerTime,
    Setting,
    Verified,
    Warmup,
    find,
)
from archcalc.analysis.quantile import quantiles, rank_correlation
from archcalc.analysis.speedup import speedup, turns
from archcalc.errors import UsageError
from archcalc.io.bench_file import load, record

SETTING = Setting("cpu", "float32", 1, threads=2)
CEILINGS = {
    "device": "a processor",
    "dtype": "float32",
    "threads": 2,
    "flops": 4e11,
    "copies": [[2**14, 1e11], [2**29, 2e10]],
    "launch": 1e-6,
}
ENVIRONMENT = Environment(
    "a processor", 4, "Linux x86_64", "3.11", "2.9", "0.1", flags={"mkl": True}
)


def latency(samples, spec: str = "nin", **fields) -> Latency:
    usual = {
        "model": spec.partition(",")[0],
        "spec": spec,
        "inputs": ((1, 3, 32, 32),),
        "setting": SETTING,
        "samples": tuple(samples),
        "per_turn": 1,
        "calls": 1,
        "warmup": Warmup(0.2, 20, True),
        "macs": 1000,
        "flops": 2100,
        "ceiling": 4e6,
    }
    return Latency(**usual | fields)


def noisy(mean: float, seed: int, count: int = 60) -> list[float]:
    """A normal distribution's own quantiles, shuffled: the median is the mean for any seed."""
    normal = statistics.NormalDist(mean, 0.03 * mean)
    samples = [normal.inv_cdf((n + 0.5) / count) for n in range(count)]
    random.Random(seed).shuffle(samples)
    return samples


def test_statistics_are_those_of_the_samples() -> None:
    found = latency([1e-3 * n for n in range(1, 12)])
    assert found.median == pytest.approx(6e-3)
    assert (found.p10, found.p90) == (pytest.approx(2e-3), pytest.approx(10e-3))
    assert found.iqr == pytest.approx(5e-3)
    assert found.flops_per_second == pytest.approx(2100 / 6e-3)
    assert found.share_of_ceiling == pytest.approx(2100 / 6e-3 / 4e6)


def test_throughput_counts_the_batch() -> None:
    found = latency([0.5], setting=replace(SETTING, batch=32))
    assert found.throughput == 64


def test_what_is_not_known_is_none() -> None:
    found = latency([0.5], flops=None, ceiling=None)
    assert found.flops_per_second is None
    assert found.share_of_ceiling is None
    assert found.device_median is None


@given(st.lists(st.floats(0.1, 1e3), min_size=1), st.integers(2, 40))
def test_quantiles_are_interpolated_between_neighbours(samples, parts) -> None:
    ordered = sorted(samples)
    for number, found in enumerate(quantiles(samples, parts), start=1):
        place = (len(samples) - 1) * number / parts
        below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
        assert found == pytest.approx(below + (place - math.floor(place)) * (above - below))


def test_a_real_difference_is_shown_with_its_interval() -> None:
    ratio = speedup(latency(noisy(3.0, 1)), latency(noisy(1.0, 2)))
    assert ratio.shown
    assert ratio.low < 3.0 < ratio.high
    assert ratio.high - ratio.low < 0.2
    assert "faster (95 %:" in str(ratio)


def test_the_same_model_twice_shows_no_difference() -> None:
    ratio = speedup(latency(noisy(1.0, 1)), latency(noisy(1.0, 2)))
    assert not ratio.shown
    assert str(ratio).startswith("no difference shown")


def test_a_slower_one_is_said_to_be_slower() -> None:
    text = str(speedup(latency(noisy(1.0, 1)), latency(noisy(2.0, 2))))
    assert "slower (95 %:" in text
    assert float(text.partition("×")[0]) == pytest.approx(2, rel=0.05)


def test_the_interval_hangs_on_its_seed_alone() -> None:
    one, other = latency(noisy(1.0, 1)), latency(noisy(1.1, 2))
    random.seed(1)
    first = speedup(one, other)
    random.seed(2)
    assert speedup(one, other) == first


def test_a_drift_that_hit_both_in_turns_does_not_widen_the_interval() -> None:
    drift = [1 + 0.02 * n for n in range(50)]
    together = speedup(latency([1.1 * d for d in drift]), latency(drift))
    apart = speedup(
        latency([1.1 * d for d in drift]),
        latency(drift, setting=replace(SETTING, threads=1)),
    )
    assert together.low == pytest.approx(1.1)
    assert together.high == pytest.approx(1.1)
    assert together.shown
    assert not apart.shown


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(100):
        draw = random.Random(seed)
        before = latency([draw.gauss(1.5, 0.05) for _ in range(60)])
        after = latency([draw.gauss(1.0, 0.05) for _ in range(60)])
        ratio = speedup(before, after, resamples=200)
        held += ratio.low <= 1.5 <= ratio.high
    assert 85 <= held <= 100


def test_samples_are_grouped_by_turn() -> None:
    assert turns(latency([1.0, 2.0, 3.0, 4.0], per_turn=2)) == [(1.0, 2.0), (3.0, 4.0)]


@pytest.mark.parametrize(
    ("ys", "expected"),
    [([1, 2, 3, 4], 1.0), ([4, 3, 2, 1], -1.0), ([10, 20, 40, 30], 0.8), ([1, 1, 2, 2], 0.8944)],
)
def test_rank_correlation_is_spearmans(ys: list[float], expected: float) -> None:
    assert rank_correlation([1, 2, 3, 4], ys) == pytest.approx(expected, abs=1e-4)


def full() -> Bench:
    layers = Layers((LayerTime("conv", "conv2d", 0.4, 10, 20, 30, 0.1, "memory", "1×1"),), 0.5)
    rows = (
        latency(
            noisy(1.0, 1),
            layers=layers,
            verified=Verified((1.0, 1.1), (1.0, 1.0)),
            conditions={"cores": 4, "probe_spread": 1.02},
            warnings=("something", Caution("few", {"samples": 3})),
            device_samples=(0.9, 0.8),
            peak_bytes=5000,
        ),
        latency(noisy(2.0, 2), "googlenet", inputs=((1, 3, 224, 224),)),
    )
    return Bench(ENVIRONMENT, rows, (CEILINGS,))


def test_everything_survives_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(record(full())), encoding="utf-8")
    assert load(file) == full()


def test_the_file_says_what_made_it_and_its_schema() -> None:
    stored = record(full())
    assert stored["schema_version"] == 1
    assert stored["environment"]["torch"] == "2.9"
    assert stored["latencies"][0]["setting"]["threads"] == 2
    assert len(stored["latencies"][0]["samples"]) == 60
    assert stored["latencies"][0]["summary"]["median"] == full().latencies[0].median


DAMAGED = record(Bench(ENVIRONMENT, (latency((0.5,)),), ({**CEILINGS, "flops": 2000.0},)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no measurement"),
        ('{"models": []}', "holds no measurement"),
        ('{"kind": "archcalc bench", "schema_version": 99}', "has schema version 99"),
        (
            '{"kind": "archcalc bench", "schema_version": 1}',
            "is damaged: environment: expected a table",
        ),
        ("[" * 50_000, "nested too deeply"),
        (json.dumps(DAMAGED).replace('"nin"', "1e400"), "inf is not a finite number"),
        (json.dumps(DAMAGED).replace("0.5", '"0.5"'), r"samples\[0\]: expected a number, got text"),
        (json.dumps(DAMAGED).replace("0.5", "0"), "no samples of positive length"),
        (json.dumps(DAMAGED).replace("[0.5]", "[]"), "no samples of positive length"),
        (json.dumps(DAMAGED).replace('"calls": 1', '"calls": 0'), "must be at least 1"),
        (json.dumps(DAMAGED).replace('"calls"', '"call"', 1), "unknown key 'call'"),
        (json.dumps(DAMAGED).replace("2000.0", "0"), "ceilings: ValueError: a ceiling is not"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bench.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        load(file)


@pytest.mark.parametrize("samples", [[], [0.0], [-1.0], ["x"]])
def test_samples_that_cannot_be_are_refused(tmp_path: Path, samples: list) -> None:
    stored = record(full())
    stored["latencies"][0]["samples"] = samples
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UsageError, match="is damaged"):
        load(file)


def test_a_comparison_with_measured_columns_can_be_read_too(tmp_path: Path) -> None:
    file = tmp_path / "compare.json"
    file.write_text(json.dumps({"models": [], "bench": record(full())}), encoding="utf-8")
    assert load(file) == full()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)


def test_a_measurement_is_found_by_model_and_input() -> None:
    bench = full()
    assert find(bench, "googlenet", [(1, 3, 224, 224)]) is bench.latencies[1]
    assert find(bench, "googlenet", [(8, 3, 224, 224)]) is None
    assert find(bench, "nin,head=fc", [(1, 3, 32, 32)]) is None


def test_a_frame_has_a_row_a_measurement() -> None:
    frame = full().to_frame().set_index("model")
    assert frame.loc["nin", "threads"] == 2
    assert frame.loc["googlenet", "median_s"] == full().latencies[1].median


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (SETTING, "cpu, float32, batch 1, 2 threads"),
        (Setting("cpu", "float32", 8, threads=1), "cpu, float32, batch 8, 1 thread"),
        (
            Setting("cuda:0", "bfloat16", 8, None, True, True, True),
            "cuda:0, bfloat16, batch 8, channels last, compiled, CUDA graph",
        ),
        (
            Setting("cpu", "float32", 1, train=True, optimizer="adam"),
            "cpu, float32, batch 1, training step with adam",
        ),
    ],
)
def test_a_setting_reads_as_words(setting: Setting, text: str) -> None:
    assert str(setting) == text
