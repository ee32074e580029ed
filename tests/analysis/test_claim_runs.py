"""A claim that needs training, linked to runs."""

from fractions import Fraction
from pathlib import Path

import pytest

from archcalc import graph
from archcalc.analysis.claim_runs import measurements
from archcalc.analysis.claims import Claim, Finding, check
from archcalc.analysis.runs import Result, Run
from archcalc.errors import UsageError

CLAIMS = [
    Claim("error", "nin", "a paper", "", "10.41", "% error"),
    Claim("accuracy", "nin", "an article", "", "87.53", "% accuracy"),
    Claim("gain", "nin", "a paper", "", "0", "points of accuracy gained", limit="at least"),
    Claim("removed", "nin", "a paper", "", "20", "% of the error removed", limit="at least"),
    Claim("params", "nin", "a paper", "", "966,986", "params", check="params"),
]


def run(folder: str, accuracy: float | None) -> Run:
    result = None if accuracy is None else Result(accuracy, 0.5, 10_000, 3, 60.0)
    return Run(Path(folder), {}, (), result)


def test_a_run_is_told_in_the_unit_of_its_claim() -> None:
    found = measurements(CLAIMS, {"error": [run("a", 0.8959)], "accuracy": [run("a", 0.8753)]})
    assert found["error"].value == pytest.approx(10.41)
    assert found["accuracy"].value == pytest.approx(87.53)
    assert found["accuracy"].deviation == 0.0


def test_several_runs_give_their_mean_and_deviation() -> None:
    (found,) = measurements(CLAIMS, {"accuracy": [run("a", 0.87), run("b", 0.89)]}).values()
    assert found.value == pytest.approx(88.0)
    assert found.deviation == pytest.approx(2**0.5)
    assert found.run == "a, b"


@pytest.mark.parametrize(
    ("name", "accuracy", "words"),
    [
        (
            "params",
            0.9,
            "is not a claim about an accuracy; those are error, accuracy, gain, removed",
        ),
        ("accuracy", None, "run a has no result yet"),
    ],
)
def test_a_wrong_link_is_refused_in_words(name: str, accuracy: float | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measurements(CLAIMS, {name: [run("a", accuracy)]})


def verdict(name: str, ours: list[float], theirs: list[float]) -> Finding:
    claims = [claim for claim in CLAIMS if claim.id == name]
    groups = ([run("a", value) for value in values] for values in (ours, theirs))
    a, b = ({name: group} for group in groups)
    (found,) = check(claims, lambda name, given: graph(name), measurements(claims, a, b)).findings
    return found


def test_two_kinds_of_runs_are_compared_with_an_interval() -> None:
    found = verdict("gain", [0.90, 0.91], [0.86, 0.87])
    assert found.computed == 4
    # Each kind deviates by 0.5 squares of 0.01; t of 2 degrees is 4.303: 4.303 * 0.707 points.
    assert found.interval == pytest.approx((4 - 4.303 * 0.5**0.5, 4 + 4.303 * 0.5**0.5))
    assert found.verdict == "holds"
    assert "a, a against a, a; 95 % interval 0.96 to 7.04" in found.cause
    removed = verdict("removed", [0.90, 0.90], [0.86, 0.86])
    assert removed.computed == pytest.approx(Fraction("28.571429"))  # 4 of 14 points
    assert removed.verdict == "holds"


def test_the_reverse_is_false_and_what_the_interval_contains_is_undecided() -> None:
    assert verdict("gain", [0.86, 0.86], [0.90, 0.90]).verdict == "false"
    assert verdict("gain", [0.90, 0.88], [0.88, 0.89]).verdict == "needs training"
    assert verdict("removed", [0.87, 0.87], [0.86, 0.86]).verdict == "false"  # 7 of 20 %


def test_a_comparison_needs_two_runs_of_each_kind() -> None:
    two = [run("a", 0.9), run("b", 0.9)]
    with pytest.raises(UsageError, match="at least two with --run and two with --against"):
        measurements(CLAIMS, {"gain": two}, {"gain": two[:1]})
    with pytest.raises(UsageError, match="at least two"):
        measurements(CLAIMS, {}, {"gain": two})
    with pytest.raises(UsageError, match="'error' compares nothing"):
        measurements(CLAIMS, {"error": two}, {"error": two})
