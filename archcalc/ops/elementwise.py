"""Element by element over two or more tensors."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.graph import Attributes, Handle, Node, Shape
from archcalc.ops.operator import Operator, Work, broadcast, extent, operator


def broadcast_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    return broadcast(inputs)


def pairwise_work(node: Node, training: bool) -> Work:
    """One operation an element for each input after the first."""
    size = extent(node.outputs[0].shape)
    count = max(len(node.inputs) - 1, 1)
    return {"elementwise": (((count,), size) if count != 1 else (size,),)}


def _pairwise(name: str, saves: str) -> Operator:
    return operator(
        name,
        "elementwise",
        window="pointwise",
        formula="1 an element for each input after the first",
        work=pairwise_work,
        shape=broadcast_shape,
        saves=saves,
    )


ADD = _pairwise("add", saves="nothing")
MUL = _pairwise("mul", saves="factors")


def add(*xs: Handle, name: str = "add") -> Handle:
    """The sum, broadcast as torch does."""
    return ADD.apply(*xs, name=name)


def mul(*xs: Handle, name: str = "mul") -> Handle:
    """The product, broadcast as torch does: an SE block's scale is (N, C, H, W) by (N, C, 1, 1)."""
    return MUL.apply(*xs, name=name)
