"""Every formula is what counting the substituted network gives, to the integer."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from archcalc.errors import ArchcalcError
from archcalc.lookup import registry
from archcalc.lookup.registry import Architecture
from archcalc.symbolic.figures import FIGURES
from archcalc.symbolic.formula import Formula, derive, side_names
from archcalc.symbolic.size import Recorder

NAMES = registry.names()


def sizes_of(architecture: Architecture) -> list[str]:
    """Every numeric option, both sides of the input and the batch."""
    options = [name for name, option in architecture.options.items() if option.type is int]
    return [*options, "input", "batch"]


def drawn(formula: Formula, draw: random.Random) -> dict[str, int]:
    """Sizes near the defaults, far from them, and small ones; some are left as they are."""
    sizes = {}
    for name, default in formula.defaults.items():
        if draw.random() < 0.3:
            continue
        most = 8 if name == "batch" else 2 * default + 8
        near = max(1, default + draw.randint(-9, 9))
        sizes[name] = draw.choice([near, draw.randint(1, most), draw.choice([1, 2, 16, 32, 64])])
    return sizes


def counted(architecture: Architecture, formula: Formula, sizes: Mapping[str, int]) -> list[int]:
    """The same figures from the network that really has these sizes."""
    given = {**formula.defaults, **sizes}
    names = side_names(architecture)
    side = (architecture.input[0], given[names["height"]], given[names["width"]])
    options = {name: size for name, size in given.items() if name not in names.values()}
    found = architecture.graph(side, batch=given["batch"], options=options).profile()
    plain = Recorder()  # figures read a Profile of ordinary integers the same way
    return [FIGURES[name](found, plain) for name in formula.figures]


def differences(name: str, times: int, figures: tuple[str, ...]) -> list[str]:
    architecture = registry.find(name)
    formula = derive(architecture, sizes_of(architecture), figures=figures)
    draw = random.Random(name)
    found = []
    for _ in range(times):
        sizes = drawn(formula, draw)
        try:
            wanted: object = counted(architecture, formula, sizes)
        except ArchcalcError as error:
            wanted = f"{type(error).__name__}: {error}"
        try:
            region = formula.region(**sizes)
            given = {**formula.defaults, **sizes}
            got: object = list(region.values(*(given[key] for key in formula.variables)))
        except ArchcalcError as error:
            got = f"{type(error).__name__}: {error}"
        if got != wanted:
            found.append(f"{name} {sizes}: {got} is not {wanted}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_formula_gives_the_integers_of_the_substituted_network(name: str) -> None:
    assert differences(name, 6, ("params", "macs", "flops")) == []


@pytest.mark.parametrize("name", ["inception-reduced", "nin", "sk-unit"])
def test_so_does_every_figure(name: str) -> None:
    assert differences(name, 6, tuple(FIGURES)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_substitutions_differ_in_no_integer(name: str) -> None:
    assert differences(name, 1000, ("params", "macs", "flops", "activations")) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_fifty_substitutions_differ_in_no_figure(name: str) -> None:
    assert differences(name, 50, tuple(FIGURES)) == []
