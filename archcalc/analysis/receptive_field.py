"""How much of the input one output position sees: size, stride and offset, or why nobody can tell.

For each dimension of a tensor the analyzer knows which pixels of the input every position sees.
Each row of the operator table says what the operator does to positions
(:data:`archcalc.ops.window.Positions`), and the two are composed. The result is exact for windows
that slide (Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks", Distill), for transposed convolutions, interpolation, shuffles, crops and branches that
start in different places. Anything else is :class:`Unknown`, with the node and the reason.

Positions are counted as if every map went on beyond its border, so that a window may be larger than
the input. Batch normalisation is taken as in evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm, prod
from typing import NamedTuple

from archcalc.analysis.storage import Steps, permutation, steps_of
from archcalc.graph import Graph, Node, Shape
from archcalc.ops import TABLE
from archcalc.ops.window import Mixes, Sampling, Slides, Untold, Why, Window

Step = int | Fraction
LONGEST_PERIOD = 4096
"""Positions after which a pattern of windows must repeat; beyond that the stride is unknown."""


class Field(NamedTuple):
    """The window of one output position, a number for each spatial dimension."""

    size: Shape
    """The largest window; upsampled positions may see windows of different sizes."""
    stride: tuple[Step, ...]
    """Input pixels between neighbouring output positions; a Fraction after upsampling."""
    offset: Shape
    """Where the window of the first position starts; negative numbers lie in the padding."""
    is_global: bool = False
    """Every output position sees the whole input; the three numbers then mean nothing."""

    def __str__(self) -> str:
        return "global" if self.is_global else "×".join(map(str, self.size))


class Reach(NamedTuple):
    """The smallest and the largest field, which differ where branches of different windows meet."""

    smallest: Field
    largest: Field

    def __str__(self) -> str:
        if self.smallest == self.largest or str(self.smallest) == str(self.largest):
            return str(self.largest)
        return f"{self.smallest} to {self.largest}"


class Unknown(NamedTuple):
    """Why the field of a node cannot be told."""

    why: Why
    node: str
    """The first node on the way to this one whose effect on positions is not known."""

    def __str__(self) -> str:
        return "unknown"


class Spans(NamedTuple):
    """The first and the last pixel that each position along one dimension sees, None for nothing.

    Position ``i + len(spans)`` sees what ``i`` sees, ``shift`` pixels further on.
    """

    spans: tuple[tuple[int, int] | None, ...]
    shift: int

    @property
    def stride(self) -> Fraction:
        return Fraction(self.shift, len(self.spans))

    @property
    def size(self) -> int:
        return max((span[1] - span[0] + 1 for span in self.spans if span), default=0)

    @property
    def offset(self) -> int:
        """The start of the first window that is not empty."""
        return next((span[0] for span in self.spans if span), 0)

    def at(self, position: int) -> tuple[int, int] | None:
        turns, phase = divmod(position, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + turns * self.shift, span[1] + turns * self.shift)

    def over(self, positions: Iterable[int]) -> tuple[int, int] | None:
        """From the first to the last pixel that any of the positions sees."""
        return _hull([self.at(position) for position in positions])

    def then(self, sampling: Sampling) -> Spans:
        """What each position sees that reads these in this pattern."""
        period = len(self.spans)
        turns = period // gcd(period, sampling.shift) if sampling.shift else 1
        count = turns * len(sampling.reads)
        if count > LONGEST_PERIOD:
            raise _LostError("strides")
        spans = [self.over(sampling(position)) for position in range(count)]
        shift = sampling.shift * turns * self.shift // period
        return _shortest(tuple(spans), shift)

    def union(self, other: Spans) -> Spans:
        """What a position sees that reads both."""
        if self == other:
            return self
        if self.stride != other.stride:
            raise _LostError("strides")
        count = lcm(len(self.spans), len(other.spans))
        if count > LONGEST_PERIOD:
            raise _LostError("strides")
        spans = tuple([_hull([self.at(i), other.at(i)]) for i in range(count)])
        return _shortest(spans, self.shift * count // len(self.spans))


def _hull(spans: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    seen = [span for span in spans if span]
    if not seen:
        return None
    return min(span[0] for span in seen), max(span[1] for span in seen)


def _shortest(spans: tuple[tuple[int, int] | None, ...], shift: int) -> Spans:
    """The same windows with the shortest period."""
    count = len(spans)
    for period in range(1, count // 2 + 1):
        if count % period or shift * period % count:
            continue
        step = Spans(spans[:period], shift * period // count)
        if all(step.at(position) == span for position, span in enumerate(spans)):
            return step
    return Spans(spans, shift)


class Line(NamedTuple):
    """Positions along one axis of the input: the shortest and the widest way there."""

    axis: int
    small: Spans
    large: Spans

    def then(self, sampling: Sampling) -> Line:
        small = self.small.then(sampling)
        large = small if self.large is self.small else self.large.then(sampling)
        return Line(self.axis, small, large)

    def union(self, other: Line) -> Line:
        if self == other:
            return self
        small = min(self.small, other.small, key=lambda spans: spans.size)
        return Line(self.axis, small, self.large.union(other.large))


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
    """None for channels, the batch and whatever else no position of the input belongs to."""


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


class _LostError(Exception):
    """What happens to positions here is not followed."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def receptive_fields(graph: Graph) -> dict[str, Reach | Unknown]:
    """The field of every executed forward node by name, or why it is unknown."""
    return Follower(graph).fields


class Follower:
    """Follows positions from the inputs of one graph."""

    def __init__(self, graph: Graph) -> None:
        shapes = {node.output.shape for node in graph.inputs}
        self.places: Shape = ()
        """The spatial sizes of the input."""
        if len({shape[2:] for shape in shapes}) == 1 and all(len(shape) > 2 for shape in shapes):
            self.places = next(iter(shapes))[2:]
        self.axes = frozenset(range(len(self.places)))
        self.states: dict[tuple[int, int], State | Unknown] = {}
        self.fields: dict[str, Reach | Unknown] = {}
        for node in graph.executed:
            if node.phase != "forward" or not node.outputs:
                continue
            found = self.follow(node)
            states = [found] * len(node.outputs) if isinstance(found, State | Unknown) else found
            for value, state in zip(node.outputs, states, strict=True):
                if isinstance(state, State) and state.shape() != value.shape:
                    state = Unknown("layout", node.name)
                self.states[value.source, value.port] = state
            self.fields[node.name] = self.field(
                self.states[node.outputs[0].source, node.outputs[0].port], node.name
            )

    def follow(self, node: Node) -> State | Unknown | list[State | Unknown]:
        """The state of the outputs."""
        if node.op == "input":
            return self.image(node)
        row = TABLE.get(node.op)
        given = [self.states[value.source, value.port] for value in node.inputs]
        if all(isinstance(state, State) and state.bare for state in given):
            return [bare(value.shape) for value in node.outputs]
        if row is None:
            return Unknown("unlisted", node.name)
        try:
            if row.window == "pointwise":
                return self.pointwise(node, given)
            lost = next((state for state in given if isinstance(state, Unknown)), None)
            if lost is not None:
                return lost
            states = [state for state in given if isinstance(state, State)]
            return self.through(node, row.window, states)
        except _LostError as lost_here:
            live = [state for state in given if isinstance(state, State) and not state.bare]
            if live and all(state.everything == self.axes for state in live):
                # Whatever becomes of positions that see everything, they see everything.
                return [State(bare(value.shape).dims, self.axes) for value in node.outputs]
            return Unknown(lost_here.why, node.name)

    def image(self, node: Node) -> State | Unknown:
        if not self.places:
            return Unknown("inputs", node.name)
        shape = node.output.shape
        dims: list[Parts] = [free(shape[0]), free(shape[1])]
        for axis, size in enumerate(self.places):
            pixel = Spans(((0, 0),), 1)
            dims.append((Part(size, Line(axis, pixel, pixel)),))
        return State(tuple(dims))

    def pointwise(self, node: Node, given: Sequence[State | Unknown]) -> State | Unknown:
        """Element by element, broadcast. What sees everything sees no more by seeing more."""
        known = [state for state in given if isinstance(state, State)]
        lost = [state for state in given if isinstance(state, Unknown)]
        shape = node.outputs[0].shape
        if lost:
            if any(state.everything == self.axes for state in known):
                return State(bare(shape).dims, self.axes)
            return lost[0]
        return joined(known, shape)

    def through(
        self, node: Node, window: object, states: list[State]
    ) -> State | list[State | Unknown]:
        """One operator that is not point by point, over inputs whose positions are known."""
        if isinstance(window, Untold):
            raise _LostError(window.why)
        if isinstance(window, Slides):
            return self.slid(node, window, states)
        if isinstance(window, Mixes):
            dims = window.dims(node)
            if dims is None:
                raise _LostError("layout")
            return self.mixed_through(node, dims, window.keeps, states)
        rearrange = REARRANGERS.get(str(window))
        if rearrange is None:
            raise _LostError("layout")
        return rearrange(self, node, states)

    # -- windows and whole dimensions

    def slid(self, node: Node, window: Slides, states: list[State]) -> State:
        x, *others = states
        after = node.outputs[0].shape
        if any(not other.bare for other in others):
            raise _LostError("values")
        samplings = [
            each.sampling() if isinstance(each, Window) else each for each in window.windows(node)
        ]
        count = len(samplings)
        dims = list(x.dims)
        state = x
        if window.over_channels:
            grouped = node.attrs.get("groups", 1) != 1
            channels = len(dims) - count - 1
            if channels >= 0:
                if grouped and any(part.of for part in dims[channels]):
                    raise _LostError("layout")
                state = self.mixed(state, (channels,))
                dims = list(state.dims)
                dims[channels] = (*free(after[channels]), *_single(dims[channels]))
        everything, nothing_less = set(state.everything), set(state.nothing_less)
        for place in range(count):
            at = len(dims) - count + place
            parts, sampling = dims[at], samplings[place]
            if not any(part.of for part in parts):
                dims[at] = free(after[at])
                continue
            line, size = as_line(parts)
            reads = set(sampling(0)) if window.pools and after[at] == 1 else set()
            if len(reads) >= size and reads.issuperset(range(size)):
                found, all_of_it = self.collapsed(line, size)
                dims[at] = found
                if all_of_it:
                    everything.add(line.axis)
                    nothing_less.add(line.axis)
            else:
                dims[at] = (Part(after[at], line.then(sampling)),)
        return settled(State(tuple(dims), frozenset(everything), frozenset(nothing_less)))

    def mixed_through(
        self, node: Node, dims: tuple[int, ...], keeps: bool, states: list[State]
    ) -> State:
        x, *others = states
        if any(not other.bare for other in others):
            raise _LostError("values")
        rank = len(x.dims)
        chosen = tuple(sorted({dim % rank for dim in dims}))
        state = self.mixed(x, chosen)
        after = node.outputs[0].shape
        if keeps:
            return joined([x, state], after)
        if len(after) == rank:
            remade = [
                (*free(after[at]), *_single(parts)) if at in chosen else parts
                for at, parts in enumerate(state.dims)
            ]
            return settled(state._replace(dims=tuple(remade)))
        if len(after) != rank - len(chosen):
            raise _LostError("layout")
        loose = [part for at in chosen for part in _single(state.dims[at])]
        kept = [parts for at, parts in enumerate(state.dims) if at not in chosen]
        if loose and not kept:
            raise _LostError("layout")
        if loose:
            kept[-1] = (*kept[-1], *loose)
        return settled(state._replace(dims=tuple(kept)))

    def mixed(self, state: State, dims: Iterable[int]) -> State:
        """The state with these dimensions reduced to one element, which sees all of each."""
        chosen = set(dims)
        result = list(state.dims)
        everything = set(state.everything)
        collapsed = set()
        kept = [
            part.of for at, parts in enumerate(state.dims) if at not in chosen for part in parts
        ]
        for at in sorted(chosen):
            loose: list[Part] = []
            for part in state.dims[at]:
                if isinstance(part.of, Line):
                    cells = [each for each in kept if isinstance(each, Inner)]
                    if any(each.outer == part.of for each in cells):
                        raise _LostError("layout")
                    if part.size == 1:
                        loose.append(part)
                        continue
                    found, all_of_it = self.collapsed(part.of, part.size)
                    loose += found
                    if all_of_it:
                        everything.add(part.of.axis)
                        collapsed.add(part.of.axis)
                elif isinstance(part.of, Joined):
                    for line, size in part.of.lines:
                        if not self.collapsed(line, size)[1]:
                            raise _LostError("layout")
                        everything.add(line.axis)
                        collapsed.add(line.axis)
            result[at] = tuple(loose)
        left = {part.of.axis for parts in result for part in parts if isinstance(part.of, Line)}
        less = state.nothing_less | (collapsed - left)
        return State(tuple(result), frozenset(everything), frozenset(less))

    def collapsed(self, line: Line, size: int) -> tuple[Parts, bool]:
        """One position that sees what all of them see, and whether that is the whole axis: all
        pixels but those at the end that no window reads."""
        span = line.large.over(range(size))
        if span is None:
            return (), False
        last = self.places[line.axis] - max(line.large.stride, Fraction(1))
        if span[0] <= 0 and span[1] >= last:
            return (), True
        whole = Spans((span,), 0)
        small = line.small.over(range(size))
        return (Part(1, Line(line.axis, Spans((small,), 0), whole)),), False

    # -- the answer

    def field(self, state: State | Unknown, name: str) -> Reach | Unknown:
        if isinstance(state, Unknown):
            return state
        if state.bare:
            return Unknown("bare", name)
        found: dict[int, Line] = {}
        for part in state.parts():
            if isinstance(part.of, Joined):
                if state.everything == self.axes:
                    continue
                return Unknown("layout", name)
            if isinstance(part.of, Line):
                if part.of.axis in found and part.of.axis not in state.everything:
                    return Unknown("layout", name)
                found[part.of.axis] = part.of
        axes = range(len(self.places))
        if any(axis not in found and axis not in state.everything for axis in axes):
            return Unknown("layout", name)
        return Reach(
            self.window(found, state.nothing_less, small=True),
            self.window(found, state.everything, small=False),
        )

    def window(self, found: Mapping[int, Line], whole: frozenset[int], *, small: bool) -> Field:
        sizes, strides, offsets = [], [], []
        everything = True
        for axis, size in enumerate(self.places):
            if axis in whole or axis not in found:
                sizes.append(size)
                strides.append(Fraction(0))
                offsets.append(0)
                continue
            everything = False
            spans = found[axis].small if small else found[axis].large
            sizes.append(spans.size)
            strides.append(spans.stride)
            offsets.append(spans.offset)
        steps = tuple([int(step) if step.denominator == 1 else step for step in strides])
        return Field(tuple(sizes), steps, tuple(offsets), everything)


# -- the parts of dimensions


def free(size: int) -> Parts:
    return (Part(size),) if size != 1 else ()


def bare(shape: Shape) -> State:
    return State(tuple(map(free, shape)))


def _single(parts: Parts) -> Parts:
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
        raise _LostError("layout")
    if any(part.of is not None for part in many[1:]):
        raise _LostError("layout")
    inside = prod(part.size for part in many[1:])
    line = many[0].of
    if inside > 1:
        line = line.then(Sampling(((0,),) * inside, 1))
    return line, many[0].size * inside


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
        single = [part for parts in given for part in _single(parts)]
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
                raise _LostError("layout")
        return tuple(parts)
    (left, size), (right, _) = as_line(a), as_line(b)
    if left.axis != right.axis:
        raise _LostError("layout")
    return (Part(size, left.union(right)),)


def _together(single: Sequence[Part]) -> Parts:
    """Parts of one position each, one for each axis."""
    lines: dict[int, Line] = {}
    for part in single:
        if not isinstance(part.of, Line):
            raise _LostError("layout")
        axis = part.of.axis
        lines[axis] = lines[axis].union(part.of) if axis in lines else part.of
    return tuple([Part(1, line) for line in lines.values()])


def _attach(dims: list[Parts], part: Part) -> None:
    """Add what one position sees to every position of a result."""
    if not isinstance(part.of, Line):
        raise _LostError("layout")
    axis, small, large = part.of
    still = Line(axis, Spans((small.at(0),), 0), Spans((large.at(0),), 0))
    for at, parts in enumerate(dims):
        for place, other in enumerate(parts):
            if isinstance(other.of, Line) and other.of.axis == axis:
                together = other.of.union(still)
                dims[at] = (*parts[:place], Part(other.size, together), *parts[place + 1 :])
                return
    dims[-1] = (*dims[-1], Part(1, still))


# -- rearrangements

Rearranged = State | list[State | Unknown]
REARRANGERS: dict[str, Callable[[Follower, Node, list[State]], Rearranged]] = {}


def _rearranger(
    function: Callable[[Follower, Node, list[State]], Rearranged],
) -> Callable[[Follower, Node, list[State]], Rearranged]:
    REARRANGERS[function.__name__] = function
    return function


def _source(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    return bare(node.outputs[0].shape)


REARRANGERS["source"] = _source


def regrouped(state: State, shape: Shape) -> State:
    """The same elements in row-major order under another shape."""
    waiting = state.parts()[::-1]
    dims: list[Parts] = []
    for size in shape:
        taken: list[Part] = []
        need = size
        while need > 1:
            if not waiting:
                raise _LostError("layout")
            part = waiting.pop()
            if need % part.size == 0:
                taken.append(part)
                need //= part.size
            elif part.size % need == 0:
                outer, inner = _cut(part, need)
                taken.append(outer)
                waiting.append(inner)
                need = 1
            elif part.of is None and waiting and waiting[-1].of is None:
                waiting.append(Part(part.size * waiting.pop().size))
            else:
                raise _LostError("layout")
        while waiting and waiting[-1].size == 1:
            taken.append(waiting.pop())
        dims.append(_whole_again(taken))
    if waiting:
        if not dims or any(part.size != 1 for part in waiting):
            raise _LostError("layout")
        dims[-1] = (*dims[-1], *waiting)
    return state._replace(dims=tuple(dims))


def _cut(part: Part, cells: int) -> tuple[Part, Part]:
    """A part as cells and the places inside each."""
    inside = part.size // cells
    if part.of is None:
        return Part(cells), Part(inside)
    if not isinstance(part.of, Line):
        raise _LostError("layout")
    outer = part.of.then(Sampling((range(inside),), inside))
    return Part(cells, outer), Part(inside, Inner(outer, part.of))


def _whole_again(parts: list[Part]) -> Parts:
    """Neighbouring parts that were one before, as one."""
    result: list[Part] = []
    for part in parts:
        last = result[-1] if result else None
        if last is not None and part.of is None and last.of is None:
            result[-1] = Part(last.size * part.size)
        elif (
            last is not None
            and isinstance(part.of, Inner)
            and isinstance(last.of, Line)
            and part.of.outer == last.of
        ):
            result[-1] = Part(last.size * part.size, part.of.whole)
        else:
            result.append(part)
    return tuple(result)


def permuted(state: State, dims: Sequence[int]) -> State:
    return state._replace(dims=tuple([state.dims[dim] for dim in dims]))


@_rearranger
def reshape(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    return regrouped(states[0], node.outputs[0].shape)


@_rearranger
def permute(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    dims = permutation(node)
    if dims is None:
        raise _LostError("layout")
    return permuted(states[0], dims)


@_rearranger
def channel_shuffle(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    n, channels, *places = node.inputs[0].shape
    groups = node.attrs["groups"]
    cut = regrouped(states[0], (n, groups, channels // groups, *places))
    order = (0, 2, 1, *range(3, 3 + len(places)))
    return regrouped(permuted(cut, order), node.outputs[0].shape)


@_rearranger
def pixel_shuffle(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    *lead, channels, height, width = node.inputs[0].shape
    r, b = node.attrs["upscale_factor"], len(lead)
    cut = regrouped(states[0], (*lead, channels // (r * r), r, r, height, width))
    order = (*range(b), b, b + 3, b + 1, b + 4, b + 2)
    return regrouped(permuted(cut, order), node.outputs[0].shape)


@_rearranger
def pixel_unshuffle(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    *lead, channels, height, width = node.inputs[0].shape
    r, b = node.attrs["downscale_factor"], len(lead)
    cut = regrouped(states[0], (*lead, channels, height // r, r, width // r, r))
    order = (*range(b), b, b + 2, b + 4, b + 1, b + 3)
    return regrouped(permuted(cut, order), node.outputs[0].shape)


@_rearranger
def expand(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    return joined(states[:1], node.outputs[0].shape)


@_rearranger
def slice(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    steps = steps_of(node)
    if steps is None:
        raise _LostError("layout")
    return sliced(states[0], steps)


def sliced(state: State, steps: Steps) -> State:
    shape = state.shape()
    dims: list[Parts] = []
    loose: list[Part] = []
    at = 0
    for step in steps:
        if step is None:
            dims.append(())
            continue
        parts, size = state.dims[at], shape[at]
        at += 1
        if not isinstance(step, int) and step == (0, 1, size):
            dims.append(parts)
            continue
        start, by, count = (step % size, 1, 1) if isinstance(step, int) else step
        if not any(part.of for part in parts):
            cut = free(count)
        else:
            line, _ = as_line(parts)
            reads = Sampling(((start,),), by)
            cut = (Part(count, line.then(reads)),)
        if isinstance(step, int):
            loose += cut
        else:
            dims.append(cut)
    if loose and not dims:
        raise _LostError("layout")
    if loose:
        dims[-1] = (*dims[-1], *loose)
    return state._replace(dims=tuple(dims))


@_rearranger
def split(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    rank = len(node.inputs[0].shape)
    at, start = node.attrs.get("dim", 0) % rank, 0
    found: list[State | Unknown] = []
    for value in node.outputs:
        steps: Steps = [(0, 1, size) for size in value.shape]
        steps[at] = (start, 1, value.shape[at])
        found.append(sliced(states[0], steps))
        start += value.shape[at]
    return found


@_rearranger
def unbind(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    shape = node.inputs[0].shape
    at = node.attrs.get("dim", 0) % len(shape)
    found: list[State | Unknown] = []
    for index in range(len(node.outputs)):
        steps: Steps = [(0, 1, size) for size in shape]
        steps[at] = index
        found.append(sliced(states[0], steps))
    return found


@_rearranger
def pad(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    """Padding moves positions. Reflected and repeated borders see what lies next to them."""
    (state,) = states
    sizes = node.attrs.get("pad", node.attrs.get("padding"))
    if sizes is None:
        raise _LostError("layout")
    if node.attrs.get("mode") == "circular":
        raise _LostError("wraps")
    after = node.outputs[0].shape
    dims = list(state.dims)
    for pair in range(len(sizes) // 2):
        at, left = len(dims) - 1 - pair, sizes[2 * pair]
        if not (left or sizes[2 * pair + 1]):
            continue
        if any(part.of for part in dims[at]):
            line, _ = as_line(dims[at])
            dims[at] = (Part(after[at], line.then(Sampling(((-left,),), 1))),)
        else:
            dims[at] = free(after[at])
    return state._replace(dims=tuple(dims))


@_rearranger
def concat(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    shape = node.outputs[0].shape
    # torch lets an empty tensor of one dimension join anything.
    states = [state for state in states if len(state.dims) == len(shape)]
    at = node.attrs.get("dim", 0) % len(shape)
    along = [state.dims[at] for state in states]
    rest = joined(
        [_without(state, at) for state in states],
        tuple([1 if place == at else size for place, size in enumerate(shape)]),
    )
    lines: list[tuple[Line, int]] = []
    inside = [part for parts in along for part in parts if part.of and part.size != 1]
    for part in inside:
        if isinstance(part.of, Line):
            lines.append((part.of, part.size))
        elif isinstance(part.of, Joined):
            lines += part.of.lines
        else:
            raise _LostError("layout")
    of = Joined(tuple(lines)) if lines else None
    dims = list(rest.dims)
    dims[at] = (Part(shape[at], of), *dims[at]) if of else (*free(shape[at]), *dims[at])
    return settled(rest._replace(dims=tuple(dims)))


def _without(state: State, at: int) -> State:
    """The state with one position along a dimension."""
    dims = list(state.dims)
    dims[at] = _single(dims[at])
    return state._replace(dims=tuple(dims))


@_rearranger
def stack(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    shape = node.outputs[0].shape
    at = node.attrs.get("dim", 0) % len(shape)
    rest = joined(states, (*shape[:at], *shape[at + 1 :]))
    return rest._replace(dims=(*rest.dims[:at], free(shape[at]), *rest.dims[at:]))


# -- products


@_rearranger
def matmul(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    a, b = states
    if len(a.dims) < 2 or len(b.dims) < 2:
        raise _LostError("layout")
    left = follower.mixed(a, (len(a.dims) - 1,))
    right = follower.mixed(b, (len(b.dims) - 2,))
    return joined([left, right], node.outputs[0].shape)


@_rearranger
def attention(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    query, key, value, *masks = states
    if any(not mask.bare for mask in masks):
        raise _LostError("values")
    q = follower.mixed(query, (len(query.dims) - 1,))
    k = follower.mixed(key, (len(key.dims) - 1, len(key.dims) - 2))
    v = follower.mixed(value, (len(value.dims) - 2,))
    return joined([q, k, v], node.outputs[0].shape)


@_rearranger
def einsum(follower: Follower, node: Node, states: list[State]) -> Rearranged:
    given, arrow, out = node.attrs.get("equation", "").replace(" ", "").partition("->")
    operands = given.split(",")
    if not arrow or "." in given or len(operands) != len(states):
        raise _LostError("layout")
    found = []
    for letters, state in zip(operands, states, strict=True):
        if len(set(letters)) != len(letters):
            raise _LostError("layout")
        gone = [at for at, letter in enumerate(letters) if letter not in out]
        mixed = follower.mixed(state, gone)
        loose = [part for at in gone for part in mixed.dims[at]]
        dims = [mixed.dims[letters.index(each)] if each in letters else () for each in out]
        if loose:
            dims[-1] = (*dims[-1], *loose)
        found.append(mixed._replace(dims=tuple(dims)))
    return joined(found, node.outputs[0].shape)


def known(fields: Mapping[str, Reach | Unknown], name: str) -> Reach | None:
    """The field of a node where it is known."""
    found = fields.get(name)
    return found if isinstance(found, Reach) else None
