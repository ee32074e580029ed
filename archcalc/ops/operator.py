"""The operator table: the shapes, parameters, work and memory traffic of each operation.

Declared and traced graphs are both counted with it. The file of each family (``conv.py``,
``pooling.py``, ...) declares its operators with :func:`operator`, together with the functions over
handles that definitions call.

Every operation is in one of three states:

* counted: ``work`` returns its sums;
* free: ``work`` returns nothing, and ``free`` gives the reason;
* not counted: its name is not in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from archcalc.errors import DefinitionError, ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, numel
from archcalc.ops.counters import Counters
from archcalc.ops.window import Positions

if TYPE_CHECKING:
    from archcalc.ops.gradient import Rule

Kind = Literal[
    "input",
    "conv",
    "linear",
    "matmul",
    "norm",
    "activation",
    "pooling",
    "elementwise",
    "reduction",
    "movement",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

Saves = Literal[
    "nothing",
    "input",
    "inputs",
    "output",
    "input and output",
    "inputs and output",
    "attention by products",
    "others",
    "factors",
    "divisors",
    "rows",
    "matrices",
]
"""What autograd saves of a call, apart from weights. With ``input``, an in-place call saves a copy.
``others``: the inputs after the first (a mask, indices). ``factors``: each operand, if another one
needs a gradient. ``divisors``: the same for a quotient. ``rows``: the input of a linear layer,
copied if its layout is not that of one matrix. ``matrices``: the factors of a matrix product,
copied if they are not laid out as one batch of matrices."""

Device = Literal["cpu", "cuda"]
"""The device that a network runs on: some kernels save other tensors on a GPU."""

Term = tuple[Shape, ...]
"""A product of bracketed factors: ``((28, 28, 32), (5, 5, 192))`` is (28×28×32)×(5×5×192)."""

Work = Mapping[str, tuple[Term, ...]]
"""For each field of :class:`Cost`, a sum of terms. Both the number and its text derive from it."""

Layout = Literal["like its input", "contiguous", "images"]
"""``images``: channels last if the input is, else contiguous."""

ShapeRule = Callable[[tuple[Shape, ...], Mapping[str, Shape], Attributes], Shape]


class Cost(NamedTuple):
    """Arithmetic by class: multiply-adds, and single operations of every other class."""

    macs: int = 0
    """Multiply-adds of convolutions, linear layers and matrix products."""
    bias: int = 0
    """Additions of a bias: one per output element."""
    norm: int = 0
    activation: int = 0
    pooling: int = 0
    elementwise: int = 0
    reduction: int = 0

    @property
    def flops(self) -> int:
        """2 per multiply-add, and 1 per other counted operation."""
        return self.macs + sum(self)

    def plus(self, other: Cost) -> Cost:
        return Cost(*map(int.__add__, self, other))


def no_work(node: Node, training: bool) -> Work:
    return {}


def same_shape(inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes) -> Shape:
    return inputs[0]


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table."""

    name: str
    """torch's name of the operation: that of the function in ``torch.nn.functional``, if there is
    one."""
    kind: Kind
    window: Positions
    """How output positions map to input positions, for the receptive field."""
    counters: Counters
    """The rules of the other counters."""
    saves: Saves | Callable[[Node], Saves]
    """Which tensors autograd saves for the backward pass, apart from weights."""
    formula: str = ""
    """The counted work in symbols, for documentation."""
    work: Callable[[Node, bool], Work] = no_work
    """(node, training) -> sums by class of cost."""
    shape: ShapeRule = same_shape
    """(input shapes, weight shapes, attributes) -> output shape. Raises ShapeError."""
    free: str = ""
    """The reason why nothing is counted, if ``work`` returns nothing."""
    view: bool = False
    """Whether the output shares the storage of the first input, so that no byte moves."""
    evaluates: bool = True
    """Whether it computes anything in evaluation mode. Dropout, for example, is the identity
    there."""
    pools: Literal["", "average", "maximum"] = ""
    """Whether it reduces a window of positions to one number, as a pool does."""
    normalises: Literal["", "batch", "sample"] = ""
    """The scope of the mean that it subtracts. Over the batch, a preceding bias has no effect, and
    in evaluation the operator can be folded into a convolution. The other scope is one sample."""
    by_group: bool = False
    """Whether each group of rows has a matrix of its own, as the tokens of each expert do."""
    chooses: bool = False
    """Whether it returns the ``k`` largest values, as the router of a mixture of experts does."""
    rectifies: bool = False
    """Whether no output is below 0, and no gradient flows where the output is 0."""
    transposed: bool = False
    """Whether its weight has the input channels in the first dimension."""
    saves_in_place: Saves | None = None
    """``saves`` of an in-place call, if torch then computes the gradient from other tensors."""
    saves_also: Callable[[Node, bool, Device], int] | None = None
    """(node, training, device) -> further bytes that autograd saves: the indices of a pool, the
    statistics of a norm, a mask."""
    layout: Layout = "like its input"
    """The memory layout of the output, if it is not a view of the input."""
    backward: Rule | None = None
    """The operations of its backward pass, for operators that declared networks can use."""
    weights_after: int | None = None
    """The number of tensor arguments before those that are usually parameters; None if it has no
    parameters."""
    weights_together: bool = False
    """Whether the work depends on the parameters' shapes. A node then has all parameters as weights
    or, if one of them is computed, all of them as inputs."""
    identity: Callable[[Node, bool], bool] | None = None
    """(node, training) -> whether the call returns its input unchanged."""
    stops_gradient: bool = False
    """Whether it stops gradients."""
    copies_if: Literal["", "not a view", "not contiguous"] = ""
    """When the operator copies instead of returning a view."""
    reads: Callable[[Node], int] | None = None
    """Bytes read, if not all inputs and weights are read once."""

    def cost(self, node: Node, training: bool = False) -> Cost:
        """The counted work of a node, in integers."""
        work = self.work(node, training)
        if len(work) == 1 and "macs" in work:
            return Cost(total(work["macs"]))
        return Cost(**{name: total(terms) for name, terms in work.items()})

    def bytes_moved(self, node: Node, training: bool = False) -> tuple[int, int]:
        """Bytes (read, written): inputs and weights once, outputs once."""
        if self.passes_through(node, training):
            return 0, 0
        if self.reads is not None:
            read = self.reads(node)
        else:
            read = sum(value.nbytes for value in node.inputs)
            read += sum(weight.nbytes for weight in node.weights)
        return read, sum(value.nbytes for value in node.outputs)

    def passes_through(self, node: Node, training: bool) -> bool:
        """Whether the output shares the input's storage: a view, or dropout in evaluation."""
        if self.view or not (self.evaluates or node.attrs.get("training", training)):
            return True
        return self.identity is not None and self.identity(node, training)

    def apply(
        self,
        *inputs: Handle,
        name: str,
        attrs: Mapping[str, Any] | None = None,
        weights: Mapping[str, Shape] | None = None,
        dtype: str = "",
    ) -> Handle:
        """Add a call of this operator to the network of ``inputs``. Raises DefinitionError if the
        operator cannot take their shapes."""
        first = inputs[0]
        builder = first.builder
        full_name = builder.unique(name)
        given = Attributes(attrs or {})
        sizes = weights or {}
        try:
            shape = self.shape(tuple([handle.value.shape for handle in inputs]), sizes, given)
        except ShapeError as error:
            partial = builder.finish("", {"output": first})
            head = " (in a head that runs only in training)" if first.training_only else ""
            raise DefinitionError(f"{full_name}: {error}{head}", full_name, partial) from None
        return builder.add(
            self.name, inputs, shape, given, sizes, full_name, dtype or first.value.dtype
        )


TABLE: dict[str, Operator] = {}
"""Every operator by name."""


def operator(
    name: str,
    kind: Kind,
    *,
    window: Positions,
    counters: Counters,
    saves: Saves | Callable[[Node], Saves],
    **fields: Any,
) -> Operator:
    """Declare an operator. Raises ValueError for an inconsistent row."""
    row = Operator(name, kind, window, counters, saves, **fields)
    if name in TABLE:
        raise ValueError(f"operator {name!r} is declared twice")
    if kind not in KINDS:
        raise ValueError(f"operator {name!r}: kind {kind!r} is not one of {', '.join(KINDS)}")
    if (row.work is no_work) == bool(row.formula):
        raise ValueError(f"operator {name!r}: give work and its formula together")
    if not row.formula and not row.free:
        raise ValueError(
            f"operator {name!r}: give work and a formula, or the reason why it is free"
        )
    if row.weights_together and row.weights_after is None:
        raise ValueError(f"operator {name!r}: weights_together needs weights_after")
    TABLE[name] = row
    return row


def total(terms: tuple[Term, ...]) -> int:
    """The value of a sum of products.

    >>> total((((28, 28, 32), (5, 5, 192)),))
    120422400
    """
    return sum(prod(chain.from_iterable(term)) for term in terms)


def working(terms: tuple[Term, ...]) -> str:
    """The same sum as text, in the notation of the Inception paper.

    >>> working((((28, 28, 32), (5, 5, 192)),))
    '(28×28×32)×(5×5×192)'
    """
    return " + ".join("×".join(map(_bracketed, term)) for term in terms)


def _bracketed(factor: Shape) -> str:
    text = "×".join(map(str, factor))
    return f"({text})" if len(factor) > 1 else text


def extent(shape: Shape) -> Shape:
    """A tensor's sizes as the papers write them: H×W×C, with the batch in front if it is not 1.

    >>> extent((1, 192, 28, 28)), extent((8, 192, 28, 28)), extent((1, 1000))
    ((28, 28, 192), (8, 28, 28, 192), (1000,))
    """
    if len(shape) >= 4:
        return channels_last(shape)
    if len(shape) > 1 and shape[0] == 1:
        return shape[1:]
    return shape or (1,)


def channels_last(shape: Shape) -> Shape:
    """(N, C, *spatial) as (*spatial, C), with the batch in front if it is not 1."""
    moved = (*shape[2:], shape[1])
    return moved if shape[0] == 1 else (shape[0], *moved)


def per_output(field: str, count: int = 1) -> Callable[[Node, bool], Work]:
    """Work of ``count`` operations per output element, in one class."""

    def work(node: Node, training: bool) -> Work:
        size = extent(node.outputs[0].shape)
        return {field: (((count,), size) if count != 1 else (size,),)}

    return work


def broadcast(shapes: tuple[Shape, ...]) -> Shape:
    """The common shape of an element-wise operation, by torch's rule. Raises ShapeError."""
    rank = max(map(len, shapes))
    result = []
    for axis in range(-rank, 0):
        common = 1
        for shape in shapes:
            if len(shape) < -axis:
                continue
            size = shape[axis]
            if _is_one(size) or _is_one(common):
                common = size if _is_one(common) else common
            elif size != common and size != 1:
                if common != 1:
                    given = " and ".join("×".join(map(str, shape)) for shape in shapes)
                    raise ShapeError(f"{given} do not broadcast (N×C×H×W)")
                common = size
        result.append(common)
    return tuple(result)


def _is_one(size: int) -> bool:
    """Whether a size is the number 1 and not a symbolic size with that value. The check records no
    guard."""
    return type(size) is int and size == 1


def operands(node: Node, given: int = 1) -> tuple[Shape, ...]:
    """Shapes of weight, bias and so on: the node's parameters or, if one of them is computed
    (weight standardisation, a hypernetwork), the inputs after the first ``given``."""
    if node.weights:
        return tuple([weight.shape for weight in node.weights])
    return tuple([value.shape for value in node.inputs[given:]])


def require_channels(shape: Shape, rank: int) -> None:
    """Raise ShapeError unless the shape is (N, C, ...) with ``rank`` dimensions."""
    if len(shape) != rank:
        got = "×".join(map(str, shape))
        raise ShapeError(f"expected {rank} dimensions (N, C, ...), got {got}")


def elements(shapes: tuple[Shape, ...]) -> int:
    return sum(map(numel, shapes))
