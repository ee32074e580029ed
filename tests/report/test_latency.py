"""What ``archcalc bench`` shows, from records that nobody measured."""

import json
from dataclasses import replace

import pytest

import archcalc
from archcalc.analysis.compare import compare
from archcalc.analysis.latency import (
    Bench,
    Caution,
    Environment,
    Latency,
    Layers,
    LayerTime,
    Predicted,
    Setting,
    Verified,
    Warmup,
)
from archcalc.report.formats.csv import csv
from archcalc.report.formats.json import json as json_text
from archcalc.report.formats.markdown import markdown
from archcalc.report.formats.terminal import terminal
from archcalc.report.sections import comparison
from archcalc.report.sections.latency import show as measurement

CPU = Setting("cpu", "float32", 1, threads=2)
ENVIRONMENT = Environment("a processor", 4, "Linux", "3.11", "2.9", "0.1", commit="abcdef0123456")
CEILINGS = {
    "device": "a processor",
    "dtype": "float32",
    "threads": 2,
    "flops": 4e11,
    "copies": ((2**14, 1e11), (2**29, 2e10)),
    "launch": 1e-6,
}


def row(spec: str, seconds: float, macs: int, setting: Setting = CPU, **fields) -> Latency:
    usual = {
        "model": spec,
        "spec": spec,
        "inputs": ((1, 192, 28, 28),),
        "setting": setting,
        "samples": (seconds,) * 20,
        "per_turn": 1,
        "calls": 1,
        "warmup": Warmup(0.2, 20, True),
        "macs": macs,
        "flops": 2 * macs,
        "ceiling": 4e11,
    }
    return Latency(**usual | fields)


DIRECT = row("inception-5x5", 3.1e-3, 120_422_400)
REDUCED = row("inception-5x5-reduced", 1e-3, 12_443_648)


def bench(*rows: Latency) -> Bench:
    return Bench(ENVIRONMENT, rows, (CEILINGS,))


def told(found: Bench) -> str:
    return " ".join(terminal(measurement(found)).split())


def test_times_ratios_machine_and_ceilings_are_shown() -> None:
    text = told(bench(DIRECT, REDUCED))
    assert "cpu, float32, batch 1, 2 threads" in text
    assert "3.100 ms" in text
    assert "9.68× 3.10× 3.1× faster (95 %: 3.1× to 3.1×)" in text
    assert "a processor, 4 cores, Linux, Python 3.11, torch 2.9, commit abcdef0123." in text
    assert "400 GFLOP/s; copies 20.0 GB/s in main memory, 100 GB/s in cache" in text


def test_settings_that_differ_are_columns_and_the_others_the_title() -> None:
    eight = replace(CPU, batch=8)
    report = measurement(bench(DIRECT, row("inception-5x5", 2e-2, 8 * 120_422_400, eight)))
    table = report.tables[0]
    assert table.title == "cpu, float32, 2 threads"
    assert [column.key for column in table.columns][:3] == ["model", "batch", "median_s"]
    assert [cells[1] for cells in table.rows] == [1, 8]


def test_a_model_is_compared_within_its_own_setting_only() -> None:
    half = replace(CPU, dtype="bfloat16")
    report = measurement(
        bench(
            DIRECT, REDUCED, row("inception-5x5", 1e-3, 120_422_400, half),
            row("inception-5x5-reduced", 1e-3, 12_443_648, half),
        )
    )  # fmt: skip
    ratios = report.tables[1]
    assert [cells[1] for cells in ratios.rows] == ["float32", "bfloat16"]
    assert "no difference shown" in ratios.rows[1][-1]


def test_the_baseline_can_be_another() -> None:
    report = measurement(bench(DIRECT, REDUCED), "inception-5x5-reduced")
    (cells,) = report.tables[1].rows
    assert cells[0] == "inception-5x5"
    assert "3.1× slower" in cells[-1]


def test_gpu_time_is_shown_where_there_is_one() -> None:
    on_gpu = row("nin", 1e-3, 1000, Setting("cuda:0", "float32", 1), device_samples=(4e-4,) * 20)
    keys = [column.key for column in measurement(bench(on_gpu)).tables[0].columns]
    assert "device_median_s" in keys
    keys = [column.key for column in measurement(bench(DIRECT)).tables[0].columns]
    assert "device_median_s" not in keys


def test_switches_and_clocks_of_a_gpu_are_told() -> None:
    machine = replace(ENVIRONMENT, gpu="a GPU", flags={"cudnn_allow_tf32": True})
    on_gpu = row(
        "nin",
        1e-3,
        1000,
        Setting("cuda:0", "float32", 1),
        device_samples=(4e-4,) * 20,
        conditions={"sm_clock_mhz": [1200, 1980]},
    )
    text = told(replace(bench(on_gpu), environment=machine))
    assert "Flags: cudnn_allow_tf32 True." in text
    assert "GPU clock: 1200 to 1980 MHz." in text


def test_predictors_of_the_time_are_compared() -> None:
    seconds = {"a": 1e-3, "b": 2e-3, "c": 4e-3, "d": 3e-3}
    rows = [
        row(name, value, 10**place, predicted=Predicted(1.1 * value, value, 2 * value))
        for place, (name, value) in enumerate(seconds.items(), start=3)
    ]
    found = bench(*rows)
    text = told(found)
    # Of four places the last two are exchanged: 1 - 6 * 2 / (4 * 15) = 0.8.
    assert "What predicts the time" in text
    assert "multiply-adds 4 0.8" in text
    assert "the constant that fits these models best" in text
    told_json = json.loads(json_text(measurement(found).data))["predictors"]
    assert [each["predictor"] for each in told_json] == ["macs", "prediction"]
    assert told_json[1]["median_error"] == pytest.approx(0.1)
    assert "What predicts the time" not in told(bench(*rows[:3]))


def test_the_warm_up_is_told() -> None:
    assert "Warm-up: 200.0 ms, 20 calls; steady then." in told(bench(DIRECT, REDUCED))
    cold = replace(REDUCED, warmup=Warmup(5.0, 7, False))
    text = told(bench(DIRECT, cold))
    assert "Warm-up: 200.0 ms to 5.000 s, 7 to 20 calls; 1 of 2 not steady at its end." in text


def test_layers_are_shown_with_what_looking_inside_cost() -> None:
    times = (
        LayerTime("reduce", "conv2d", 6e-4, 2_408_448, 4_842_000, 660_000, 5e-4, "memory", "1×1"),
        LayerTime("conv", "conv2d", 4e-4, 10_035_200, 20_000_000, 200_000, 3e-4, "compute", "5×5"),
        LayerTime("view", "flatten", 1e-6),
    )
    inside = replace(REDUCED, layers=Layers(times, 9.1e-4, "something is missing"))
    outside = replace(DIRECT, layers=Layers((LayerTime("b5", "conv2d", 3e-3),), 3e-3))
    text = told(bench(outside, inside))
    assert "add up to 1.10 times the whole call's; something is missing." in text
    assert "the 1×1 reduce of inception-5x5-reduced is memory bound and takes 60 %" in text
    rows = measurement(bench(outside, inside)).tables[-1].rows
    assert rows[0][-2:] == ("memory", pytest.approx(1.2))
    assert rows[2][4] is None
    assert rows[-1][2] == pytest.approx(sum(each.seconds for each in times))


def test_the_other_timer_stands_beside_ours() -> None:
    text = told(bench(replace(DIRECT, verified=Verified((1.02e-3,), (1e-3,)))))
    assert "torch.utils.benchmark" in text
    assert "1.020 ms 1.000 ms 1.02×" in text


def test_a_warning_names_its_models_once() -> None:
    rows = [replace(each, warnings=("the machine is busy",)) for each in (DIRECT, REDUCED)]
    text = told(bench(*rows))
    assert text.count("Warning: the machine is busy: inception-5x5; inception-5x5-reduced.") == 1


def test_warnings_of_one_kind_are_one_sentence_with_a_value_for_each_model() -> None:
    rows = [
        replace(each, warnings=(Caution("spread", {"percent": percent}),))
        for each, percent in ((DIRECT, 20.0), (REDUCED, 31.0))
    ]
    text = told(bench(*rows))
    assert text.count("Warning") == 1
    assert "inception-5x5 20 %; inception-5x5-reduced 31 %. Measure on a quieter machine." in text


def test_a_model_that_is_not_counted_in_full_has_a_lower_bound_of_its_macs() -> None:
    part = replace(DIRECT, macs=None, flops=None, least_macs=1_000_000)
    assert "≥ 1.000M" in told(bench(part))


def test_training_is_explained() -> None:
    step = replace(CPU, train=True, optimizer="sgd")
    assert "A training step is forward, backward" in told(bench(row("nin", 1.0, 1, step)))


def test_every_format_can_be_written() -> None:
    report = measurement(bench(DIRECT, REDUCED))
    assert "| inception-5x5" in markdown(report.tables, report.notes)
    assert csv(report.tables[0]).splitlines()[1].startswith("inception-5x5,0.0031,")
    assert json.loads(json_text(report.data))["kind"] == "archcalc bench"


def test_a_comparison_gets_measured_columns_and_a_reason() -> None:
    models = ["inception-5x5", "inception-5x5-reduced", "nin"]
    profiles = [archcalc.graph(name).profile() for name in models]
    found = compare(profiles, bench=bench(DIRECT, REDUCED))
    assert [row["median_s"] for row in found.rows()] == [3.1e-3, 1e-3, None]
    report = comparison.show(found)
    table = report.tables[0]
    assert [column.key for column in table.columns][-2:] == ["median_s", "time_ratio"]
    assert [cells[-2] for cells in table.rows] == [3.1e-3, 1e-3, None]
    assert table.rows[1][-1] == pytest.approx(1 / 3.1)
    text = " ".join(report.notes)
    assert "9.68× fewer multiply-adds, 3.1× faster" in text
    assert "Not measured on this input: nin." in text
    assert report.data["bench"]["kind"] == "archcalc bench"
