"""A claim that needs training, linked to runs."""

from pathlib import Path

import pytest

from archcalc.analysis.claim_runs import measurements
from archcalc.analysis.claims import Claim
from archcalc.analysis.runs import Result, Run
from archcalc.errors import UsageError

CLAIMS = [
    Claim("error", "nin", "a paper", "", "10.41", "% error"),
    Claim("accuracy", "nin", "an article", "", "87.53", "% accuracy"),
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
        ("params", 0.9, "is not a claim about an accuracy; those are error, accuracy"),
        ("accuracy", None, "run a has no result yet"),
    ],
)
def test_a_wrong_link_is_refused_in_words(name: str, accuracy: float | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measurements(CLAIMS, {name: [run("a", accuracy)]})
