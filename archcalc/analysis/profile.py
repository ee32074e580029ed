"""What a graph costs: a node, a module, a class of work, and in all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from archcalc.analysis.conventions import CONVENTIONS, ConventionTotal, total
from archcalc.analysis.memory import Memory, memory
from archcalc.analysis.receptive_field import Reach, Unknown, known, receptive_fields
from archcalc.analysis.record import Record
from archcalc.errors import UnknownLayerError, UsageError
from archcalc.graph import Graph, Node, Shape, Weight
from archcalc.language import Message
from archcalc.ops import TABLE
from archcalc.ops.operator import Cost, working

Status = Literal["counted", "free", "not counted"]


class Layer(NamedTuple):
    """One executed node and its price."""

    node: Node
    params: int
    """Of the weights that no earlier layer has: the rows add up to the total."""
    cost: Cost | None
    """None where the operator is not in the table: not counted, which is not zero."""
    training: bool

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def op(self) -> str:
        return self.node.op

    @property
    def kind(self) -> str:
        return TABLE[self.node.op].kind if self.cost is not None else "not counted"

    @property
    def input(self) -> Shape | None:
        return self.node.inputs[0].shape if self.node.inputs else None

    @property
    def output(self) -> Shape:
        return self.node.outputs[0].shape if self.node.outputs else ()

    @property
    def macs(self) -> int | None:
        return None if self.cost is None else self.cost.macs

    @property
    def flops(self) -> int | None:
        return None if self.cost is None else self.cost.flops

    def __repr__(self) -> str:
        return f"<Layer {self.name}: {self.op}, {_figures(self)}>"

    @property
    def status(self) -> Status:
        if self.cost is None:
            return "not counted"
        return "counted" if any(self.cost) else "free"

    @property
    def reason(self) -> Message:
        """Why the layer has no count; empty if it has one."""
        if self.status == "free":
            return Message(TABLE[self.op].free or "nothing to compute at this size")
        if self.status == "not counted":
            missing = Message("no formula for {op}", op=self.op)
            if self.node.where:
                return Message("{missing} ({where})", missing=missing, where=self.node.where)
            return missing
        return Message()

    @property
    def formulas(self) -> dict[str, str]:
        """The working of each class of work: ``{"macs": "(28×28×32)×(5×5×192) = 120,422,400"}``."""
        if self.cost is None:
            return {}
        work = TABLE[self.op].work(self.node, self.training)
        return {
            field: f"{working(terms)} = {getattr(self.cost, field):,}"
            for field, terms in work.items()
        }

    @property
    def formula(self) -> str:
        """The working of the multiply-adds, or of what is counted where there are none."""
        return next(iter(self.formulas.values()), "")

    @property
    def bytes_moved(self) -> tuple[int, int] | None:
        """(read, written); None where not counted."""
        if self.cost is None:
            return None
        return TABLE[self.op].bytes_moved(self.node, self.training)


class Module(NamedTuple):
    """Some executed nodes under one name: a module of the network, or all of it."""

    name: str
    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        return f"<Module {self.name}: {len(self.layers)} layers, {_figures(self)}>"

    @property
    def op(self) -> str:
        return self.layers[0].op if len(self.layers) == 1 else f"{len(self.layers)} nodes"

    @property
    def output(self) -> Shape:
        """Of the last layer in the forward pass, where the module has one."""
        forward = [layer for layer in self.layers if layer.node.phase == "forward"]
        return (forward or self.layers)[-1].output

    @property
    def params(self) -> int:
        return sum(layer.params for layer in self.layers)

    @property
    def cost(self) -> Cost:
        return add_up(self.layers)

    @property
    def macs(self) -> int | None:
        """None where nothing in it is counted."""
        return None if all(layer.cost is None for layer in self.layers) else self.cost.macs

    @property
    def flops(self) -> int | None:
        return None if all(layer.cost is None for layer in self.layers) else self.cost.flops


def _figures(part: Layer | Module) -> str:
    counted = "not counted" if part.macs is None else f"{part.macs:,} MACs"
    return f"{part.params:,} parameters, {counted}"


class ClassTotal(NamedTuple):
    """One class of work over the whole graph. ``flops`` is 2 per multiply-add, 1 per other."""

    name: str
    macs: int
    flops: int


class NotCounted(NamedTuple):
    """An operation that the table does not know."""

    op: str
    calls: int
    where: str
    shapes: tuple[Shape, ...]
    """Of the first call's inputs."""


@dataclass(frozen=True, repr=False)
class Profile(Record):
    """Everything static about one graph, in raw integers.

    >>> import archcalc
    >>> profile = archcalc.graph("inception-5x5").profile()
    >>> profile.macs, profile.params
    (120422400, 153632)
    >>> profile["b5.conv"].formula
    '(28×28×32)×(5×5×192) = 120,422,400'
    """

    graph: Graph
    layers: tuple[Layer, ...]
    """The executed nodes, in order."""
    cost: Cost
    convention: str
    """Whose total :attr:`convention_total` is."""

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def spec(self) -> str:
        return self.graph.spec

    @property
    def input(self) -> Shape:
        return self.graph.inputs[0].output.shape if self.graph.inputs else ()

    @property
    def output(self) -> Shape:
        return self.graph.output.shape if self.graph.outputs else ()

    @cached_property
    def params(self) -> int:
        """Learnable parameters, each once, executed or not."""
        return sum(weight.numel for weight in self.graph.weights)

    @cached_property
    def params_executed(self) -> int:
        """Parameters that this pass reads: without auxiliary heads in evaluation."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and matrix products."""
        return self.cost.macs

    @property
    def flops(self) -> int:
        """2 per multiply-add, and 1 for every other counted operation."""
        return self.cost.flops

    @cached_property
    def activations(self) -> int:
        """Elements in the outputs of convolutions, linear layers and matrix products (Radosavovic
        et al. 2020, section 3.3)."""
        return sum(
            value.numel
            for layer in self.layers
            if layer.kind in ("conv", "linear", "matmul")
            for value in layer.node.outputs
        )

    @cached_property
    def convention_total(self) -> ConventionTotal:
        """What the counter named by ``convention`` reports for this graph, step by step."""
        return total(self.graph, self.convention)

    @cached_property
    def weight_bytes(self) -> int:
        return sum(weight.nbytes for weight in self.graph.weights)

    @cached_property
    def memory(self) -> Memory:
        return memory(self.graph)

    @cached_property
    def receptive_fields(self) -> dict[str, Reach | Unknown]:
        """Of every node that runs forward: the field, or why it is unknown."""
        return receptive_fields(self.graph)

    @property
    def receptive_field(self) -> Reach | None:
        """Of the main output; None where it is unknown."""
        if not self.graph.outputs:
            return None
        source = self.graph.nodes[self.graph.output.source]
        return known(self.receptive_fields, source.name)

    @property
    def nodes_not_counted(self) -> tuple[Node, ...]:
        """The nodes whose operator the table does not know."""
        return tuple(layer.node for layer in self.layers if layer.cost is None)

    @cached_property
    def not_counted(self) -> tuple[NotCounted, ...]:
        """Operations without a formula, by operation and place."""
        found: dict[tuple[str, str], list[Node]] = {}
        for node in self.nodes_not_counted:
            found.setdefault((node.op, node.where), []).append(node)
        return tuple(
            NotCounted(op, len(nodes), where, tuple(value.shape for value in nodes[0].inputs))
            for (op, where), nodes in found.items()
        )

    @property
    def by_class(self) -> tuple[ClassTotal, ...]:
        """Work by class: multiply-adds by kind of operator, then every other class."""
        macs: dict[str, int] = {}
        for layer in self.layers:
            if layer.macs:
                macs[layer.kind] = macs.get(layer.kind, 0) + layer.macs
        rows = [ClassTotal(kind, count, 2 * count) for kind, count in macs.items()]
        others = zip(self.cost._fields[1:], self.cost[1:], strict=True)
        rows += [ClassTotal(field, 0, count) for field, count in others if count]
        return tuple(rows)

    @property
    def by_phase(self) -> tuple[Module, ...]:
        """Forward, and in a traced training step backward and optimizer: the layers of each."""
        groups: dict[str, list[Layer]] = {}
        for layer in self.layers:
            groups.setdefault(layer.node.phase, []).append(layer)
        return tuple(Module(phase, tuple(layers)) for phase, layers in groups.items())

    def modules(self, depth: int | None = None) -> tuple[Module, ...]:
        """The layers gathered by the first ``depth`` parts of their names, in order of first use;
        every layer by itself when ``depth`` is None."""
        groups: dict[str, list[Layer]] = {}
        for layer in self.layers:
            key = layer.name if depth is None else ".".join(layer.name.split(".")[:depth])
            groups.setdefault(key, []).append(layer)
        return tuple(Module(name, tuple(layers)) for name, layers in groups.items())

    @property
    def headline(self) -> str:
        return (
            f"{self.spec}: {len(self.layers)} layers, {self.params:,} parameters, "
            f"{self.macs:,} MACs"
        )

    def __getitem__(self, name: str) -> Module | Layer:
        """The layer of this name, or the total of the module. Raises UnknownLayerError with near
        matches."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        inside = tuple(layer for layer in self.layers if layer.name.startswith(f"{name}."))
        if inside:
            return Module(name, inside)
        raise UnknownLayerError(f"{self.spec} has no layer or module {name!r}{self._near(name)}")

    def _near(self, name: str) -> str:
        from difflib import get_close_matches

        known: dict[str, None] = {}
        for layer in self.layers:
            parts = layer.name.split(".")
            known |= dict.fromkeys(".".join(parts[: end + 1]) for end in range(len(parts)))
        near = get_close_matches(name, known, n=3)
        if near:
            return f"; did you mean {' or '.join(near)}?"
        return f"; it has {', '.join(list(known)[:8])}, ..."

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": layer.name,
                "op": layer.op,
                "input": layer.input,
                "output": layer.output,
                "params": layer.params,
                "macs": layer.macs,
                "flops": layer.flops,
                "formula": layer.formula or layer.reason,
                "bytes_read": layer.bytes_moved[0] if layer.bytes_moved else None,
                "bytes_written": layer.bytes_moved[1] if layer.bytes_moved else None,
            }
            for layer in self.layers
        ]


def profile(graph: Graph, *, convention: str = "paper") -> Profile:
    """Price every executed node of a graph, in its mode.

    ``convention`` names the counter whose total is given beside ours: ``paper``, ``torch``,
    ``fvcore``, ``torchinfo``. Raises UsageError for any other.
    """
    if convention not in CONVENTIONS:
        raise UsageError(f"unknown convention {convention!r}: one of {', '.join(CONVENTIONS)}")
    training = graph.training
    seen: set[str] = set()
    layers = []
    for node in graph.executed:
        operator = TABLE.get(node.op)
        cost = operator.cost(node, training) if operator is not None else None
        layers.append(Layer(node, _new_params(node.weights, seen), cost, training))
    return Profile(graph, tuple(layers), add_up(layers), convention)


def add_up(layers: Iterable[Layer]) -> Cost:
    """The counted work of some layers, class by class."""
    costs = [layer.cost for layer in layers if layer.cost is not None]
    return Cost(*map(sum, zip(*costs, strict=True))) if costs else Cost()


def _new_params(weights: tuple[Weight, ...], seen: set[str]) -> int:
    """Parameters of the weights that are not yet in ``seen``, which takes them in."""
    count = 0
    for weight in weights:
        if weight.name not in seen:
            seen.add(weight.name)
            count += weight.numel
    return count
