"""Where the cost of a network is: block by block, by kind of work, and as a tree of modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from archcalc.analysis import fold
from archcalc.analysis.profile import Layer, Module, Profile
from archcalc.graph import Shape

Measure = Literal["macs", "params", "other"]
"""Multiply-adds, parameters, or the counted operations beside the multiply-adds."""


class Part(NamedTuple):
    """What one kind of work costs in one block."""

    block: str
    work: str
    """``conv 3×3``, ``linear``, ...; of other operations their class: ``norm``, ``pooling``, ..."""
    amount: int


def parts(profile: Profile, measure: Measure) -> tuple[Part, ...]:
    """The cost of every block, kind by kind, in the order in which the network runs; what is 0 is
    left out, so the amounts add up to the profile's total."""
    shown = blocks(profile)
    found: dict[tuple[str, str], int] = {}
    for layer in profile.layers:
        block = shown[layer.name]
        for work, amount in _amounts(layer, measure):
            if amount:
                found[block, work] = found.get((block, work), 0) + amount
    return tuple(Part(block, work, amount) for (block, work), amount in found.items())


def block_rows(profile: Profile) -> list[fold.Row]:
    """The blocks of a network; alike ones together."""
    return fold.at_a_glance(profile.modules(block_depth(profile)))


def blocks(profile: Profile) -> dict[str, str]:
    """The block of each node, by the node's name."""
    return fold.labels(block_rows(profile))


def block_of(name: str, depth: int) -> str:
    """The first ``depth`` parts of a node's name."""
    return ".".join(name.split(".")[:depth])


def block_depth(profile: Profile) -> int:
    """How many parts of a name make a block: the first, or as many more as all nodes share."""
    names = [layer.name.split(".") for layer in profile.layers if layer.op != "input"]
    depth = 1
    while names and len({tuple(name[:depth]) for name in names}) == 1:
        if all(len(name) <= depth for name in names):
            break
        depth += 1
    return depth


def work_of(layer: Layer) -> str:
    """The kind of a layer's work; of a convolution with its window."""
    if layer.kind == "conv" and layer.node.weights:
        window = layer.node.weights[0].shape[2:]
        return f"conv {'×'.join(map(str, window))}"
    return layer.kind


def _amounts(layer: Layer, measure: Measure) -> list[tuple[str, int]]:
    if measure == "params":
        return [(work_of(layer), layer.params)]
    if layer.cost is None:
        return []
    if measure == "macs":
        return [(work_of(layer), layer.cost.macs)]
    return list(zip(layer.cost._fields[1:], layer.cost[1:], strict=True))


@dataclass(frozen=True, slots=True)
class Branch:
    """A module of the tree that the dotted names make; a leaf is one layer."""

    name: str
    """The last part of its name."""
    path: str
    layers: tuple[Layer, ...]
    children: tuple[Branch, ...]

    @property
    def params(self) -> int:
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int | None:
        """None where nothing in it is counted."""
        known = [layer.macs for layer in self.layers if layer.macs is not None]
        return sum(known) if known else None

    @property
    def op(self) -> str:
        return self.layers[0].op if len(self.layers) == 1 else ""

    @property
    def output(self) -> Shape:
        return self.layers[-1].output


def tree(profile: Profile) -> tuple[Branch, ...]:
    """The network's modules inside one another, in order of first use; alike neighbours as one."""
    return _branches(profile.layers, 0)


def _branches(layers: Sequence[Layer], depth: int) -> tuple[Branch, ...]:
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        names = layer.name.split(".")
        if len(names) > depth:
            groups.setdefault(names[depth], []).append(layer)
    return tuple(
        Branch(
            row.name,
            ".".join(row.layers[0].name.split(".")[: depth + 1]),
            row.layers,
            # Of alike modules the first one stands for all.
            _branches(row.modules[0].layers, depth + 1),
        )
        for row in fold.at_a_glance([Module(name, tuple(each)) for name, each in groups.items()])
    )
