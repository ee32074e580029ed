"""What language models are asked beside their totals: the parameters that a token uses, the work
that its masks leave, and the cache that it is decoded from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from archcalc.analysis.profile import Profile
from archcalc.graph import Graph, Node, Weight
from archcalc.ops import TABLE

CACHES = ("past_key_values", "cache_params")
"""What transformers calls the keys, values and states that one call leaves for the next."""


class Routing(NamedTuple):
    """Of how many experts a token uses how many, and the weights that have a slice for each."""

    chosen: int
    experts: int
    weights: tuple[Weight, ...]


def routings(graph: Graph) -> Iterator[Routing]:
    """Every layer of experts that run as groups of one product, after a choice of the top k."""
    groups: dict[str, list[Node]] = {}
    for node in graph.forward.executed:
        row = TABLE.get(node.op)
        if row is not None and row.by_group:
            groups.setdefault(node.name.rpartition(".")[0], []).append(node)
    for scope, nodes in groups.items():
        experts = nodes[0].inputs[1].shape[0]
        chosen = _chosen(graph, nodes[0], experts)
        if chosen is not None:
            yield Routing(chosen, experts, _of_experts(graph, scope, experts))


def _chosen(graph: Graph, node: Node, experts: int) -> int | None:
    """k of the last ``topk`` that the rows of a grouped product depend on: routers that first
    choose groups of experts choose the experts last."""
    seen: set[int] = set()
    open_ = {value.source for value in (node.inputs[0], *node.inputs[2:])}
    while open_:
        place = max(open_)
        open_.remove(place)
        seen.add(place)
        found = graph.nodes[place]
        row = TABLE.get(found.op)
        if row is not None and row.chooses and found.inputs[0].shape[-1:] == (experts,):
            k: int = found.attrs["k"]
            return k
        open_ |= {value.source for value in found.inputs} - seen
    return None


def _of_experts(graph: Graph, scope: str, experts: int) -> tuple[Weight, ...]:
    found = {
        weight.name: weight
        for node in graph.forward.executed
        if node.name.startswith(f"{scope}.")
        for weight in node.weights
        if weight.shape[:1] == (experts,)
    }
    return tuple(found.values())


def active_params(profile: Profile) -> int:
    """Parameters that one token uses: of the experts, only those that the router chooses."""
    idle = {
        weight.name: weight.numel * (each.experts - each.chosen) // each.experts
        for each in routings(profile.graph)
        for weight in each.weights
    }
    return profile.params_executed - sum(idle.values())


def masked_macs(profile: Profile) -> int:
    """Multiply-adds without those of queries and keys that a causal mask or a sliding window keeps
    apart."""
    return sum(
        layer.node.attrs.get("masked_macs", layer.cost.macs)
        for layer in profile.layers
        if layer.cost is not None
    )


def cache_bytes(profile: Profile) -> int:
    """Of the cache that the model is called with, else of the one that it returns."""
    graph = profile.graph
    given = [node.output for node in graph.inputs if node.name.startswith(CACHES)]
    made = [value for name, value in graph.outputs.items() if name.startswith(CACHES)]
    return sum(value.nbytes for value in given or made if value.shape)  # a scalar is a counter
