"""Count chunks of candidates, through compiled formulas or one model at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from archcalc.errors import ArchcalcError, UsageError
from archcalc.graph import Graph
from archcalc.lookup.registry import Architecture
from archcalc.symbolic.figures import FIGURES
from archcalc.symbolic.formula import Formula, derive, side_names
from archcalc.symbolic.size import Recorder
from archcalc.symbolic.sweep.space import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Counted(NamedTuple):
    """The figures of a chunk's candidates, which of them are valid, and the reasons of the
    others."""

    figures: dict[str, NDArray[Any]]
    valid: NDArray[np.bool_]
    refusals: Mapping[str, int]


class Counter(Protocol):
    """Counts the candidates of a chunk, given their positions on each axis."""

    def __call__(self, positions: Sequence[NDArray[np.int64]]) -> Counted: ...


@dataclass
class ByFormula:
    """Counts a declared network, with one formula per combination of its choices."""

    architecture: Architecture
    space: Space
    figures: tuple[str, ...]
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    training: bool = False
    _formulas: dict[tuple[int, ...], Formula] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        options = self.architecture.options
        sides = side_names(self.architecture).values()
        for axis in self.space.axes:
            if axis.name not in options and axis.name not in ("input", *sides):
                known = ", ".join([*options, "input", *sides])
                raise UsageError(
                    f"{self.architecture.name} has no option {axis.name!r}; its axes are {known}"
                )
            if self._is_size(axis.name) and not axis.is_numeric:
                wrong = next(value for value in axis.values if type(value) is not int)
                raise UsageError(f"--over {axis.name}: {wrong!r} is not a whole number")

    def _is_size(self, name: str) -> bool:
        options = self.architecture.options
        return name not in options or options[name].type is int

    def __call__(self, positions: Sequence[NDArray[np.int64]]) -> Counted:
        import numpy as np

        count = len(positions[0])
        choices = [i for i, axis in enumerate(self.space.axes) if not self._is_size(axis.name)]
        if not choices:
            return self._counted(positions, ())
        figures = {name: np.zeros(count, np.int64) for name in self.figures}
        valid = np.zeros(count, bool)
        refusals: dict[str, int] = {}
        chosen = np.stack([positions[index] for index in choices], axis=1)
        combinations, which = np.unique(chosen, axis=0, return_inverse=True)
        for number, combination in enumerate(combinations.tolist()):
            rows = np.flatnonzero(which.reshape(-1) == number)
            found = self._counted([each[rows] for each in positions], tuple(combination))
            valid[rows] = found.valid
            for name, column in found.figures.items():
                figures[name][rows] = column
            for reason, times in found.refusals.items():
                refusals[reason] = refusals.get(reason, 0) + times
        return Counted(figures, valid, refusals)

    def _counted(
        self, positions: Sequence[NDArray[np.int64]], combination: tuple[int, ...]
    ) -> Counted:
        import numpy as np

        columns: dict[str, NDArray[np.int64]] = {}
        for axis, at in zip(self.space.axes, positions, strict=True):
            if self._is_size(axis.name):
                column = np.asarray(axis.values, np.int64)[at]
                sides = side_names(self.architecture)
                both = (sides["height"], sides["width"])
                for name in both if axis.name == "input" else (axis.name,):
                    columns[name] = column
        count = len(positions[0])
        try:
            formula = self._formula(combination, tuple(columns))
        except ArchcalcError as error:
            empty = {name: np.zeros(count, np.int64) for name in self.figures}
            return Counted(empty, np.zeros(count, bool), {str(error): count})
        if not columns:  # only choices: the same network in every row
            fixed = {name: np.full(count, formula.value(name), np.int64) for name in self.figures}
            return Counted(fixed, np.ones(count, bool), {})
        try:
            found = formula.evaluate(**columns)
        except OverflowError as error:
            raise UsageError(f"{error}; narrow the ranges of the sweep") from None
        whole = {
            name: np.broadcast_to(column, count).copy() for name, column in found.figures.items()
        }
        return Counted(whole, np.broadcast_to(found.valid, count).copy(), found.refusals)

    def _formula(self, combination: tuple[int, ...], over: tuple[str, ...]) -> Formula:
        if combination not in self._formulas:
            axes = [axis for axis in self.space.axes if not self._is_size(axis.name)]
            chosen = {
                axis.name: axis.values[at] for axis, at in zip(axes, combination, strict=True)
            }
            self._formulas[combination] = derive(
                self.architecture,
                over,
                options={**self.options, **chosen},
                shape=self.shape,
                figures=self.figures,
                training=self.training,
            )
        return self._formulas[combination]


Measure = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""(a candidate's values by axis) -> its figures. Raises ArchcalcError if it is invalid."""


@dataclass
class OneByOne:
    """Traces, times or trains each candidate, in parallel."""

    space: Space
    figures: tuple[str, ...]
    measure: Measure
    map: Callable[[Measure, Sequence[Mapping[str, Any]]], Sequence[Mapping[str, float] | str]]
    """Measures candidates on one machine or on several. A text is the reason why a candidate is
    invalid."""

    def __call__(self, positions: Sequence[NDArray[np.int64]]) -> Counted:
        import numpy as np

        rows = np.stack(list(positions), axis=1).tolist()
        found = self.map(self.measure, [self.space.candidate(row) for row in rows])
        refusals: dict[str, int] = {}
        for each in found:
            if isinstance(each, str):
                refusals[each] = refusals.get(each, 0) + 1
        valid = np.array([not isinstance(each, str) for each in found], bool)
        figures = {
            name: np.array([0 if isinstance(each, str) else each[name] for each in found])
            for name in self.figures
        }
        return Counted(figures, valid, refusals)


@dataclass(frozen=True)
class Traced:
    """Counts one candidate of any model by resolving its name."""

    spec: str
    figures: tuple[str, ...]
    options: Mapping[str, Any]
    input: tuple[str, ...] = ()
    batch: int = 1
    training: bool = False

    def __call__(self, candidate: Mapping[str, Any]) -> dict[str, int]:
        from archcalc.analysis.profile import profile

        graph = candidate_graph(
            self.spec, candidate, self.options, self.input, self.batch, self.training
        )
        found, plain = profile(graph), Recorder()
        return {name: FIGURES[name](found, plain) for name in self.figures}


def candidate_graph(
    spec: str,
    candidate: Mapping[str, Any],
    options: Mapping[str, Any],
    input: tuple[str, ...] = (),
    batch: int = 1,
    training: bool = False,
) -> Graph:
    """The graph of one candidate. Raises the errors of :func:`archcalc.lookup.resolve.resolve`."""
    from archcalc.lookup.resolve import resolve

    given = dict(candidate)
    batch = given.pop("batch", batch)
    side = given.pop("input", None)
    if side is not None:
        input = (side if isinstance(side, str) else f"{side}x{side}x3",)
    return resolve(
        spec,
        input=input or None,
        batch=batch,
        training=training,
        options={**options, **{name: str(value) for name, value in given.items()}},
    )
