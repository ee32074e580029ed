"""A row of the table is whole: a part that is forgotten is an error when the module is imported."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.ops import TABLE, counters
from archcalc.ops.counters import Counters
from archcalc.ops.operator import operator, per_output

WHOLE: dict[str, Any] = {
    "kind": "elementwise",
    "window": "pointwise",
    "counters": counters.NOTHING,
    "saves": "nothing",
    "formula": "1 per element",
    "work": per_output("elementwise"),
}


@pytest.mark.parametrize("part", ["kind", "window", "counters", "saves"])
def test_a_row_without_one_of_its_parts_is_refused(part: str) -> None:
    with pytest.raises(TypeError, match=part):
        operator("forgetful", **{key: each for key, each in WHOLE.items() if key != part})
    assert "forgetful" not in TABLE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"formula": ""}, "give work and its formula together"),
        ({"work": None}, "give work and a formula, or the reason why it is free"),
        ({"kind": "convolution"}, "'convolution' is not one of input, conv, linear"),
        ({"weights_together": True}, "needs weights_after"),
        ({"name": "conv2d"}, "'conv2d' is declared twice"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(change: dict[str, Any], reason: str) -> None:
    fields = {"name": "forgetful", **WHOLE, **change}
    if fields["work"] is None:
        del fields["work"], fields["formula"]
    with pytest.raises(ValueError, match=reason):
        operator(**fields)
    assert "forgetful" not in TABLE


def test_what_a_counter_says_cannot_be_left_out() -> None:
    with pytest.raises(TypeError, match="ptflops"):
        Counters(  # type: ignore[call-arg]
            torch=counters.nothing,
            fvcore=counters.nothing,
            torchinfo=counters.nothing,
            thop=counters.nothing,
        )


@pytest.mark.parametrize("name", TABLE)
def test_only_operators_without_multiply_adds_are_passed_over_in_silence(name: str) -> None:
    row = TABLE[name]
    multiplies = row.kind in ("conv", "linear", "matmul")
    if multiplies:
        assert row.counters.torch is not counters.nothing
        assert row.counters.torchinfo is not counters.nothing
    elif row.kind != "movement":
        assert row.counters.torch is counters.nothing
