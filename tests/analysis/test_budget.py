"""Budgets: exact figures gate, a time advises until the machine is named, and files in words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import archcalc
from archcalc import ops
from archcalc.analysis.budget import Budget, Forecast, TimeLimit, check, check_all
from archcalc.analysis.latency import Bench, Environment, Latency, Setting, Warmup
from archcalc.analysis.prediction.predict import Prediction
from archcalc.analysis.profile import Profile
from archcalc.cli import run
from archcalc.errors import UsageError
from archcalc.graph import Attributes, Handle
from archcalc.io import bench_file, budget_file, calibrations
from archcalc.io.machine import processor
from tests.analysis.calibrations import calibration

NIN = archcalc.graph("nin").profile()


def sentences(budget: Budget, found: Profile = NIN, measured: Bench | None = None) -> list[str]:
    checks = check_all([budget], [found], {"bench.json": measured} if measured else {})
    return [each.sentence for each in checks.breaches]


def test_what_is_within_its_limits_is_kept() -> None:
    budget = Budget(
        "nin",
        at_most={"params": 966_986, "macs": 222_486_528, "peak_activation_bytes": 10**7},
        exactly={"params": 966_986},
        shapes={"mlpconv3": "8x8x10", "gap": "1×1×10", "output": "10", "pool1": "1x96x16x16"},
    )
    assert sentences(budget) == []


def test_one_more_than_the_limit_is_a_breach_in_one_line() -> None:
    assert sentences(Budget("nin", at_most={"params": 966_985})) == [
        "nin: 966,986 parameters, at most 966,985 allowed: 1 over (0.0 %)"
    ]


def test_an_exact_figure_may_be_neither_over_nor_under() -> None:
    assert sentences(Budget("nin", exactly={"macs": 222_486_529})) == [
        "nin: 222,486,528 MACs, exactly 222,486,529 allowed: 1 under (0.0 %)"
    ]


def test_peak_memory_is_that_of_the_memory_reading() -> None:
    (each,) = check(Budget("nin", at_most={"peak_activation_bytes": 1}), NIN)
    assert each.found == NIN.memory.peak_bytes


@pytest.mark.parametrize(
    ("node", "wanted", "words"),
    [
        ("mlpconv3", "8x8x11", "nin: mlpconv3 is 8×8×10, not 8×8×11"),
        ("conv9", "8x8x10", "nin: there is no node conv9; its shape is limited to 8x8x10"),
    ],
)
def test_a_shape_that_is_another_is_a_breach(node: str, wanted: str, words: str) -> None:
    assert sentences(Budget("nin", shapes={node: wanted})) == [words]


def test_what_is_not_counted_cannot_be_within_a_limit() -> None:
    def define(x: Handle) -> Handle:
        return ops.conv2d(x, 8, 3, name="conv")

    graph = archcalc.architecture("mine", input="8x8x3", source="")(define).graph()
    last = graph.nodes[-1]
    strange = last._replace(name="strange", op="my_op", attrs=Attributes(), weights=())
    found = replace(graph, nodes=(*graph.nodes, strange)).profile()
    (words,) = sentences(Budget("mine", at_most={"macs": 10**9, "params": 10**9}), found)
    assert words == (
        "mine: at least 7,776 MACs: my_op not counted, so the limit of 1,000,000,000 cannot be "
        "checked"
    )


def bench(seconds: float, machine: str = "Example CPU 9000") -> Bench:
    row = Latency(
        "nin",
        "nin",
        ((1, 3, 32, 32),),
        Setting("cpu", "float32", 1),
        (seconds,) * 3,
        per_turn=3,
        calls=1,
        warmup=Warmup(0.1, 10, True),
    )
    return Bench(Environment(machine, 4, "Linux", "3.11", "2.9", "0.1.0"), (row,))


def test_a_slow_time_advises_until_the_budget_names_the_machine() -> None:
    limits = Budget("nin", latency=TimeLimit(0.005, "bench.json"))
    (advice,) = check(limits, NIN, bench(0.009))
    assert advice.outcome == "advice"
    assert advice.sentence.startswith(
        "nin: 9 ms on Example CPU 9000, at most 5 ms allowed; advisory"
    )
    (kept,) = check(limits, NIN, bench(0.004))
    assert kept.outcome == "kept"
    named = Budget("nin", latency=TimeLimit(0.005, "bench.json", machine="cpu 9000"))
    assert sentences(named, measured=bench(0.009)) == [
        "nin: 9 ms on Example CPU 9000, at most 5 ms allowed"
    ]
    assert sentences(named, measured=bench(0.009, "Other CPU")) == []


def test_a_time_that_was_not_measured_is_advised_to_be() -> None:
    (advice,) = check(Budget("nin", latency=TimeLimit(0.005, "bench.json")), NIN)
    assert advice.outcome == "advice"
    assert "archcalc bench nin -o bench.json" in advice.sentence


def predicted(low: float, seconds: float, high: float) -> Forecast:
    return Forecast(Prediction("nin", (), seconds, low, high, ()), "Example CPU 9000")


def test_a_predicted_time_gates_where_its_whole_interval_is_over_the_limit() -> None:
    limit = TimeLimit(0.005, machine="cpu 9000", predict="cpu.json")

    def outcome(found: Forecast | str, limit: TimeLimit = limit) -> str:
        (only,) = check(Budget("nin", latency=limit), NIN, forecast=found)
        return only.outcome

    assert outcome(predicted(0.006, 0.007, 0.008)) == "breach"
    assert outcome(predicted(0.004, 0.007, 0.008)) == "advice"  # it may be 4 ms
    assert outcome(predicted(0.004, 0.0045, 0.008)) == "kept"
    unnamed = TimeLimit(0.005, predict="cpu.json")
    assert outcome(predicted(0.006, 0.007, 0.008), unnamed) == "advice"
    assert outcome("there is no file cpu.json") == "advice"
    (breach,) = check(Budget("nin", latency=limit), NIN, forecast=predicted(0.006, 0.007, 0.008))
    assert breach.sentence == (
        "nin: 7 ms predicted on Example CPU 9000 (90 %: 6 to 8 ms), at most 5 ms allowed"
    )


def test_a_budget_is_predicted_from_the_file_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    limit = f'{{ ms = 0.001, predict = "cpu.json", machine = "{processor()}" }}'
    Path("archcalc.toml").write_text(f'[[model]]\nname = "nin"\nlatency = {limit}')
    (missing,) = archcalc.check().advice
    assert "its time is not predicted: there is no file cpu.json" in missing.sentence
    calibrations.save(calibration(), "cpu.json")
    (breach,) = archcalc.check().breaches
    assert breach.what == "predicted latency"
    Path("cpu.json").write_text("{}")
    with pytest.raises(archcalc.UsageError, match="is not a calibration"):
        archcalc.check()


WHOLE = """
[[model]]
name = "nin"
input = "64x64x3"
at_most = { params = "1M", macs = "9.5亿", peak_activation_bytes = "8 MiB" }
exactly = { params = 966_986 }
shapes = { mlpconv3 = "16x16x10" }
latency = { ms = 5, bench = "bench.json", machine = "EPYC" }
"""


def test_a_file_is_read_with_its_units(tmp_path: Path) -> None:
    path = tmp_path / "archcalc.toml"
    path.write_text(WHOLE, encoding="utf-8")
    assert budget_file.load(str(path)) == (
        Budget(
            "nin",
            ("64x64x3",),
            {"params": 10**6, "macs": 950_000_000, "peak_activation_bytes": 2**23},
            {"params": 966_986},
            {"mlpconv3": "16x16x10"},
            TimeLimit(0.005, "bench.json", "EPYC"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no [[model]]"),
        ("[model]", "write [[model]], with two brackets"),
        ("model = [", "is not TOML"),
        ("colour = 1", "unknown key 'colour'; write [[model]]"),
        (WHOLE.replace("name", "title"), "a [[model]] has no name"),
        (WHOLE.replace("at_most", "atmost"), "nin: unknown key 'atmost'; did you mean at_most?"),
        (WHOLE.replace("macs", "mac"), "nin: unknown figure 'mac'; one of params"),
        (WHOLE.replace('"1M"', '"many"'), "nin: params: 'many' is not a printed number"),
        (WHOLE.replace('"1M"', "1.5"), "nin: params must be a whole number"),
        (WHOLE.replace('"1M"', "true"), "nin: at_most: expected a number or text, got true or"),
        (WHOLE.replace('"1M"', "-1"), "nin: params must be a whole number"),
        (
            WHOLE.replace('"64x64x3"', "64"),
            "nin: input: expected text or a list, got a whole number",
        ),
        (WHOLE.replace('"16x16x10"', "16"), "nin: shapes: expected text, got a whole"),
        (WHOLE.replace("ms = 5", "s = 5"), "nin: latency: unknown key 's'; did you mean ms?"),
        ('[[model]]\nname = "nin"', "nin has no limit"),
        (WHOLE.replace('"1M"', "inf"), "inf is not a finite number"),
        (WHOLE.replace('"1M"', "nan"), "nan is not a finite number"),
        (WHOLE.replace('"1M"', "[1]"), "nin: at_most: expected a number or text, got a list"),
        (
            WHOLE.replace('"1M"', "2020-01-01"),
            "nin: at_most: expected a number or text, got a",
        ),
        (WHOLE.replace('"1M"', "9" * 5000), "an integer has thousands of digits"),
        (WHOLE.replace('"1M"', "0x" + "f" * 5000), "an integer has more than 100 digits"),
        (WHOLE.replace('"1M"', f'"{"9" * 5000}"'), "is longer than any printed number"),
        (WHOLE.replace('"1M"', '"1e999999999"'), "'1e999999999' is not a printed number"),
        (WHOLE.replace('"1M"', '"1,5M"'), "'1,5M' is not a printed number"),
        (WHOLE.replace('"1M"', "[" * 20_000), "nested too deeply"),
        (WHOLE.replace('"1M"', "[" * 90 + "]" * 90), "more than 64 levels of nesting"),
        (f"{'a.' * 20_000}b = 1", "more than 64 levels of nesting"),
        (WHOLE + '[[model]]\nname = "nin"\nname = "nin"', "is not TOML"),
        (WHOLE.replace("ms = 5", "ms = 0"), "nin: latency: ms must be above 0"),
        (WHOLE.replace('bench = "bench.json"', 'predict = ""'), "either bench, a file of archcalc"),
        (
            '[[model]]\nname = "nin"\nat_most = 3',
            "nin: at_most: expected a table, got a whole number",
        ),
    ],
)
def test_a_budget_that_is_wrong_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "archcalc.toml"
    path.write_text(text, encoding="utf-8")
    assert run(["check", "--budget", str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


def test_a_budget_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*nothing\.toml"):
        budget_file.load(str(tmp_path / "nothing.toml"))


def test_the_command_leaves_with_1_and_a_line_a_breach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "archcalc.toml"
    path.write_text(WHOLE.replace('"1M"', '"900K"').replace("16x16x10", "8x8x10"))
    assert run(["check", "--budget", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "nin: 966,986 parameters, at most 900,000 allowed: 66,986 over (7.4 %)",
        "nin: mlpconv3 is 16×16×10, not 8×8×10",
    ]
    assert err.startswith("archcalc: advice: nin: no measurement")


def test_json_and_markdown_have_every_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "archcalc.toml"
    path.write_text(WHOLE, encoding="utf-8")
    assert run(["check", "--budget", str(path), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["kept"] is True
    assert [row["what"] for row in data["checks"]] == [
        "params",
        "macs",
        "peak_activation_bytes",
        "params",
        "shape of mlpconv3",
        "latency",
    ]
    assert data["checks"][0]["found"] == 966_986
    assert run(["check", "--budget", str(path), "--format", "md"]) == 0
    assert "at most 1,000,000" in capsys.readouterr().out


def test_the_repositorys_own_budget_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).resolve().parents[2] / "archcalc.toml"
    assert run(["check", "--budget", str(path)]) == 0
    assert capsys.readouterr().out.startswith("10 models within the 27 limits of ")


def test_a_measurement_that_was_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bench.json").write_text(json.dumps(bench_file.record(bench(0.009))), encoding="utf-8")
    limit = '{ ms = 5, bench = "bench.json", machine = "cpu 9000" }'
    Path("archcalc.toml").write_text(f'[[model]]\nname = "nin"\nlatency = {limit}')
    (breach,) = archcalc.check().breaches
    assert breach.sentence == "nin: 9 ms on Example CPU 9000, at most 5 ms allowed"
