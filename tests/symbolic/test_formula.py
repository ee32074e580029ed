"""Formulas, their regions, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import archcalc
from archcalc import ops
from archcalc.errors import DefinitionError, UsageError
from archcalc.graph import Handle
from archcalc.lookup import registry
from archcalc.symbolic.formula import derive
from archcalc.symbolic.size import Recorder


def test_the_worked_example_is_a_line_in_its_reduction() -> None:
    formula = archcalc.derive("inception-5x5-reduced", over=["c5_reduce"])
    # (28·28·c)·192 of the 1×1 and (28·28·32)·25·c of the 5×5
    assert formula["macs"] == f"{28 * 28 * 192 + 28 * 28 * 32 * 25:,}·c5_reduce"
    assert formula.macs(c5_reduce=16) == 12_443_648
    assert formula.macs() == 12_443_648


def test_a_formula_answers_in_every_region_and_refuses_as_the_network_does() -> None:
    formula = archcalc.derive("googlenet", over=["input", "num_classes"])
    assert formula.region().conditions == ("height ≥ 79", "width ≥ 79")
    assert formula.macs(height=224, width=224, num_classes=1000) == 1_582_671_872
    with pytest.raises(DefinitionError) as refused:
        formula.macs(height=40)
    with pytest.raises(DefinitionError) as counted:
        archcalc.graph("googlenet", input="40x224x3")
    assert str(refused.value) == str(counted.value)


def test_integers_are_exact_at_any_size() -> None:
    formula = archcalc.derive("nin", over=["height", "batch"])
    tall, many = 10**20, 10**15
    found = formula.macs(height=tall, batch=many)
    positions = tall * 32, ((tall + 1) // 2) * 16, ((tall + 3) // 4) * 8
    assert found == many * (positions[0] * 60_480 + positions[1] * 534_528 + positions[2] * 370_560)


def test_columns_are_counted_at_once_with_the_reasons_of_those_refused() -> None:
    formula = archcalc.derive("googlenet", over=["input"])
    heights = np.array([224, 60, 320, 224])
    found = formula.evaluate(height=heights, width=224)
    assert found.valid.tolist() == [True, False, True, True]
    assert found["macs"][0] == found["macs"][3] == 1_582_671_872
    assert sum(found.refusals.values()) == 1
    assert "aux1.avg_pool" in next(iter(found.refusals))


def test_an_overflow_of_int64_is_an_error_and_never_wraps() -> None:
    formula = archcalc.derive("nin", over=["height", "width"])
    fits = formula.evaluate(height=np.array([2**20]), width=np.array([2**20]))
    assert fits["macs"][0] == formula.macs(height=2**20, width=2**20)
    with pytest.raises(OverflowError, match="macs does not fit int64"):
        formula.evaluate(height=np.array([2**32]), width=np.array([2**32]))


def test_a_figure_that_was_not_asked_for_is_derived_when_it_is_wanted() -> None:
    formula = archcalc.derive("nin", over=["batch"])
    small, large = (archcalc.graph("nin", batch=batch).profile() for batch in (3, 64))
    assert formula.peak_activation_bytes(batch=3) == small.memory.peak_bytes
    assert formula.saved_bytes(batch=64) == large.memory.saved_bytes
    with pytest.raises(AttributeError):
        formula.beauty()


def test_a_formula_of_one_module_is_that_of_its_layers() -> None:
    formula = archcalc.derive("googlenet", over=["input"], node="inception_3a.b5")
    found = archcalc.graph("googlenet").profile()
    wanted = sum(layer.macs or 0 for layer in found if layer.name.startswith("inception_3a.b5."))
    assert formula.macs() == wanted == 12_443_648
    with pytest.raises(UsageError, match="no node of googlenet matches 'inception_9z'"):
        archcalc.derive("googlenet", over=["input"], node="inception_9z")


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ("head", "head is gap or fc or fc-dropout, not a size; give it a value with --set head="),
        ("depth", "nin has no size 'depth': one of num_classes, input, batch"),
    ],
)
def test_what_is_not_a_size_is_refused(over: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        archcalc.derive("nin", over=[over])


@pytest.mark.parametrize("size", [0, -3, 1.5, True])
def test_a_size_is_a_whole_number_from_1(size: float) -> None:
    formula = archcalc.derive("nin", over=["height"])
    with pytest.raises(UsageError, match=r"height=.* is not a whole number"):
        formula.macs(height=size)  # type: ignore[arg-type]  # that is the test


def test_a_loop_over_a_size_holds_for_that_number_of_turns() -> None:
    @registry.architecture("ladder", input="8x8x4", source="a test")
    def ladder(x: Handle, *, depth: int = 2) -> Handle:
        for _ in range(depth):
            x = ops.conv2d(x, 4, 1, bias=False)
        return x

    formula = derive(ladder, ["depth"])
    assert formula.region().conditions == ("depth = 2",)
    assert [formula.macs(depth=depth) for depth in (1, 2, 5)] == [64 * 16 * n for n in (1, 2, 5)]
    assert len(formula.regions) == 3


def test_a_size_is_an_integer_to_whoever_asks_and_keeps_its_expression() -> None:
    recorder = Recorder()
    a, b = recorder.variable("a", 7), recorder.variable("b", 3)
    assert isinstance(a, int)
    assert str((a * b + 2) % 4) == "a·b + 2 − 4·⌊(a·b + 2) / 4⌋"
    assert str(-(-a // 2)) == "⌊(a + 1) / 2⌋"
    assert str(sum([a, b, 1]) - a) == "b + 1"
    assert str(((a // 2) + 1) // 3) == "⌊(a + 2) / 6⌋"
    assert not recorder.guards
    assert max(a, b) is a
    assert int(b) == 3
    assert len(recorder.guards) == 2


def test_a_module_has_a_receptive_field_of_its_own() -> None:
    """Each window on the way adds (kernel − 1) times the distance of its input's positions."""
    formula = archcalc.derive("googlenet", over=["input"], node="inception_3a.b5.reduce")
    size, step = 1, 1
    for kernel, stride in ((7, 2), (3, 2), (1, 1), (3, 1), (3, 2), (1, 1)):
        size, step = size + (kernel - 1) * step, step * stride
    assert (formula.receptive_field(), formula.receptive_field_stride()) == (size, step) == (27, 8)
    assert formula.receptive_field_offset(height=96, width=128) == -7


def test_a_network_that_sees_everything_has_a_window_as_large_as_its_input() -> None:
    formula = archcalc.derive("nin", over=["height", "width"])
    assert formula["receptive_field"] == "max(height, width)"
    assert formula.receptive_field(height=48, width=40) == 48
