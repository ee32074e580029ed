"""Element-wise sums, products and differences of two or more tensors."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.graph import Attributes, Handle, Node, Shape
from archcalc.ops import counters
from archcalc.ops.gradient import Rule, add_rule, mul_rule, sub_rule
from archcalc.ops.operator import Operator, Saves, Work, broadcast, extent, operator


def broadcast_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    return broadcast(inputs)


def pairwise_work(node: Node, training: bool) -> Work:
    """One operation per element for each input after the first, and one for a factor ``alpha``.

    The inputs are combined from left to right. An intermediate result has the broadcast shape of
    the inputs so far.
    """
    shapes = tuple([value.shape for value in node.inputs])
    last = extent(node.outputs[0].shape)
    joined = [extent(broadcast(shapes[:count])) for count in range(2, len(shapes))]
    sizes = [*joined, last, *([last] if node.attrs.get("alpha", 1) != 1 else [])]
    if all(size == last for size in sizes):
        return {"elementwise": (((len(sizes),), last) if len(sizes) != 1 else (last,),)}
    return {"elementwise": tuple([(size,) for size in sizes])}


def _pairwise(name: str, saves: Saves, backward: Rule, factor: str = "") -> Operator:
    return operator(
        name,
        "elementwise",
        window="pointwise",
        counters=counters.NOTHING,
        formula=f"1 per element for each input after the first{factor}",
        work=pairwise_work,
        shape=broadcast_shape,
        saves=saves,
        backward=backward,
    )


ALPHA = ", 1 for a factor alpha"
ADD = _pairwise("add", saves="nothing", backward=add_rule, factor=ALPHA)
SUB = _pairwise("sub", saves="nothing", backward=sub_rule, factor=ALPHA)
MUL = _pairwise("mul", saves="factors", backward=mul_rule)


def add(*xs: Handle, name: str = "add") -> Handle:
    """The sum, broadcast by torch's rule. Raises ShapeError if the shapes do not broadcast."""
    return ADD.apply(*xs, name=name)


def mul(*xs: Handle, name: str = "mul") -> Handle:
    """The product, broadcast by torch's rule: an SE block multiplies (N, C, H, W) by (N, C, 1, 1).
    Raises ShapeError if the shapes do not broadcast."""
    return MUL.apply(*xs, name=name)


def sub(a: Handle, b: Handle, *, name: str = "sub") -> Handle:
    """The difference, broadcast by torch's rule. Raises ShapeError if the shapes do not
    broadcast."""
    return SUB.apply(a, b, name=name)
