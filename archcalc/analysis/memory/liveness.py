"""Which activations are alive together in inference, as any allocator must hold them and as eager
torch holds them."""

from __future__ import annotations

from typing import NamedTuple

from archcalc.analysis.storage import Key, Storages, key
from archcalc.graph import Graph, Node
from archcalc.ops import TABLE
from archcalc.ops.operator import Device


class Activation(NamedTuple):
    """The output of one node while inference runs."""

    name: str
    op: str
    shape: tuple[int, ...]
    nbytes: int
    """0 for a view."""
    live: int
    """Bytes alive while this node runs: what it reads, what it writes, what waits for later."""


def liveness(graph: Graph) -> tuple[Activation, ...]:
    """Bytes alive at each executed node."""
    found = Storages(graph)
    owner, size = found.owner, found.size
    last_use: dict[Key, int] = {}
    for position, node in enumerate(graph.executed):
        for value in (*node.inputs, *node.outputs):
            last_use[owner[value.source, value.port]] = position
    for value in graph.outputs.values():
        if (value.source, value.port) in owner:
            last_use[owner[value.source, value.port]] = len(graph.executed)
    dying: dict[int, list[Key]] = {}
    for each, position in last_use.items():
        dying.setdefault(position, []).append(each)

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
        alive -= sum(size[each] for each in dying.get(position, ()))
    return tuple(rows)


def held_until(graph: Graph, storages: Storages) -> dict[Key, int]:
    """The position of the last node that runs while eager torch holds each storage.

    Of a traced run it is known. Of a declared network: a call's arguments live until the call
    returns, so what a scope reads lives to the end of the scope.
    """
    executed = graph.executed
    end = len(executed)
    # Positions count all nodes; heads that do not run here are left out.
    place = {graph_place: at for at, graph_place in enumerate(_places(graph))}
    result: dict[Key, int] = {}
    scope_end: dict[str, int] = {}
    for at, node in enumerate(executed):
        parts = node.name.split(".")
        for depth in range(1, len(parts)):
            scope_end[".".join(parts[:depth])] = at
    for at, node in enumerate(executed):
        for value in node.outputs:
            owner = storages.owner[key(value)]
            died = graph.lifetimes.get(key(value))
            last = at if died is None else place.get(died, end if died >= end else at)
            result[owner] = max(result.get(owner, 0), last)
        for value in node.inputs:
            owner = storages.owner[key(value)]
            last = at
            if not graph.lifetimes:
                last = max(last, _scope_of_call(executed[place[value.source]], node, scope_end))
            result[owner] = max(result.get(owner, 0), last)
        if node.op == "input":
            result[storages.owner[key(node.output)]] = end
    for value in graph.outputs.values():
        if key(value) in storages.owner:
            result[storages.owner[key(value)]] = end
    return result


def _places(graph: Graph) -> list[int]:
    """The position of each executed node among all nodes."""
    if graph.training:
        return list(range(len(graph.nodes)))
    return [at for at, node in enumerate(graph.nodes) if not node.training_only]


def _scope_of_call(source: Node, reader: Node, scope_end: dict[str, int]) -> int:
    """The end of the outermost scope of the reader that the source lies outside of."""
    mine, other = reader.name.split(".")[:-1], source.name.split(".")[:-1]
    for depth, part in enumerate(mine):
        if depth >= len(other) or other[depth] != part:
            return scope_end[".".join(mine[: depth + 1])]
    return 0


def scratch(node: Node, storages: Storages, device: Device) -> int:
    """Bytes that a kernel makes beside its result: a pool's places, copies of matrices."""
    row = TABLE.get(node.op)
    if row is None:
        return 0
    which = row.saves(node) if callable(row.saves) else row.saves
    if which == "attention by products":
        return _beside_products(node, storages)
    extra = row.saves_also(node, False, device) if row.saves_also is not None else 0
    if which == "matrices":
        extra += sum(storages.copied(value, 3) for value in node.inputs)
    elif which == "rows":
        extra += storages.copied(node.inputs[0], 2)
    return extra


def _beside_products(node: Node, storages: Storages) -> int:
    """The most that attention makes beside its result where no fused kernel computes it: scaled
    queries and keys, copies of them that lie as matrices, and the scores; then scores before and
    after the softmax; then those after it and a copy of the values."""
    query, key, value = node.inputs[:3]
    copies = [storages.copied(each, 3) for each in (query, key, value)]
    scores = query.nbytes // query.shape[-1] * key.shape[-2]
    result = node.outputs[0].nbytes  # only the last product makes it
    return query.nbytes + max(
        key.nbytes + copies[0] + copies[1] + scores - result,
        2 * scores - result,
        scores + copies[2],
    )


def eager_liveness(graph: Graph, device: Device = "cpu") -> tuple[int, ...]:
    """Bytes alive at each node in inference, as eager torch runs the model."""
    found = Storages(graph)
    return alive_at(graph, found, held_until(graph, found), device)


def alive_at(
    graph: Graph, found: Storages, last: dict[Key, int], device: Device
) -> tuple[int, ...]:
    dying: dict[int, int] = {}
    for owner, position in last.items():
        dying[position] = dying.get(position, 0) + found.size[owner]
    alive, rows = 0, []
    for at, node in enumerate(graph.executed):
        alive += sum(
            found.size[key(value)]
            for value in node.outputs
            if found.owner[key(value)] == key(value)
        )
        rows.append(alive + scratch(node, found, device))
        alive -= dying.get(at, 0)
    return tuple(rows)
