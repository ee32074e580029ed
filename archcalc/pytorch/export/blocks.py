"""Split a declared graph into nested blocks by the dots in its nodes' names.

Blocks become the classes of an exported file.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from archcalc.graph import Graph, Shape, Value
from archcalc.pytorch.layers import BareParameter, Constructor, Expression, realise


@dataclass(frozen=True, eq=False)
class Item:
    """One step of a block: a layer, an expression, a parameter or a nested block."""

    name: str
    """Its name inside the block; dotted if an inner scope could not become a block."""
    what: Constructor | Expression | BareParameter | Block
    inputs: tuple[int, ...]
    """Positions of earlier items; -1 is the block's first input, -2 its second."""
    training_only: bool
    output: Shape
    """The output shape at the declared input size."""


@dataclass(frozen=True, eq=False)
class Block:
    """A scope of the graph that can be one module, with a single output."""

    path: str
    """Its full name, empty for the whole network."""
    items: tuple[Item, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[int, ...]
    """Positions of the output items: one, except for the whole network."""

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @cached_property
    def key(self) -> Hashable:
        """A key that is equal for blocks that differ only in their layers' numbers."""
        return (
            len(self.inputs),
            self.outputs,
            tuple((item.name, item.inputs, _key(item)) for item in self.items),
        )

    def walk(self) -> Iterable[Block]:
        """Yield this block and all nested ones, outer blocks first."""
        yield self
        for item in self.items:
            if isinstance(item.what, Block):
                yield from item.what.walk()

    def source(self, item: int) -> int | None:
        """Return the item that sets the number of channels of an item's output.

        It is negative for an input of the block, and None if channels are joined or regrouped.
        """
        while item >= 0:
            what = self.items[item].what
            if isinstance(what, BareParameter):
                return None
            before = self.items[item].inputs[0]
            if isinstance(what, Block) or any(name in OUT for name in what.args):
                return item
            if self.channels(before) != self.channels(item):
                return None
            item = before
        return item

    def is_direct(self, place: int) -> bool:
        """Whether a value is the block's first input, or one layer or block away from it."""
        if place < 0:
            return place == -1
        item = self.items[place]
        return item.inputs == (-1,) and not isinstance(item.what, Expression)

    def channels(self, place: int) -> int | None:
        """Return the size of dimension 1 of an item's output or of an input."""
        shape = self.items[place].output if place >= 0 else self.inputs[-1 - place].shape
        return shape[1] if len(shape) > 1 else None


OUT = ("out_channels", "out_features", "embedding_dim")
"""Arguments that set the channels of a layer's output."""


def blocks(graph: Graph) -> Block:
    """Return the whole network as nested blocks."""
    order = [index for index, node in enumerate(graph.nodes) if node.op != "input"]
    order.sort(key=lambda index: graph.nodes[index].training_only)
    leaving = {(value.source, value.port) for value in graph.outputs.values()}
    return _Tree(graph, leaving).block("", order)


class _Tree:
    """Collects the blocks of one graph."""

    def __init__(self, graph: Graph, leaving: set[tuple[int, int]]) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.readers: dict[int, set[int]] = {}
        for index, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.readers.setdefault(value.source, set()).add(index)
        self.leaving = {source for source, _ in leaving}

    def block(self, path: str, members: list[int]) -> Block:
        prefix = f"{path}." if path else ""
        units = self._units(prefix, members)
        inside = {index: position for position, unit in enumerate(units.values()) for index in unit}
        inputs: dict[int, Value] = {}
        if not path:
            inputs = {value.source: value for value in (n.output for n in self.graph.inputs)}
        items = []
        for name, unit in units.items():
            what: Constructor | Expression | BareParameter | Block
            if self._is_leaf(prefix, name, unit):
                what = realise(self.nodes[unit[0]])
                given = self.nodes[unit[0]].inputs
            else:
                what = self.block(prefix + name, unit)
                given = what.inputs
            places = []
            for value in given:
                if value.source in inside:
                    places.append(inside[value.source])
                else:
                    inputs.setdefault(value.source, value)
                    places.append(-1 - list(inputs).index(value.source))
            last = next((index for index in unit if self._leaves(index, unit)), unit[-1])
            items.append(
                Item(
                    name,
                    what,
                    tuple(places),
                    self.nodes[unit[0]].training_only,
                    self.nodes[last].output.shape,
                )
            )
        if path:
            outputs = tuple(
                dict.fromkeys(inside[index] for index in members if self._leaves(index, members))
            )
        else:
            outputs = tuple(
                inside[value.source] if value.source in inside else _place(inputs, value)
                for value in self.graph.outputs.values()
            )
        return Block(path, tuple(items), tuple(inputs.values()), outputs)

    def _units(self, prefix: str, members: list[int]) -> Mapping[str, list[int]]:
        """Group members by the next part of their name, in an order in which they can run.

        If a scope cannot be one module, its members join the surrounding block under dotted names.
        """
        opened: set[str] = set()
        while True:
            units: dict[str, list[int]] = {}
            for index in members:
                units.setdefault(self._unit_name(prefix, index, opened), []).append(index)
            wrong = [
                name
                for name, unit in units.items()
                if not self._is_leaf(prefix, name, unit) and not self._closed(prefix + name, unit)
            ]
            if not wrong:
                order, stuck = self._ordered(units)
                if not stuck:
                    return {name: units[name] for name in order}
                # These scopes depend on one another, so none can run as a whole.
                wrong = [name for name in stuck if not self._is_leaf(prefix, name, units[name])]
            opened.update(wrong)

    def _unit_name(self, prefix: str, index: int, opened: set[str]) -> str:
        parts = self.nodes[index].name[len(prefix) :].split(".")
        name = parts[0]
        for part in parts[1:]:
            if name not in opened:
                break
            name = f"{name}.{part}"
        return name

    def _is_leaf(self, prefix: str, name: str, unit: list[int]) -> bool:
        return len(unit) == 1 and self.nodes[unit[0]].name == prefix + name

    def _closed(self, path: str, unit: list[int]) -> bool:
        """Whether a scope can be a module: it has layers and one output, all of it runs in the same
        modes, and no layer has the scope's name."""
        nodes = [self.nodes[index] for index in unit]
        return (
            sum(self._leaves(index, unit) for index in unit) == 1
            and any(isinstance(realise(node), Constructor) for node in nodes)
            and len({node.training_only for node in nodes}) == 1
            and all(node.name != path for node in nodes)
        )

    def _leaves(self, index: int, unit: Iterable[int]) -> bool:
        return index in self.leaving or not self.readers.get(index, set()) <= set(unit)

    def _ordered(self, units: Mapping[str, list[int]]) -> tuple[list[str], list[str]]:
        """Return names in an order in which they can run, and the names that cannot run."""
        owner = {index: name for name, unit in units.items() for index in unit}
        waits = {
            name: {
                owner[value.source]
                for index in unit
                for value in self.nodes[index].inputs
                if owner.get(value.source, name) != name
            }
            for name, unit in units.items()
        }
        order: list[str] = []
        while waits:
            ready = next((name for name, needed in waits.items() if needed <= set(order)), None)
            if ready is None:
                return order, list(waits)
            order.append(ready)
            del waits[ready]
        return order, []


def _place(inputs: dict[int, Value], value: Value) -> int:
    return -1 - list(inputs).index(value.source)


def _key(item: Item) -> Hashable:
    if isinstance(item.what, Block):
        return item.what.key
    if isinstance(item.what, Constructor):
        return item.what.cls, tuple(item.what.args)
    return item.what.text
