"""The Graph: the record that every part of archcalc reads.

Declared architectures build a graph through :class:`Handle`; the tracer builds one by running a
module. A graph is plain data (strings, integers, tuples). It contains no costs and no formatting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from archcalc.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from archcalc.analysis.profile import Profile

Shape = tuple[int, ...]
"""A tensor's size as torch writes it: ``(N, C, H, W)`` for images."""

Phase = Literal["forward", "backward", "optimizer"]


class Value(NamedTuple):
    """One tensor: its shape and dtype, and the node that produces it."""

    shape: Shape
    dtype: str
    source: int
    """Index in ``Graph.nodes`` of the node that produces this tensor."""
    port: int = 0
    """Index among the outputs of that node."""

    @property
    def numel(self) -> int:
        return numel(self.shape)

    @property
    def nbytes(self) -> int:
        return nbytes(numel(self.shape), self.dtype)


class Weight(NamedTuple):
    """One learnable parameter. Nodes that share a parameter use the same name."""

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def numel(self) -> int:
        return numel(self.shape)

    @property
    def nbytes(self) -> int:
        return nbytes(numel(self.shape), self.dtype)


class Attributes(dict[str, Any]):
    """A node's settings under torch's names. Read-only."""

    __slots__ = ()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a node's attributes are read-only")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Attributes], tuple[dict[str, Any]]]:
        return Attributes, (dict(self),)


class Node(NamedTuple):
    """One call of one operator."""

    name: str
    """Dotted, as the paper names its modules: ``inception_3a.b5.reduce.conv``."""
    op: str
    """The operator's name in the table. An operation whose name is not in the table is not
    counted."""
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attrs: Attributes
    weights: tuple[Weight, ...] = ()
    training_only: bool = False
    """Whether the node runs only in training, as auxiliary heads do."""
    phase: Phase = "forward"
    where: str = ""
    """The line of the user's code that made the call, if the tracer knows it."""

    @property
    def output(self) -> Value:
        return self.outputs[0]

    @property
    def params(self) -> int:
        return sum(weight.numel for weight in self.weights)


class Maker(NamedTuple):
    """The layer of torch.nn whose call produced a node."""

    family: str
    """The file of torch.nn that defines the layer: "conv", "batchnorm", "activation"; or "tensor"
    if a tensor method did the work."""
    exact: bool
    """Whether the layer is an instance of torch's own class, not of a derived one."""


@dataclass(frozen=True, slots=False, repr=False)
class Graph:
    """Nodes in topological order, the outputs by name, and the mode.

    >>> import archcalc
    >>> graph = archcalc.graph("nin")
    >>> graph
    <Graph nin: 1×3×32×32 -> 1×10, 25 nodes>
    >>> graph["mlpconv1.conv"].weights[0].shape
    (192, 3, 5, 5)
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Value]
    """The main output comes first. The others are further outputs, or run only in training."""
    training: bool = False
    unused: tuple[Weight, ...] = ()
    """Parameters of the model that no node of this graph reads."""
    spec: str = ""
    """The specification that named the model, with its options: ``nin,head=fc``."""
    notes: tuple[str, ...] = field(default=())
    """Sentences about the numbers that reports print below them."""
    lifetimes: Mapping[tuple[int, int], int] = field(default_factory=dict, compare=False)
    """For a value (node, port), the index of the last node that ran while Python still held a
    reference to the tensor. Known only if the tracer itself kept no tensor alive."""
    made_by: Mapping[str, Maker] | None = field(default=None, compare=False)
    """For a traced graph, the layer that produced each node, by the node's name. Nodes produced
    outside any layer are missing. None for a declared graph, where every operator is a layer."""
    declared: bool = False
    """Whether four-dimensional tensors are images, (N, C, H, W). Unknown for a traced graph."""

    @cached_property
    def executed(self) -> tuple[Node, ...]:
        """The nodes that run in this mode, in order. Evaluation is only a forward pass."""
        if self.training:
            return self.nodes
        return tuple(
            node for node in self.nodes if not node.training_only and node.phase == "forward"
        )

    @property
    def forward(self) -> Graph:
        """The forward pass of a training step, in the same mode. Any other graph is returned
        unchanged."""
        nodes = tuple(node for node in self.nodes if node.phase == "forward")
        return self if len(nodes) == len(self.nodes) else replace(self, nodes=nodes)

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.op == "input")

    @property
    def output(self) -> Value:
        """The main output."""
        return next(iter(self.outputs.values()))

    @cached_property
    def weights(self) -> tuple[Weight, ...]:
        """Every parameter once, whether a node reads it or not."""
        by_name = {weight.name: weight for node in self.nodes for weight in node.weights}
        by_name.update((weight.name, weight) for weight in self.unused)
        return tuple(by_name.values())

    def train(self, mode: bool = True) -> Graph:
        """The same graph in training mode, with auxiliary heads and active dropout."""
        return self if mode == self.training else replace(self, training=mode)

    def eval(self) -> Graph:
        """The same graph in evaluation mode."""
        return self.train(False)

    def to(self, dtype: str) -> Graph:
        """The graph with its floating-point weights and tensors in another dtype, as with
        ``module.to``. ``dtype`` is any of :data:`DTYPES`, such as ``int8``, ``int4`` or ``mxfp4``.

        The operations stay the same; bytes and bit operations follow the dtype. Integer tensors,
        such as indices, keep theirs. Raises UsageError for an unknown dtype.

        >>> import archcalc
        >>> graph = archcalc.graph("nin")
        >>> graph.profile().weight_bytes, graph.to("int4").profile().weight_bytes
        (3867944, 483493)
        """
        if dtype not in DTYPES:
            raise UsageError(f"unknown dtype {dtype!r}: one of {', '.join(DTYPES)}")

        def value(found: Value) -> Value:
            return found._replace(dtype=dtype) if DTYPES[found.dtype].floating else found

        def weight(found: Weight) -> Weight:
            return found._replace(dtype=dtype) if DTYPES[found.dtype].floating else found

        nodes = tuple(
            node._replace(
                inputs=tuple(map(value, node.inputs)),
                outputs=tuple(map(value, node.outputs)),
                weights=tuple(map(weight, node.weights)),
            )
            for node in self.nodes
        )
        unused = tuple(map(weight, self.unused))
        if nodes == self.nodes and unused == self.unused:
            return self
        outputs = {name: value(found) for name, found in self.outputs.items()}
        return replace(self, nodes=nodes, outputs=outputs, unused=unused)

    def profile(self, convention: str = "paper") -> Profile:
        """All counts of the graph. Short for :func:`archcalc.profile`."""
        # Imported on demand: analysis imports this module.
        from archcalc.analysis.profile import profile

        return profile(self, convention=convention)

    def __getitem__(self, name: str) -> Node:
        """The node with this name. Raises KeyError."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        given = ", ".join(times(node.output.shape) for node in self.inputs)
        got = times(self.output.shape) if self.outputs else "nothing"
        mode = ", training mode" if self.training else ""
        return f"<Graph {self.name}: {given} -> {got}, {len(self.nodes)} nodes{mode}>"


class Handle:
    """The shape of a tensor in a network that is being declared.

    Definitions are functions over handles. They take the number of input channels from the handle,
    so they work for any input. The operators of ``archcalc.ops`` take and return handles.
    """

    __slots__ = ("builder", "training_only", "value")

    def __init__(self, builder: Builder, value: Value, training_only: bool = False) -> None:
        self.builder = builder
        self.value = value
        self.training_only = training_only

    @property
    def shape(self) -> Shape:
        return self.value.shape

    @property
    def channels(self) -> int:
        """The number of channels: C of (N, C, ...)."""
        return self.value.shape[1]

    def scope(self, name: str) -> Scope:
        """``with x.scope("b5"):`` prefixes the names of the nodes inside with ``b5.``."""
        return Scope(self.builder, name)

    def in_training_only(self) -> Handle:
        """The same tensor. Nodes built on the result run only in training, as auxiliary heads
        do."""
        return Handle(self.builder, self.value, training_only=True)

    def __repr__(self) -> str:
        return f"<Handle {times(self.shape)}>"


class Builder:
    """Collects the nodes of one declared network."""

    __slots__ = ("nodes", "prefix", "taken")

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.prefix = ""
        self.taken: dict[str, int] = {}

    def input(self, shape: Shape, name: str = "input", dtype: str = "float32") -> Handle:
        value = Value(shape, dtype, len(self.nodes))
        self.nodes.append(Node(self.unique(name), "input", (), (value,), Attributes()))
        return Handle(self, value)

    def unique(self, name: str) -> str:
        """The full dotted name. Repeated names in a scope are numbered from 2: relu, relu_2."""
        full = self.prefix + name
        taken = self.taken
        if full not in taken:
            taken[full] = 1
            return full
        number = taken[full] + 1
        while f"{full}_{number}" in taken:  # a definition already uses the numbered name
            number += 1
        taken[full] = number
        taken[f"{full}_{number}"] = 1
        return f"{full}_{number}"

    def add(
        self,
        op: str,
        inputs: tuple[Handle, ...],
        shape: Shape,
        attrs: Attributes,
        weights: Mapping[str, Shape],
        name: str,
        dtype: str,
        training_only: bool = False,
    ) -> Handle:
        """Append the node and return the handle of its output. ``name`` must be unique. A weight
        without its own key gets the name of the node."""
        value = Value(shape, dtype, len(self.nodes))
        for handle in inputs:
            training_only = training_only or handle.training_only
        self.nodes.append(
            Node(
                name,
                op,
                tuple([handle.value for handle in inputs]),
                (value,),
                attrs,
                tuple(
                    [
                        Weight(f"{name}.{key}" if key else name, size)
                        for key, size in weights.items()
                    ]
                ),
                training_only,
            )
        )
        return Handle(self, value, training_only)

    def finish(
        self,
        name: str,
        outputs: Mapping[str, Handle],
        *,
        training: bool = False,
        spec: str = "",
    ) -> Graph:
        values = {key: handle.value for key, handle in outputs.items()}
        return Graph(name, tuple(self.nodes), values, training, spec=spec or name, declared=True)


class Scope:
    """The ``with`` block that :meth:`Handle.scope` opens."""

    __slots__ = ("builder", "name", "outer")

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name = name

    def __enter__(self) -> None:
        builder = self.builder
        self.outer = builder.prefix
        if self.name:
            builder.prefix = f"{self.outer}{self.name}."

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.builder.prefix = self.outer


class DType(NamedTuple):
    """How the elements of a tensor are stored."""

    bits: int
    """Bits per element, without the scales."""
    block: int = 0
    """Number of elements that share a scale; 0 without scales."""
    scale_bits: int = 0
    floating: bool = False
    """Whether :meth:`Graph.to` converts tensors of this dtype."""


DTYPES: Mapping[str, DType] = {
    "bool": DType(8),
    **{f"int{bits}": DType(bits) for bits in (*range(1, 9), 16, 32, 64)},
    **{f"uint{bits}": DType(bits) for bits in (*range(1, 9), 16, 32, 64)},
    "float4": DType(4, floating=True),
    "float8": DType(8, floating=True),
    "bfloat16": DType(16, floating=True),
    "float16": DType(16, floating=True),
    "float32": DType(32, floating=True),
    "float64": DType(64, floating=True),
    "complex32": DType(32),
    "complex64": DType(64),
    "complex128": DType(128),
    # OCP Microscaling Formats 1.0: an 8-bit scale per 32 elements.
    "mxfp8": DType(8, 32, 8, floating=True),
    "mxfp6": DType(6, 32, 8, floating=True),
    "mxfp4": DType(4, 32, 8, floating=True),
    # NVIDIA's format: a float8 scale per 16 elements.
    "nvfp4": DType(4, 16, 8, floating=True),
}
"""torch's dtypes, and formats whose blocks share a scale. Elements smaller than a byte are
packed."""


def nbytes(elements: int, dtype: str) -> int:
    """Bytes of ``elements`` packed elements and of their scales, each rounded up to whole bytes.

    >>> nbytes(1000, "float32"), nbytes(3, "int4"), nbytes(64, "mxfp4")
    (4000, 2, 34)
    """
    bits, block, scale_bits, _ = DTYPES[dtype]
    found = elements * (bits // 8) if bits % 8 == 0 else (elements * bits + 7) // 8
    if not block:
        return found
    scales = (elements + block - 1) // block
    return found + (scales * scale_bits + 7) // 8


def numel(shape: Shape) -> int:
    """Number of elements of a tensor of this shape; 1 for a scalar."""
    return prod(shape)


def times(shape: Shape) -> str:
    """``(28, 28, 192)`` as ``28×28×192``."""
    return "×".join(map(str, shape)) if shape else "scalar"
