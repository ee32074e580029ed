"""What autograd keeps of each node from the forward to the backward pass."""

from __future__ import annotations

from typing import NamedTuple

from archcalc.analysis.storage import Key, Storages, key
from archcalc.graph import Attributes, Graph, Node, Value
from archcalc.ops import TABLE
from archcalc.ops.operator import Device, Saves


class Saved(NamedTuple):
    """What autograd keeps of one node until the backward pass."""

    name: str
    what: Saves
    tensors: int
    """Bytes of its inputs or output; 0 where another node keeps the same storage already."""
    also: int
    """Bytes beside those: a pool's places, a norm's statistics, a dropout's mask."""

    @property
    def nbytes(self) -> int:
        return self.tensors + self.also


def saved_for_backward(graph: Graph, device: Device = "cpu") -> tuple[Saved, ...]:
    """What autograd keeps, storage by storage, each once; nothing of a node whose result needs no
    gradient, as in front of the first weights."""
    return tuple(Keeping(graph, device).rows)


class Keeping:
    """Goes through a training pass and notes what autograd keeps of each node."""

    def __init__(self, graph: Graph, device: Device) -> None:
        self.storages = Storages(graph)
        self.graded: set[Key] = set()
        """The values that need a gradient."""
        self.kept: set[Key] = set()
        """The storages that are kept already, by their owner."""
        self.by_node: dict[str, tuple[set[Key], int]] = {}
        """The storages that a node is the first to keep, and the bytes beside them."""
        self.rows: list[Saved] = []
        for node in graph.executed:
            if node.phase == "forward":
                self._add(node, graph.training, device)

    def needs_gradient(self, value: Value) -> bool:
        return key(value) in self.graded

    def _add(self, node: Node, training: bool, device: Device) -> None:
        row = TABLE.get(node.op)
        if not node.weights and not any(map(self.needs_gradient, node.inputs)):
            return
        if row is not None and row.stops_gradient:
            return
        self.graded.update(key(each) for each in node.outputs if _differentiable(each))
        if row is None or row.passes_through(node, training):
            return
        if "dropout_p" in node.attrs and any(map(self.needs_gradient, node.inputs[3:])):
            # No fused kernel computes the gradient of a mask.
            node = node._replace(attrs=Attributes(node.attrs | {"mask_needs_gradient": True}))
        which = row.saves(node) if callable(row.saves) else row.saves
        in_place = bool(node.attrs.get("inplace"))
        if in_place and row.saves_in_place is not None:
            which = row.saves_in_place
        values, copies = self._chosen(node, which, in_place)
        owner = self.storages.owner
        keys = {owner[key(value)] for value in values} - self.kept
        self.kept |= keys
        tensors = sum(self.storages.size[each] for each in keys)
        also = copies
        if row.saves_also is not None:
            also += row.saves_also(node, training, device)
        self.by_node[node.name] = keys, also
        if which != "nothing" or also:
            self.rows.append(Saved(node.name, which, tensors, also))

    def _chosen(self, node: Node, which: Saves, in_place: bool) -> tuple[list[Value], int]:
        """The values kept, and the bytes of those kept as copies or Python numbers."""
        inputs, outputs = list(node.inputs), list(node.outputs[:1])
        first = inputs[:1]
        if which == "nothing":
            return [], 0
        if which in ("input", "rows") and not first:
            return [], 0
        if which == "input":
            return ([], first[0].nbytes) if in_place else (first, 0)
        if which == "rows":
            if len(node.weights) != 0 or len(inputs) == 1 or self.needs_gradient(inputs[1]):
                kept = self._as_batch(first[0], 2)
            else:
                kept = [], 0
            computed = [each for each in inputs[1:2] if self.needs_gradient(first[0])]
            return kept[0] + computed, kept[1]
        if which == "others":
            return inputs[1:], 0
        if which == "output":
            return outputs, 0
        if which == "input and output":
            return first + outputs, 0
        if which == "inputs and output":
            return inputs + outputs, 0
        if which == "attention by products":
            return self._as_batch(inputs[2], 3)
        if which in ("factors", "matrices", "divisors"):
            return self._factors(node, which, in_place)
        return inputs, 0

    def _factors(self, node: Node, which: Saves, in_place: bool) -> tuple[list[Value], int]:
        a, *rest = node.inputs
        if not rest:
            return [], 0  # the other operand is a Python number
        b = rest[0]
        values: list[Value] = []
        copies = 0
        if self.needs_gradient(b):
            if which == "matrices":
                found, copies = self._as_batch(a, 3)
                values += found
            elif in_place:
                copies += a.nbytes
            else:
                values.append(a)
        if self.needs_gradient(a) or (which == "divisors" and self.needs_gradient(b)):
            if which == "matrices":
                found, more = self._as_batch(b, 3)
                values += found
                copies += more
            else:
                values.append(b)
        return values, copies

    def _as_batch(self, value: Value, rank: int) -> tuple[list[Value], int]:
        """The value, or the bytes of its copy where torch cannot see it as one matrix, or as one
        batch of matrices."""
        copied = self.storages.copied(value, rank)
        return ([], copied) if copied else ([value], 0)


def _differentiable(value: Value) -> bool:
    return value.dtype.startswith(("float", "bfloat", "complex"))
