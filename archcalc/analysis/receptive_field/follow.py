"""Follows positions from the inputs of a graph, node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archcalc.analysis.receptive_field.fields import Field, Reach, Unknown
from archcalc.analysis.receptive_field.products import PRODUCTS
from archcalc.analysis.receptive_field.rearrange import REARRANGEMENTS, Followed
from archcalc.analysis.receptive_field.spans import LostError, Spans, Stride
from archcalc.analysis.receptive_field.state import (
    Joined,
    Line,
    Part,
    Parts,
    State,
    as_line,
    bare,
    collapse,
    free,
    joined,
    reduced,
    refined,
    settled,
    single_parts,
)
from archcalc.graph import Graph, Node, Shape
from archcalc.ops import TABLE
from archcalc.ops.window import Mixes, Slides, Untold


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
        except LostError as lost_here:
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

    def through(self, node: Node, window: object, states: list[State]) -> Followed:
        """One operator that is not point by point, over inputs whose positions are known."""
        if isinstance(window, Untold):
            raise LostError(window.why)
        if isinstance(window, Slides):
            return self.slid(node, window, states)
        if isinstance(window, Mixes):
            dims = window.dims(node)
            if dims is None:
                raise LostError("layout")
            return self.mixed_through(node, dims, window.keeps, states)
        name = str(window)
        if name in PRODUCTS:
            return PRODUCTS[name](node, states, self.places)
        return REARRANGEMENTS[name](node, states)

    # -- windows and whole dimensions

    def slid(self, node: Node, window: Slides, states: list[State]) -> State:
        x, *others = states
        after = node.outputs[0].shape
        if any(not other.bare for other in others):
            raise LostError("values")
        patterns = window.windows(node)
        count = len(patterns)
        dims = list(x.dims)
        state = x
        if window.over_channels:
            grouped = node.attrs.get("groups", 1) != 1
            channels = len(dims) - count - 1
            if channels >= 0:
                if grouped and any(part.of for part in dims[channels]):
                    raise LostError("layout")
                state = reduced(state, (channels,), self.places)
                dims = list(state.dims)
                dims[channels] = (*free(after[channels]), *single_parts(dims[channels]))
        everything, nothing_less = set(state.everything), set(state.nothing_less)
        for place in range(count):
            at = len(dims) - count + place
            parts, pattern = dims[at], patterns[place]
            if not any(part.of for part in parts):
                dims[at] = free(after[at])
                continue
            line, size = as_line(parts)
            if window.pools and after[at] == 1 and pattern.covers(size):
                found, all_of_it = collapse(line, size, self.places)
                dims[at] = found
                if all_of_it:
                    everything.add(line.axis)
                    nothing_less.add(line.axis)
            else:
                dims[at] = (Part(after[at], line.then(pattern)),)
        return settled(State(tuple(dims), frozenset(everything), frozenset(nothing_less)))

    def mixed_through(
        self, node: Node, dims: tuple[int, ...], keeps: bool, states: list[State]
    ) -> State:
        x, *others = states
        if any(not other.bare for other in others):
            raise LostError("values")
        rank = len(x.dims)
        chosen = tuple(sorted({dim % rank for dim in dims}))
        state = reduced(x, chosen, self.places)
        after = node.outputs[0].shape
        if keeps:
            return joined([x, state], after)
        if len(after) == rank:
            remade = [
                (*free(after[at]), *single_parts(parts)) if at in chosen else parts
                for at, parts in enumerate(state.dims)
            ]
            return settled(state._replace(dims=tuple(remade)))
        if len(after) != rank - len(chosen):
            raise LostError("layout")
        loose = [part for at in chosen for part in single_parts(state.dims[at])]
        kept = [parts for at, parts in enumerate(state.dims) if at not in chosen]
        if loose and not kept:
            raise LostError("layout")
        if loose:
            kept[-1] = (*kept[-1], *loose)
        return settled(state._replace(dims=tuple(kept)))

    # -- the answer

    def field(self, state: State | Unknown, name: str) -> Reach | Unknown:
        if isinstance(state, Unknown):
            return state
        if state.bare:
            return Unknown("bare", name)
        found: dict[int, Line] = {}
        for part in [part for parts in state.dims for part in refined(parts)]:
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
        sizes: list[int] = []
        strides: list[Stride] = []
        offsets: list[int] = []
        everything = True
        for axis, size in enumerate(self.places):
            if axis in whole or axis not in found:
                sizes.append(size)
                strides.append(0)
                offsets.append(0)
                continue
            everything = False
            spans = found[axis].small if small else found[axis].large
            sizes.append(spans.size)
            strides.append(spans.stride)
            offsets.append(spans.offset)
        return Field(tuple(sizes), tuple(strides), tuple(offsets), everything)
