"""What the dimensions of a tensor have to do with the positions of the input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from math import floor, prod
from typing import NamedTuple

from archcalc.analysis.receptive_field.spans import LostError, Spans
from archcalc.graph import Shape
from archcalc.ops.window import Sampling, Window


class Line(NamedTuple):
    """Positions along one axis of the input: the shortest and the widest way there."""

    axis: int
    small: Spans
    large: Spans

    def then(self, pattern: Sampling | Window) -> Line:
        small = _after(self.small, pattern)
        large = small if self.large is self.small else _after(self.large, pattern)
        return Line(self.axis, small, large)

    def union(self, other: Line) -> Line:
        if self == other:
            return self
        small = min(self.small, other.small, key=lambda spans: spans.size)
        return Line(self.axis, small, self.large.union(other.large))


def _after(spans: Spans, pattern: Sampling | Window) -> Spans:
    return spans.slid(pattern) if isinstance(pattern, Window) else spans.then(pattern)


class Inner(NamedTuple):
    """The places inside the cells that a dimension was cut into; ``outer`` runs over the cells."""

    outer: Line
    whole: Line
    """The dimension before it was cut."""


class Joined(NamedTuple):
    """Positions of several tensors one after another."""

    lines: tuple[tuple[Line, int], ...]
    """With the number of positions of each."""


class Part(NamedTuple):
    """A factor of one dimension of a tensor."""

    size: int
    of: Line | Inner | Joined | None = None
    """None for channels, the batch and other dimensions without positions of the input."""


Parts = tuple[Part, ...]


class State(NamedTuple):
    """What a tensor's dimensions have to do with the positions of the input."""

    dims: tuple[Parts, ...]
    everything: frozenset[int] = frozenset()
    """Axes of which each element sees every position, on some way."""
    nothing_less: frozenset[int] = frozenset()
    """Axes of which each element sees every position, on all ways."""

    @property
    def bare(self) -> bool:
        """It depends on no position: a parameter, a constant."""
        return not self.everything and not any(part.of for part in self.parts())

    def parts(self) -> list[Part]:
        return [part for parts in self.dims for part in parts]

    def shape(self) -> Shape:
        return tuple([prod(part.size for part in parts) for parts in self.dims])


def free(size: int) -> Parts:
    return (Part(size),) if size != 1 else ()


def bare(shape: Shape) -> State:
    return State(tuple(map(free, shape)))


def single_parts(parts: Parts) -> Parts:
    """The parts of one position, which stay when a dimension is mixed."""
    return tuple([part for part in parts if part.size == 1])


def settled(state: State) -> State:
    """The state without the axes in ``nothing_less`` of which a shorter way is left."""
    left = {part.of.axis for part in state.parts() if isinstance(part.of, Line)}
    return state._replace(nothing_less=state.nothing_less - left)


def as_line(parts: Parts) -> tuple[Line, int]:
    """A dimension as positions along one axis: places inside the cells of a line see what the cell
    sees, which is how depth becomes space."""
    single = [part for part in parts if part.size == 1]
    many = [part for part in parts if part.size != 1]
    if not many and len(single) == 1 and isinstance(single[0].of, Line):
        return single[0].of, 1
    if single or not many or not isinstance(many[0].of, Line):
        raise LostError("layout")
    if any(part.of is not None for part in many[1:]):
        raise LostError("layout")
    inside = prod(part.size for part in many[1:])
    line = many[0].of
    if inside > 1:
        line = line.then(Sampling(((0,),) * inside, 1))
    return line, many[0].size * inside


def refined(parts: Parts) -> Parts:
    """The dimension with places inside the cells of a line as positions of their own."""
    many = [part for part in parts if part.size != 1]
    if len(many) != len(parts) or len(many) < 2 or any(part.of for part in many[1:]):
        return parts
    if not isinstance(many[0].of, Line):
        return parts
    line, size = as_line(parts)
    return (Part(size, line),)


def joined(states: Sequence[State], shape: Shape) -> State:
    """The state of a result that reads all of these element by element."""
    live = [state for state in states if not state.bare]
    if not live:
        return bare(shape)
    dims: list[Parts] = []
    loose: list[Part] = []
    for at in range(-len(shape), 0):
        size = shape[at]
        given = [state.dims[at] for state in live if len(state.dims) >= -at]
        single = [part for parts in given for part in single_parts(parts)]
        if size == 1:
            dims.append(_together(single))
            continue
        loose += single
        full = [tuple([part for part in parts if part.size != 1]) for parts in given]
        full = [parts for parts in full if prod(part.size for part in parts) == size]
        dims.append(reduce(_met, full) if full else free(size))
    for part in loose:
        _attach(dims, part)
    everything = frozenset().union(*[state.everything for state in live])
    less = frozenset.intersection(*[state.nothing_less for state in live])
    return settled(State(tuple(dims), everything, less))


def _met(a: Parts, b: Parts) -> Parts:
    """One dimension of a result that reads both."""
    if a == b or not any(part.of for part in b):
        return a
    if not any(part.of for part in a):
        return b
    if len(a) == len(b) and all(x.size == y.size for x, y in zip(a, b, strict=True)):
        parts = []
        for x, y in zip(a, b, strict=True):
            if x.of == y.of or y.of is None:
                parts.append(x)
            elif x.of is None:
                parts.append(y)
            elif isinstance(x.of, Line) and isinstance(y.of, Line) and x.of.axis == y.of.axis:
                parts.append(Part(x.size, x.of.union(y.of)))
            else:
                raise LostError("layout")
        return tuple(parts)
    (left, size), (right, _) = as_line(a), as_line(b)
    if left.axis != right.axis:
        raise LostError("layout")
    return (Part(size, left.union(right)),)


def _together(single: Sequence[Part]) -> Parts:
    """Parts of one position each, one for each axis."""
    lines: dict[int, Line] = {}
    for part in single:
        if not isinstance(part.of, Line):
            raise LostError("layout")
        axis = part.of.axis
        lines[axis] = lines[axis].union(part.of) if axis in lines else part.of
    return tuple([Part(1, line) for line in lines.values()])


def _attach(dims: list[Parts], part: Part) -> None:
    """Add what one position sees to every position of a result."""
    if not isinstance(part.of, Line):
        raise LostError("layout")
    axis, small, large = part.of
    still = Line(axis, Spans((small.at(0),), 0), Spans((large.at(0),), 0))
    for at, parts in enumerate(dims):
        for place, other in enumerate(parts):
            if isinstance(other.of, Line) and other.of.axis == axis:
                together = other.of.union(still)
                dims[at] = (*parts[:place], Part(other.size, together), *parts[place + 1 :])
                return
    dims[-1] = (*dims[-1], Part(1, still))


# -- whole dimensions


def reduced(state: State, dims: Iterable[int], places: Shape) -> State:
    """The state with these dimensions reduced to one element, which sees all of each."""
    chosen = set(dims)
    result = list(state.dims)
    everything = set(state.everything)
    collapsed = set()
    kept = [part.of for at, parts in enumerate(state.dims) if at not in chosen for part in parts]
    for at in sorted(chosen):
        loose: list[Part] = []
        for part in state.dims[at]:
            if isinstance(part.of, Line):
                cells = [each for each in kept if isinstance(each, Inner)]
                if any(each.outer == part.of for each in cells):
                    raise LostError("layout")
                if part.size == 1:
                    loose.append(part)
                    continue
                found, all_of_it = collapse(part.of, part.size, places)
                loose += found
                if all_of_it:
                    everything.add(part.of.axis)
                    collapsed.add(part.of.axis)
            elif isinstance(part.of, Joined):
                for line, size in part.of.lines:
                    if not collapse(line, size, places)[1]:
                        raise LostError("layout")
                    everything.add(line.axis)
                    collapsed.add(line.axis)
        result[at] = tuple(loose)
    left = {part.of.axis for parts in result for part in parts if isinstance(part.of, Line)}
    less = state.nothing_less | (collapsed - left)
    return State(tuple(result), frozenset(everything), frozenset(less))


def collapse(line: Line, size: int, places: Shape) -> tuple[Parts, bool]:
    """One position that sees what all of them see, and whether that is the whole axis: all
    pixels but those at the end that no window reads."""
    span = line.large.first(size)
    if span is None:
        return (), False
    step = line.large.stride
    last = places[line.axis] - max(step if isinstance(step, int) else floor(step), 1)
    if span[0] <= 0 and span[1] >= last:
        return (), True
    whole = Spans((span,), 0)
    small = line.small.first(size)
    return (Part(1, Line(line.axis, Spans((small,), 0), whole)),), False
