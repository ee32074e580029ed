"""How much of the input one output position sees.

The recursion of Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural
networks" (Distill): a window of k (dilation d) adds d·(k − 1) strides to the size, a stride
multiplies the stride, and padding moves the first window to the left.
"""

from __future__ import annotations

from typing import NamedTuple

from archcalc.graph import Graph, Node, Shape
from archcalc.ops import TABLE
from archcalc.ops.window import Padding


class Field(NamedTuple):
    """The window of one output position, a number for each spatial dimension."""

    size: Shape
    stride: Shape
    """Input pixels between neighbouring output positions."""
    offset: Shape
    """Where the first window starts; negative numbers lie in the padding."""
    is_global: bool = False
    """Every output position sees the whole input; the three numbers then mean nothing."""

    def __str__(self) -> str:
        return "global" if self.is_global else "×".join(map(str, self.size))


class Reach(NamedTuple):
    """The smallest and the largest field, which differ where branches of different windows meet."""

    smallest: Field
    largest: Field

    def __str__(self) -> str:
        if self.smallest == self.largest or str(self.smallest) == str(self.largest):
            return str(self.largest)
        return f"{self.smallest} to {self.largest}"


def receptive_fields(graph: Graph) -> dict[str, Reach]:
    """The reach of every executed node by name; nodes whose reach cannot be told are absent: those
    behind an operation that is not in the table, and graphs over something else than images."""
    reach: dict[tuple[int, int], Reach] = {}
    by_name: dict[str, Reach] = {}
    for node in graph.executed:
        found = _reach(node, reach) if node.phase == "forward" else None
        if found is None:
            continue
        by_name[node.name] = found
        for value in node.outputs:
            reach[value.source, value.port] = found
    return by_name


def _reach(node: Node, known: dict[tuple[int, int], Reach]) -> Reach | None:
    if node.op == "input":
        dims = len(node.output.shape) - 2
        if dims < 1:
            return None
        pixel = Field((1,) * dims, (1,) * dims, (0,) * dims)
        return Reach(pixel, pixel)
    if node.op not in TABLE or not node.inputs or node.op.startswith("conv_transpose"):
        return None
    inputs = [known.get((value.source, value.port)) for value in node.inputs]
    if any(found is None for found in inputs):
        return None
    before = _join([found for found in inputs if found is not None])
    if _sees_everything(node):
        return Reach(
            before.smallest._replace(is_global=True), before.largest._replace(is_global=True)
        )
    slid = window(node)
    if slid is None:
        return before
    return Reach(_through(before.smallest, *slid), _through(before.largest, *slid))


def _join(reaches: list[Reach]) -> Reach:
    def extent(field: Field) -> tuple[bool, Shape]:
        return field.is_global, field.size

    return Reach(
        min((reach.smallest for reach in reaches), key=extent),
        max((reach.largest for reach in reaches), key=extent),
    )


def _sees_everything(node: Node) -> bool:
    """Global pooling, under whatever name, and what mixes all positions after flattening."""
    before, after = node.inputs[0].shape, node.outputs[0].shape
    places = before[2:]
    if node.op.startswith("adaptive_"):
        return all(size == 1 for size in after[2:])
    if node.op in ("flatten", "reshape"):
        return len(after) < len(before) and any(size > 1 for size in places)
    if TABLE[node.op].kind == "matmul" or (TABLE[node.op].kind == "reduction" and len(before) > 2):
        return True
    slid = window(node)
    if slid is None or TABLE[node.op].kind != "pooling":
        return False
    return all(size == 1 for size in after[2:]) and all(
        span >= size for span, size in zip(slid[0], places, strict=True)
    )


Window = tuple[Shape, Shape, Shape]
"""Span (dilation included), stride and left padding."""


def window(node: Node) -> Window | None:
    """The window that a node slides over its input; None for those that have none."""
    attrs = node.attrs
    if node.op in ("conv1d", "conv2d", "conv3d"):
        kernel = node.weights[0].shape[2:]
        dilation: Shape = attrs["dilation"]
        span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        return span, attrs["stride"], _left(attrs["padding"], span)
    if node.op.startswith("adaptive_"):
        before, after = node.inputs[0].shape[2:], node.outputs[0].shape[2:]
        span = tuple(-(-size // count) for size, count in zip(before, after, strict=True))
        return span, span, (0,) * len(span)  # the largest of its windows
    if node.op.startswith(("max_pool", "avg_pool")):
        kernel = attrs["kernel_size"]
        dilation = attrs.get("dilation") or (1,) * len(kernel)
        span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        return span, attrs["stride"], _left(attrs["padding"], span)
    return None


def _left(padding: Padding, span: Shape) -> Shape:
    if padding == "same":
        return tuple((size - 1) // 2 for size in span)
    if isinstance(padding, tuple):
        return padding
    return (0,) * len(span)


def _through(field: Field, span: Shape, stride: Shape, left: Shape) -> Field:
    axes = range(len(span))
    return Field(
        tuple(field.size[i] + (span[i] - 1) * field.stride[i] for i in axes),
        tuple(field.stride[i] * stride[i] for i in axes),
        tuple(field.offset[i] - left[i] * field.stride[i] for i in axes),
        field.is_global,
    )
