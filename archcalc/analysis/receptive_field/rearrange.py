"""Operators that put elements elsewhere: reshapes, shuffles, crops, pads and concatenations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archcalc.analysis.receptive_field.fields import Unknown
from archcalc.analysis.receptive_field.spans import LostError
from archcalc.analysis.receptive_field.state import (
    Inner,
    Joined,
    Line,
    Part,
    Parts,
    State,
    as_line,
    bare,
    free,
    joined,
    settled,
    single_parts,
)
from archcalc.analysis.storage import Steps, permutation, steps_of
from archcalc.graph import Node, Shape
from archcalc.ops.window import Sampling

Followed = State | list[State | Unknown]
"""One state for all outputs, or one each."""


def source(node: Node, states: list[State]) -> Followed:
    return bare(node.outputs[0].shape)


def regrouped(state: State, shape: Shape) -> State:
    """The same elements in row-major order under another shape."""
    waiting = state.parts()[::-1]
    dims: list[Parts] = []
    for size in shape:
        taken: list[Part] = []
        need = size
        while need not in (0, 1):
            if not waiting:
                raise LostError("layout")
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
                raise LostError("layout")
        while waiting and waiting[-1].size == 1:
            taken.append(waiting.pop())
        dims.append(_whole_again(taken))
    if waiting:
        if not dims or any(part.size != 1 for part in waiting):
            raise LostError("layout")
        dims[-1] = (*dims[-1], *waiting)
    return state._replace(dims=tuple(dims))


def _cut(part: Part, cells: int) -> tuple[Part, Part]:
    """A part as cells and the places inside each."""
    inside = part.size // cells
    if part.of is None:
        return Part(cells), Part(inside)
    if not isinstance(part.of, Line):
        raise LostError("layout")
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


def reshape(node: Node, states: list[State]) -> Followed:
    return regrouped(states[0], node.outputs[0].shape)


def permute(node: Node, states: list[State]) -> Followed:
    dims = permutation(node)
    if dims is None:
        raise LostError("layout")
    return permuted(states[0], dims)


def channel_shuffle(node: Node, states: list[State]) -> Followed:
    n, channels, *places = node.inputs[0].shape
    groups = node.attrs["groups"]
    cut = regrouped(states[0], (n, groups, channels // groups, *places))
    order = (0, 2, 1, *range(3, 3 + len(places)))
    return regrouped(permuted(cut, order), node.outputs[0].shape)


def pixel_shuffle(node: Node, states: list[State]) -> Followed:
    *lead, channels, height, width = node.inputs[0].shape
    r, b = node.attrs["upscale_factor"], len(lead)
    cut = regrouped(states[0], (*lead, channels // (r * r), r, r, height, width))
    order = (*range(b), b, b + 3, b + 1, b + 4, b + 2)
    return regrouped(permuted(cut, order), node.outputs[0].shape)


def pixel_unshuffle(node: Node, states: list[State]) -> Followed:
    *lead, channels, height, width = node.inputs[0].shape
    r, b = node.attrs["downscale_factor"], len(lead)
    cut = regrouped(states[0], (*lead, channels, height // r, r, width // r, r))
    order = (*range(b), b, b + 2, b + 4, b + 1, b + 3)
    return regrouped(permuted(cut, order), node.outputs[0].shape)


def expand(node: Node, states: list[State]) -> Followed:
    return joined(states[:1], node.outputs[0].shape)


def slice(node: Node, states: list[State]) -> Followed:
    steps = steps_of(node)
    if steps is None:
        raise LostError("layout")
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
        raise LostError("layout")
    if loose:
        dims[-1] = (*dims[-1], *loose)
    return state._replace(dims=tuple(dims))


def split(node: Node, states: list[State]) -> Followed:
    rank = len(node.inputs[0].shape)
    at, start = node.attrs.get("dim", 0) % rank, 0
    found: list[State | Unknown] = []
    for value in node.outputs:
        steps: Steps = [(0, 1, size) for size in value.shape]
        steps[at] = (start, 1, value.shape[at])
        found.append(sliced(states[0], steps))
        start += value.shape[at]
    return found


def unbind(node: Node, states: list[State]) -> Followed:
    shape = node.inputs[0].shape
    at = node.attrs.get("dim", 0) % len(shape)
    found: list[State | Unknown] = []
    for index in range(len(node.outputs)):
        steps: Steps = [(0, 1, size) for size in shape]
        steps[at] = index
        found.append(sliced(states[0], steps))
    return found


def pad(node: Node, states: list[State]) -> Followed:
    """Padding moves positions. Reflected and repeated borders see what lies next to them."""
    (state,) = states
    sizes = node.attrs.get("pad", node.attrs.get("padding"))
    if sizes is None:
        raise LostError("layout")
    if node.attrs.get("mode") == "circular":
        raise LostError("wraps")
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


def concat(node: Node, states: list[State]) -> Followed:
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
            raise LostError("layout")
    of = Joined(tuple(lines)) if lines else None
    dims = list(rest.dims)
    dims[at] = (Part(shape[at], of), *dims[at]) if of else (*free(shape[at]), *dims[at])
    return settled(rest._replace(dims=tuple(dims)))


def _without(state: State, at: int) -> State:
    """The state with one position along a dimension."""
    dims = list(state.dims)
    dims[at] = single_parts(dims[at])
    return state._replace(dims=tuple(dims))


def stack(node: Node, states: list[State]) -> Followed:
    shape = node.outputs[0].shape
    at = node.attrs.get("dim", 0) % len(shape)
    rest = joined(states, (*shape[:at], *shape[at + 1 :]))
    return rest._replace(dims=(*rest.dims[:at], free(shape[at]), *rest.dims[at:]))


REARRANGEMENTS: Mapping[str, Callable[[Node, list[State]], Followed]] = {
    "source": source,
    "reshape": reshape,
    "permute": permute,
    "channel_shuffle": channel_shuffle,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "expand": expand,
    "slice": slice,
    "split": split,
    "unbind": unbind,
    "pad": pad,
    "concat": concat,
    "stack": stack,
}
"""By the name in the operator table."""
