"""The sum that the project is about."""

import pytest

import archcalc
from archcalc.errors import UsageError


def test_the_branch_saves_ninefold() -> None:
    branch = archcalc.worked_example("28x28x192").branch
    assert branch.direct.macs == (28 * 28 * 32) * (5 * 5 * 192) == 120_422_400
    reduced = (28 * 28 * 16) * (1 * 1 * 192) + (28 * 28 * 32) * (5 * 5 * 16)
    assert branch.reduced.macs == reduced == 12_443_648
    assert round(branch.ratio, 2) == 9.68


def test_the_module_saves_by_more_than_half() -> None:
    module = archcalc.worked_example().module
    assert (module.direct.macs, module.reduced.macs) == (303_464_448, 128_049_152)
    assert module.direct.output == (1, 416, 28, 28)
    assert module.reduced.output == (1, 256, 28, 28)


def test_twice_the_height_is_twice_the_work_and_the_same_ratio() -> None:
    small, tall = (archcalc.worked_example(f"{height}x28x192") for height in (28, 56))
    assert tall.branch.direct.macs == 2 * small.branch.direct.macs
    assert tall.branch.ratio == small.branch.ratio


def test_a_wrong_input_is_refused() -> None:
    with pytest.raises(UsageError, match="has 2 sizes, not three"):
        archcalc.worked_example("28x28")
