"""Which storage each tensor lives in and how it lies there, as eager torch lays it out.

A reshape is a view or a copy depending on the strides of its input, and so is what autograd keeps
of a matrix product. The rules here are torch's; tensors that the rows of the operator table do not
describe otherwise lie like their first input.
"""

from __future__ import annotations

from archcalc.graph import Graph, Node, Shape, Value, numel
from archcalc.ops import TABLE
from archcalc.ops.operator import Operator

MODELS_OWN = ("parameter", "constant")
"""Nodes of a traced graph that hand out the model's own tensors: no pass allocates those."""

Key = tuple[int, int]
"""(node, port): the value that first owned a storage."""


def key(value: Value) -> Key:
    return value.source, value.port


class Storages:
    """The storages of one pass over a graph."""

    def __init__(self, graph: Graph) -> None:
        self.owner: dict[Key, Key] = {}
        """For every value the one that owns its storage."""
        self.size: dict[Key, int] = {}
        """Bytes of each owner."""
        self.strides: dict[Key, Shape] = {}
        for node in graph.executed:
            self._add(node, graph.training)

    def _add(self, node: Node, training: bool) -> None:
        row = TABLE.get(node.op)
        if node.inputs and self._shares(node, row, training):
            first = node.inputs[0]
            for port, value in enumerate(node.outputs):
                self.owner[key(value)] = self.owner[key(first)]
                self.strides[key(value)] = self._viewed(node, row, port)
            return
        for value in node.outputs:
            self.owner[key(value)] = key(value)
            owned = node.op in MODELS_OWN and not node.attrs.get("made")
            self.size[key(value)] = 0 if owned else value.nbytes
            self.strides[key(value)] = self._laid_out(node, row, value)

    def _shares(self, node: Node, row: Operator | None, training: bool) -> bool:
        """Whether the output lives in the first input: a view, or work in place."""
        if node.attrs.get("inplace"):
            return True
        if row is None:
            return False
        first = node.inputs[0]
        if row.copies_if == "not contiguous":
            return self.contiguous(first)
        if row.copies_if == "not a view":
            return self.as_view(first, node.outputs[0].shape) is not None
        return row.passes_through(node, training)

    def contiguous(self, value: Value) -> bool:
        """Whether its elements lie in their order at one distance: a view of one dimension."""
        strides = self.strides[key(value)]
        return strides == dense(value.shape) or len(_runs(value.shape, strides)) < 2

    def as_view(self, value: Value, shape: Shape) -> Shape | None:
        """The strides of this shape over the same storage; None where torch has to copy."""
        return view_strides(value.shape, self.strides[key(value)], shape)

    def copied(self, value: Value, rank: int) -> int:
        """The bytes of a copy with ``rank`` dimensions, the first ones taken together; 0 where a
        view will do."""
        shape = value.shape
        if len(shape) <= rank:
            return 0
        rest = shape[len(shape) - rank + 1 :]
        lead = numel(shape[: len(shape) - rank + 1])
        return value.nbytes if self.as_view(value, (lead, *rest)) is None else 0

    def _viewed(self, node: Node, row: Operator | None, port: int) -> Shape:
        """The strides of a view of the first input."""
        first, out = node.inputs[0], node.outputs[port]
        strides = self.strides[key(first)]
        window = row.window if row else None
        if window == "permute":
            dims = permutation(node)
            if dims is not None:
                return tuple([strides[dim] for dim in dims])
        elif window == "reshape":
            return self.as_view(first, out.shape) or dense(out.shape)
        elif window in ("slice", "split", "unbind"):
            steps: Steps | None = [(0, 1, size) for size in out.shape]
            if window == "slice":
                steps = steps_of(node)
            elif window == "unbind":
                steps = [(0, 1, size) for size in first.shape]
                steps[node.attrs.get("dim", 0) % len(first.shape)] = 0
            if steps is not None:
                return _sliced(strides, steps)
        elif window == "expand":
            lead = len(out.shape) - len(first.shape)
            return (0,) * lead + tuple(
                [
                    step if have == size else 0
                    for step, have, size in zip(strides, first.shape, out.shape[lead:], strict=True)
                ]
            )
        if out.shape == first.shape:
            return strides
        return dense(out.shape)

    def _laid_out(self, node: Node, row: Operator | None, value: Value) -> Shape:
        """The strides of a new tensor."""
        shape = value.shape
        layout = row.layout if row else "contiguous"
        if layout == "images":
            pictures = [each for each in node.inputs if len(each.shape) == len(shape)]
            if len(shape) == 4 and pictures and all(map(self.channels_last, pictures)):
                return ordered(shape, (0, 2, 3, 1))
            return dense(shape)
        if layout == "like its input":
            for given in node.inputs:
                # Tuples of different lengths would have their first sizes compared.
                if len(given.shape) == len(shape) and given.shape == shape:
                    return like(shape, self.strides[key(given)])
        return dense(shape)

    def channels_last(self, value: Value) -> bool:
        """(N, C, H, W) that lies as (N, H, W, C), and not both ways."""
        strides = self.strides[key(value)]
        return (
            len(strides) == 4
            and not self.contiguous(value)
            and value.shape[1] > 1
            and strides[1] == 1
        )


def dense(shape: Shape) -> Shape:
    """The strides of a contiguous tensor."""
    return ordered(shape, tuple(range(len(shape))))


def ordered(shape: Shape, order: Shape) -> Shape:
    """The strides of a tensor without gaps, its outermost dimension in memory first."""
    strides, step = [0] * len(shape), 1
    for dim in reversed(order):
        strides[dim] = step
        step *= shape[dim]
    return tuple(strides)


def like(shape: Shape, strides: Shape) -> Shape:
    """The strides of a new tensor in the order of another, without its gaps."""
    if strides == dense(shape):  # the usual case, and true of every size: no formula has to ask
        return strides
    # Dimensions of size 1 have no order of their own.
    order = sorted(range(len(shape)), key=lambda dim: (-strides[dim], dim))
    if any(step == 0 and size > 1 for step, size in zip(strides, shape, strict=True)):
        return dense(shape)
    return ordered(shape, tuple(order))


def view_strides(shape: Shape, strides: Shape, wanted: Shape) -> Shape | None:
    """torch's ``computeStride``: the strides of ``wanted`` over the same elements, if there are."""
    if strides == dense(shape) or numel(shape) == 0:  # the first is true of every size
        return dense(wanted)
    result: list[int] = []
    left = list(reversed(_runs(shape, strides)))
    room, step = left.pop() if left else (1, 1)
    for size in wanted:
        if size == 1:
            result.append(room * step)
            continue
        if room == 1 and left:
            room, step = left.pop()
        if room % size:
            return None
        room //= size
        result.append(room * step)
    return tuple(result)


def _runs(shape: Shape, strides: Shape) -> list[tuple[int, int]]:
    """(size, stride) of a shape's dimensions, those that lie one after another as one."""
    runs: list[tuple[int, int]] = []
    for size, step in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * step:
            runs[-1] = (runs[-1][0] * size, step)
        else:
            runs.append((size, step))
    return runs


def permutation(node: Node) -> Shape | None:
    """The dimensions of the input in the order of the output."""
    rank = len(node.inputs[0].shape)
    dims = node.attrs.get("dims")
    if dims is not None:
        return tuple([dim % rank for dim in dims])
    if "dim0" in node.attrs:
        order = list(range(rank))
        a, b = node.attrs["dim0"], node.attrs["dim1"]
        order[a], order[b] = order[b], order[a]
        return tuple(order)
    return (1, 0) if rank == 2 else None


Steps = list[tuple[int, int, int] | int | None]


def steps_of(node: Node) -> Steps | None:
    """How a slice reads its input: for each dimension (start, step, count) or a single index, and
    None for a new dimension. None if the node does not determine it."""
    before, after = node.inputs[0].shape, node.outputs[0].shape
    attrs = node.attrs
    if isinstance(attrs.get("index"), tuple):
        return list(attrs["index"])
    steps: Steps = [(0, 1, size) for size in before]
    if "dim" not in attrs:
        return steps if before == after else None
    at = attrs["dim"] % len(before)
    if len(after) == len(before) - 1:
        steps[at] = attrs.get("index", 0)
    else:
        start = attrs.get("start") or 0
        start = max(start + before[at], 0) if start < 0 else min(start, before[at])
        steps[at] = (start, attrs.get("step", 1), after[at])
    return steps


def _sliced(strides: Shape, steps: Steps) -> Shape:
    result, at = [], 0
    for step in steps:
        if step is None:
            result.append(0)
            continue
        if not isinstance(step, int):
            result.append(strides[at] * step[1])
        at += 1
    return tuple(result)
