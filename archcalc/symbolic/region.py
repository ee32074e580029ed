"""A region of a formula: its guards, and its figures as expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archcalc.symbolic import emit
from archcalc.symbolic import expression as ex
from archcalc.symbolic.expression import ONE, Key, Polynomial, Space
from archcalc.symbolic.size import Guard, Quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Compute = Callable[..., Any]
"""(value or column of each variable) -> whether the guards hold, or the figures in order."""


@dataclass(frozen=True)
class Region:
    """Sizes that take the same path through a definition."""

    space: Space
    variables: tuple[str, ...]
    guards: tuple[Guard, ...]
    figures: Mapping[str, Polynomial]
    """Figures by key; empty if the network refuses these sizes."""
    refusal: str = ""
    """The error of the network for the sizes that were tried."""
    refused_by: str = ""
    """The node that refuses them, if it is a node."""
    message: tuple[str | Quoted, ...] = ()
    """:attr:`refusal` for all sizes of the region: text, and expressions for the sizes in it."""
    record: Any = None
    """The result of :attr:`Formula.read`, with integers replaced by indices into
    :attr:`figures`."""
    lines: Mapping[Guard, str] = field(default_factory=dict)
    """By guard, the line of a torch model that uses a size as an ordinary number."""

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The guards as text."""
        return tuple(emit.in_words(self.space, guard) for guard in self.guards)

    def contains(self, sizes: Mapping[str, int]) -> bool:
        """Whether the guards hold. Slower than :attr:`holds`, but compiles nothing."""
        for guard in self.guards:
            try:
                value = self.space.value(dict(guard.polynomial), sizes)
            except ZeroDivisionError:  # another guard excludes this divisor
                return False
            if not {">=": value >= 0, "==": value == 0, "!=": value != 0}[guard.relation]:
                return False
        return True

    @cached_property
    def holds(self) -> Callable[..., Any]:
        """(sizes in the order of :attr:`variables`) -> whether they are in this region."""
        return _compiled(self, emit.PYTHON, guards=True, figures=())

    @cached_property
    def values(self) -> Callable[..., tuple[int, ...]]:
        """(sizes in the order of :attr:`variables`) -> the figures in order, exact at any size."""
        return _compiled(self, emit.PYTHON, guards=False, figures=tuple(self.figures))

    def why(self, sizes: Mapping[str, int]) -> str:
        """The error of the network for these sizes of the region."""
        return "".join(
            piece
            if isinstance(piece, str)
            else format(self.space.value(dict(piece.polynomial), sizes), piece.spec)
            for piece in self.message
        )

    @cached_property
    def tests(self) -> tuple[Callable[..., NDArray[np.bool_] | bool], ...]:
        """:attr:`mask` guard by guard."""
        return tuple(
            _compiled(replace(self, guards=(guard,)), emit.NUMPY, guards=True, figures=())
            for guard in self.guards
        )

    @cached_property
    def mask(self) -> Callable[..., NDArray[np.bool_] | bool]:
        """:attr:`holds` for columns."""
        return _compiled(self, emit.NUMPY, guards=True, figures=())

    @cached_property
    def columns(self) -> Callable[..., tuple[NDArray[np.int64], ...]]:
        """:attr:`values` for columns of int64."""
        return _compiled(self, emit.NUMPY, guards=False, figures=tuple(self.figures))

    def bound(self, largest: Mapping[str, int]) -> int:
        """An upper bound on the absolute value of all intermediate results, if no variable exceeds
        its value in ``largest``."""
        polynomials = [*self.figures.values(), *(dict(guard.polynomial) for guard in self.guards)]
        known: dict[int, int] = {}
        most = 0
        for number in self.space.reached(polynomials):
            atom = self.space.atoms[number]
            if isinstance(atom, ex.Variable):
                known[number] = largest[atom.name]
                continue
            inside = [_bound(dict(part), known) for part in ex.parts(atom)]
            known[number] = max(inside) if isinstance(atom, ex.Extreme) else inside[0]
            if isinstance(atom, ex.Quotient) and ex.is_constant(dict(atom.denominator)):
                known[number] = -(-inside[0] // inside[1])
            most = max(most, *inside)
        return max(most, *(_bound(polynomial, known) for polynomial in polynomials), 0)


def strongest(space: Space, guards: Sequence[Guard]) -> tuple[Guard, ...]:
    """The guards without those that another one implies: ``h ≥ 7`` instead of ``h ≥ 3``, ``h ≥
    7``."""
    least: dict[Key, int] = {}
    for guard in guards:
        if guard.relation == ">=":
            rest, constant = _split(guard)
            least[rest] = min(constant, least.get(rest, constant))
    kept = []
    for guard in guards:
        rest, constant = _split(guard)
        if guard.relation == ">=" and least[rest] != constant:
            continue
        if guard.relation == "!=" and rest in least and least[rest] > constant:
            continue  # h ≥ 7 implies h ≠ 1
        kept.append(guard)
    return tuple(kept)


def _split(guard: Guard) -> tuple[Key, int]:
    polynomial = dict(guard.polynomial)
    constant = polynomial.pop(ONE, 0)
    return ex.key(polynomial), constant


def _bound(polynomial: Polynomial, known: Mapping[int, int]) -> int:
    total = 0
    for monomial, coefficient in polynomial.items():
        product = abs(coefficient)
        for atom in monomial:
            product *= known[atom]
        total += product
    return total


def _compiled(
    region: Region, dialect: emit.Dialect, *, guards: bool, figures: tuple[str, ...]
) -> Compute:
    """The emitted code as a compiled function. Variables are numbered, so that names from users'
    code cannot appear in it."""
    conditions = [dict(guard.polynomial) for guard in region.guards] if guards else []
    results = [region.figures[name] for name in figures]
    places = {name: f"x{index}" for index, name in enumerate(region.variables)}
    code = emit.Code(region.space, conditions + results, dialect, places.__getitem__)
    lines = [f"def compute({', '.join(places.values())}):"]
    lines += [f"    {name} = {text}" for name, text in code.assignments]
    if guards:
        joined = " & ".join(
            f"({emit.condition(guard, code, emit.CODE_SIGNS)})" for guard in region.guards
        )
        lines.append(f"    return {joined or 'True'}")
    else:
        lines.append(f"    return ({''.join(f'{code(result)}, ' for result in results)})")
    scope: dict[str, Any] = {}
    if dialect is emit.NUMPY:
        import numpy

        scope["np"] = numpy
    exec("\n".join(lines), scope)  # the code has only numbers and numbered names
    compute: Compute = scope["compute"]
    return compute
