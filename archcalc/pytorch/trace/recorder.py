"""Record which call made which tensor, and in which module.

The recorder does not know costs. It keeps one tuple per call while the model runs. It makes the
Graph's nodes at the end, when it knows which modules made a single call and can name their nodes.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from archcalc.graph import Attributes, Graph, Maker, Node, Phase, Shape, Value, Weight
from archcalc.pytorch.trace.symbols import SIZES

EMPTY = Attributes()
INPLACE = Attributes(inplace=True)
MADE = Attributes(made=True)
"""Marks a constant that the run creates: its memory is not part of the model."""
METHOD = Maker("tensor", False)
SOURCES = frozenset(("input", "constant", "parameter"))

DTYPE_NAME: dict[torch.dtype, str] = {
    dtype: name
    for name, dtype in vars(torch).items()
    if isinstance(dtype, torch.dtype) and name == str(dtype).removeprefix("torch.")
}
"""Maps ``torch.float32`` to ``"float32"``."""
DTYPE_NAME.update({dtype: "float8" for dtype, name in DTYPE_NAME.items() if "float8" in name})
DTYPE_NAME.update({torch.quint8: "uint8", torch.qint8: "int8", torch.qint32: "int32"})

_run = count()


class Scope:
    """One call of one module."""

    __slots__ = ("calls", "leaf", "maker", "path")

    def __init__(self, path: str, leaf: bool, maker: Maker | None = None) -> None:
        self.path = path
        self.leaf = leaf
        self.maker = maker
        self.calls = 0
        """Tensor operations that this call of the module made itself, excluding sources."""


class Record(NamedTuple):
    scope: Scope
    name: str
    """The last part of the node's name, or the whole name of a source."""
    op: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attrs: Attributes
    weights: tuple[Weight, ...]
    phase: Phase
    where: str


class Recorder:
    """Collects the calls of one run."""

    def __init__(self, by_storage: bool = False, lifetimes: bool = False) -> None:
        self.lifetimes = lifetimes
        """Whether to record lifetimes: only if the run itself keeps no tensor alive."""
        self.records: list[Record] = []
        self.scope = Scope("", True)
        self.phase: Phase = "forward"
        self.notes: list[str] = []
        # A tensor that the run makes carries its Value in an attribute. This keeps nothing alive
        # and is safe when an address is reused. The model's own tensors are not written to; they
        # are known by their id().
        self.key = f"_archcalc_value_{next(_run)}"
        self.known: dict[int, Value] = {}
        self.weights: dict[int, Weight] = {}
        self.buffers: dict[int, str] = {}
        self.alive: list[object] = []
        """Keeps the tensors of the ids above alive."""
        self.methods: set[int] = set()
        """Indices of calls of a tensor method that has a torch.nn.functional equivalent."""
        self.deaths: dict[tuple[int, int], int] = {}
        """Index of the last call recorded before Python freed the value's tensor."""
        self.watched: list[weakref.ref[Tensor]] = []
        self.storages: dict[int, Value] | None = {} if by_storage else None
        """The last Value in each storage, for runs in which autograd wraps storages again."""

    # -- the model's own tensors

    def add_parameters(self, named: Mapping[str, Tensor | None], prefix: str) -> None:
        """Add the parameters of one module. A shared parameter keeps its first name."""
        weights = self.weights
        for name, parameter in named.items():
            if parameter is not None and id(parameter) not in weights:
                dtype = DTYPE_NAME[parameter.dtype]
                weights[id(parameter)] = Weight(prefix + name, tuple(parameter.shape), dtype)
                self.alive.append(parameter)

    def add_buffers(self, named: Mapping[str, Tensor | None], prefix: str) -> None:
        for name, buffer in named.items():
            if buffer is not None:
                self.buffers.setdefault(id(buffer), prefix + name)
                self.alive.append(buffer)

    def weight_of(self, tensor: Tensor) -> Weight | None:
        return self.weights.get(id(tensor))

    # -- values

    def value(self, tensor: Tensor) -> Value:
        """Return the Value of a tensor. A tensor that no call made becomes a source node."""
        found: Value | None = getattr(tensor, self.key, None)
        if found is not None:
            return found
        found = self.known.get(id(tensor))
        if found is not None:
            return found
        weight = self.weights.get(id(tensor))
        kin = self.kin(tensor) if weight is None else None
        if kin is not None:
            return kin._replace(shape=shape_of(tensor), dtype=dtype_name(tensor))
        return self.source(tensor, weight)

    def kin(self, tensor: Tensor) -> Value | None:
        """Return the last Value in a tensor's storage, if the run made that storage."""
        if self.storages is None or tensor.layout is not torch.strided:
            return None
        return self.storages.get(tensor.untyped_storage()._cdata)

    def source(self, tensor: Tensor, weight: Weight | None) -> Value:
        """Make the node of a directly used parameter, of a buffer, or of a constant."""
        if weight is None and isinstance(tensor, torch.nn.Parameter):
            # Its module is in a list or a closure, where torch does not find it.
            weight = Weight(f"parameter_{len(self.weights)}", tuple(tensor.shape))
            self.weights[id(tensor)] = weight
        outputs = ((shape_of(tensor), dtype_name(tensor)),)
        if weight is not None:
            value = self.append(weight.name, "parameter", (), outputs, (weight,))[0]
        else:
            name = self.buffers.get(id(tensor)) or _joined(self.scope.path, "constant")
            attrs = MADE if getattr(tensor, "_archcalc_made", False) else EMPTY
            value = self.append(name, "constant", (), outputs, attrs=attrs)[0]
        self.known[id(tensor)] = value
        self.alive.append(tensor)
        return value

    def bind(self, tensor: Tensor, value: Value) -> None:
        """Set the current Value of ``tensor``."""
        if id(tensor) in self.known:
            self.known[id(tensor)] = value
        else:
            setattr(tensor, self.key, value)
            if self.lifetimes:
                self.watch(tensor, value)
        if self.storages is not None:
            self.alive.append(tensor)
            if tensor.layout is torch.strided:  # a sparse tensor has no storage of its own
                self.storages[tensor.untyped_storage()._cdata] = value

    def watch(self, tensor: Tensor, value: Value) -> None:
        """Record when the tensor is freed."""
        place, deaths, records = (value.source, value.port), self.deaths, self.records

        def died(_: object) -> None:
            deaths[place] = len(records) - 1

        self.watched.append(weakref.ref(tensor, died))

    # -- calls

    def append(
        self,
        name: str,
        op: str,
        inputs: tuple[Value, ...],
        outputs: Sequence[tuple[Shape, str]],
        weights: tuple[Weight, ...] = (),
        attrs: Attributes = EMPTY,
        where: str = "",
    ) -> tuple[Value, ...]:
        """Record one call and return its output values."""
        index = len(self.records)
        values = tuple(
            [Value(shape, dtype, index, port) for port, (shape, dtype) in enumerate(outputs)]
        )
        scope = self.scope
        if op not in SOURCES and self.phase == "forward":
            scope.calls += 1
        self.records.append(
            Record(scope, name, op, inputs, values, attrs, weights, self.phase, where)
        )
        return values

    def input(self, tensor: Tensor, name: str) -> None:
        """Record a tensor that the caller passes to the model."""
        outputs = ((shape_of(tensor), dtype_name(tensor)),)
        self.bind(tensor, self.append(name, "input", (), outputs)[0])

    def forget(self, mark: int) -> None:
        """Drop the records from ``mark`` on: the call failed halfway."""
        for record in self.records[mark:]:
            record.scope.calls -= record.op not in SOURCES and record.phase == "forward"
        del self.records[mark:]
        for key in [key for key, value in self.known.items() if value.source >= mark]:
            del self.known[key]

    # -- the end

    def finish(
        self, name: str, outputs: Mapping[str, Value], *, training: bool, complete: bool = True
    ) -> Graph:
        """Return the Graph of the recorded calls."""
        taken: dict[str, int] = {}
        nodes = []
        made_by = {}
        for index, record in enumerate(self.records):
            full = record.name
            if record.op not in SOURCES:
                scope = record.scope
                sole = scope.leaf and scope.calls == 1 and scope.path and record.phase == "forward"
                full = scope.path if sole else _joined(scope.path, full)
            seen = taken.get(full, 0) + 1
            taken[full] = seen
            if seen > 1:
                full = f"{full}_{seen}"
            maker = METHOD if index in self.methods else record.scope.maker
            if maker is not None and record.phase == "forward":
                made_by[full] = maker
            nodes.append(
                Node(
                    full,
                    record.op,
                    record.inputs,
                    record.outputs,
                    record.attrs,
                    record.weights,
                    phase=record.phase,
                    where=record.where,
                )
            )
        read = {weight.name for node in nodes for weight in node.weights}
        unused = tuple({each: None for each in self.weights.values() if each.name not in read})
        notes = tuple(self.notes)
        lifetimes = {}
        if self.lifetimes:
            last = len(nodes)
            values = [value for node in nodes for value in node.outputs]
            lifetimes = {
                (value.source, value.port): self.deaths.get((value.source, value.port), last)
                for value in values
            }
        return Graph(
            name,
            tuple(nodes),
            dict(outputs),
            training,
            unused,
            spec=name,
            notes=notes,
            lifetimes=lifetimes,
            made_by=made_by,
        )


def shape_of(tensor: Tensor) -> Shape:
    """Return the sizes of a tensor without a Value, as expressions where they are symbolic."""
    found: Shape | None = getattr(tensor, SIZES, None)
    return tuple(tensor.shape) if found is None else found


def dtype_name(tensor: Tensor) -> str:
    return DTYPE_NAME[tensor.dtype]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def tensors_in(tree: Any) -> list[Tensor]:
    """Return the tensors of a nested structure, in order."""
    if isinstance(tree, Tensor):  # a shortcut for the usual case
        return [tree]
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
