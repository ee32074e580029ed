"""Memory by liveness: which activations are alive together, where most are, what training keeps.

An activation is alive from the node that makes it to the last node that reads it; the outputs of
the graph to the end. Views share their input's storage. Nothing else works in place unless the
graph says so, and no workspace of a library is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.record import Record
from archcalc.graph import Graph, Node, Value
from archcalc.ops import TABLE
from archcalc.ops.operator import Saves

MODELS_OWN = ("parameter", "constant")
"""Nodes of a traced graph that hand out the model's own tensors: no pass allocates those."""

Key = tuple[int, int]
"""(node, port): the value that first owned a storage."""


class Activation(NamedTuple):
    """The output of one node while inference runs."""

    name: str
    op: str
    shape: tuple[int, ...]
    nbytes: int
    """0 for a view."""
    live: int
    """Bytes alive while this node runs: what it reads, what it writes, what waits for later."""


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


@dataclass(frozen=True, repr=False)
class Memory(Record):
    """Bytes of one pass."""

    weight_bytes: int
    activations: tuple[Activation, ...]
    saved: tuple[Saved, ...]

    @property
    def peak(self) -> Activation | None:
        """The first node at which most bytes are alive, in inference."""
        return max(self.activations, key=lambda activation: activation.live, default=None)

    @property
    def peak_bytes(self) -> int:
        return self.peak.live if self.peak else 0

    @property
    def saved_bytes(self) -> int:
        """Kept for the backward pass of one training step, weights and gradients aside."""
        return sum(saved.nbytes for saved in self.saved)

    def rows(self) -> list[dict[str, Any]]:
        return [activation._asdict() for activation in self.activations]


def memory(graph: Graph) -> Memory:
    """Liveness of the graph's evaluation pass, and what its training pass keeps for backward."""
    return Memory(
        sum(weight.nbytes for weight in graph.weights),
        liveness(graph.eval()),
        saved_for_backward(graph.train()),
    )


def liveness(graph: Graph) -> tuple[Activation, ...]:
    """Bytes alive at each executed node."""
    owner, size = storages(graph)
    last_use: dict[Key, int] = {}
    for position, node in enumerate(graph.executed):
        for value in (*node.inputs, *node.outputs):
            last_use[owner[value.source, value.port]] = position
    for value in graph.outputs.values():
        if (value.source, value.port) in owner:
            last_use[owner[value.source, value.port]] = len(graph.executed)
    dying: dict[int, list[Key]] = {}
    for key, position in last_use.items():
        dying.setdefault(position, []).append(key)

    alive, rows = 0, []
    for position, node in enumerate(graph.executed):
        made = sum(
            size[value.source, value.port]
            for value in node.outputs
            if owner[value.source, value.port] == (value.source, value.port)
        )
        alive += made
        shape = node.output.shape if node.outputs else ()
        rows.append(Activation(node.name, node.op, shape, made, alive))
        alive -= sum(size[key] for key in dying.get(position, ()))
    return tuple(rows)


def storages(graph: Graph) -> tuple[dict[Key, Key], dict[Key, int]]:
    """For every value the one that owns its storage, and the bytes of each owner."""
    owner: dict[Key, Key] = {}
    size: dict[Key, int] = {}
    for node in graph.executed:
        shared = bool(node.inputs) and shares_storage(node, graph.training)
        for value in node.outputs:
            key = (value.source, value.port)
            if shared:
                first = node.inputs[0]
                owner[key] = owner[first.source, first.port]
            else:
                owner[key] = key
                size[key] = 0 if node.op in MODELS_OWN else value.nbytes
    return owner, size


def shares_storage(node: Node, training: bool) -> bool:
    """Whether the node's output lives in its first input: a view, or work in place."""
    operator = TABLE.get(node.op)
    return bool(node.attrs.get("inplace")) or (
        operator is not None and operator.passes_through(node, training)
    )


def saved_for_backward(graph: Graph) -> tuple[Saved, ...]:
    """What autograd keeps, storage by storage, each once; nothing of a node whose result needs no
    gradient, as in front of the first weights."""
    owner, size = storages(graph)
    kept: set[Key] = set()
    graded: set[Key] = set()
    rows = []
    for node in graph.executed:
        operator = TABLE.get(node.op)
        if not node.weights and not any((v.source, v.port) in graded for v in node.inputs):
            continue
        graded.update((value.source, value.port) for value in node.outputs)
        if operator is None or node.phase != "forward":
            continue
        which = operator.saves(node) if callable(operator.saves) else operator.saves
        keys = {owner[value.source, value.port] for value in _chosen(node, which)} - kept
        kept.update(keys)
        also = operator.saves_also(node, graph.training) if operator.saves_also else 0
        if which != "nothing" or also:
            rows.append(Saved(node.name, which, sum(size[key] for key in keys), also))
    return tuple(rows)


def _chosen(node: Node, which: Saves) -> tuple[Value, ...]:
    return {
        "nothing": (),
        "input": node.inputs[:1],
        "inputs": node.inputs,
        "output": node.outputs[:1],
    }[which]
