"""Maximum, average and adaptive pooling."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape
from archcalc.ops import counters
from archcalc.ops.gradient import adaptive_avg_pool_rule, pool_rule
from archcalc.ops.operator import Device, Saves, Work, channels_last, operator, require_channels
from archcalc.ops.window import (
    Sampling,
    Size,
    Slides,
    Window,
    adaptive_sampling,
    adaptive_window,
    each,
    pool_positions,
)


def pool_shape(inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes) -> Shape:
    x, kernel = inputs[0], attrs["kernel_size"]
    require_channels(x, len(kernel) + 2)
    dilation = attrs.get("dilation") or (1,) * len(kernel)
    positions = pool_positions(
        x[2:], kernel, attrs["stride"], attrs["padding"], dilation, attrs["ceil_mode"]
    )
    return (*x[:2], *positions)


def max_pool_work(node: Node, training: bool) -> Work:
    """K − 1 comparisons for the largest of K values. Windows at the border count in full."""
    window = prod(node.attrs["kernel_size"])
    return {"pooling": ((channels_last(node.outputs[0].shape), (window - 1,)),)}


def avg_pool_work(node: Node, training: bool) -> Work:
    """K − 1 additions and one division. Windows at the border count in full."""
    return {"pooling": ((channels_last(node.outputs[0].shape), node.attrs["kernel_size"]),)}


def adaptive_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x, size = inputs[0], attrs["output_size"]
    require_channels(x, len(size) + 2)
    if any(count < 1 for count in size):
        raise ShapeError(f"output_size {size} must be at least 1")
    return (*x[:2], *size)


def adaptive_work(node: Node, training: bool) -> Work:
    """Each window sums its values and divides once, which is one operation per value read."""
    n, channels, *positions = node.outputs[0].shape
    read = tuple(map(adaptive_window, node.inputs[0].shape[2:], positions))
    return {"pooling": ((read if n == 1 else (n, *read), (channels,)),)}


def pool_windows(node: Node) -> tuple[Window, ...]:
    """The window of each spatial dimension."""
    attrs = node.attrs
    kernel = attrs["kernel_size"]
    dilation = attrs.get("dilation") or (1,) * len(kernel)
    return tuple(map(Window, kernel, attrs["stride"], attrs["padding"], dilation))


def adaptive_windows(node: Node) -> tuple[Window | Sampling, ...]:
    """The windows of each spatial dimension. Their lengths differ if the output size does not
    divide the input size."""
    dims = len(node.attrs["output_size"])
    return tuple(
        Window(size, size) if count == 1 else adaptive_sampling(size, count)
        for size, count in zip(
            node.inputs[0].shape[-dims:], node.outputs[0].shape[-dims:], strict=True
        )
    )


def index_bytes(node: Node, training: bool, device: Device) -> int:
    """Bytes of the index of each maximum, which torch saves as int64."""
    return 8 * node.outputs[0].numel


def saved_by_average(node: Node) -> Saves:
    """torch computes a mean if the output is 1×1, and the gradient of a mean needs no input."""
    return "nothing" if all(size == 1 for size in node.outputs[0].shape[2:]) else "input"


class MaxPool:
    """``max_pool2d(x, 3, stride=2)``: as ``torch.nn.functional.max_pool2d`` over (N, C, *spatial).
    ``stride`` defaults to the kernel size. Raises ShapeError if a window does not fit."""

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.operator = operator(
            f"max_pool{dims}d",
            "pooling",
            formula="(outputs)×(K − 1) comparisons, for windows of K values",
            window=Slides(pool_windows, pools=True),
            counters=counters.MAX_POOL,
            pools="maximum",
            work=max_pool_work,
            shape=pool_shape,
            saves="input",
            layout="images",
            saves_also=index_bytes,
            backward=pool_rule("max_pool_backward"),
        )

    def __call__(
        self,
        x: Handle,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
        *,
        name: str = "max_pool",
    ) -> Handle:
        dims = self.dims
        attrs = {
            "kernel_size": each(kernel_size, dims),
            "stride": each(kernel_size if stride is None else stride, dims),
            "padding": each(padding, dims),
            "dilation": each(dilation, dims),
            "ceil_mode": ceil_mode,
        }
        return self.operator.apply(x, name=name, attrs=attrs)


class AvgPool:
    """``avg_pool2d(x, 8)``: as ``torch.nn.functional.avg_pool2d`` over (N, C, *spatial).

    ``count_include_pad`` changes the divisor at the border but not the count. Raises ShapeError if
    a window does not fit.
    """

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.operator = operator(
            f"avg_pool{dims}d",
            "pooling",
            formula="(outputs)×K: K − 1 additions and a division, for windows of K values",
            window=Slides(pool_windows, pools=True),
            counters=counters.AVG_POOL,
            pools="average",
            work=avg_pool_work,
            shape=pool_shape,
            saves="input",
            layout="images",
            backward=pool_rule("avg_pool_backward"),
        )

    def __call__(
        self,
        x: Handle,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        name: str = "avg_pool",
    ) -> Handle:
        dims = self.dims
        attrs = {
            "kernel_size": each(kernel_size, dims),
            "stride": each(kernel_size if stride is None else stride, dims),
            "padding": each(padding, dims),
            "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad,
        }
        return self.operator.apply(x, name=name, attrs=attrs)


POOLS = {"avg": "average", "max": "maximum"}
ADAPTIVE = {
    **{("max", dims): counters.MAX_POOL for dims in (1, 2, 3)},
    **{("avg", dims): counters.ADAPTIVE_AVG_POOL for dims in (1, 3)},
    ("avg", 2): counters.ADAPTIVE_AVG_POOL_2D,
}


class AdaptivePool:
    """``adaptive_avg_pool2d(x, 1)``: global average pooling at any input size, as
    ``torch.nn.AdaptiveAvgPool2d``. Raises ShapeError for an output size below 1."""

    def __init__(self, kind: str, dims: int) -> None:
        self.dims = dims
        self.default_name = f"adaptive_{kind}_pool"
        self.operator = operator(
            f"adaptive_{kind}_pool{dims}d",
            "pooling",
            formula="1 per value that a window reads",
            window=Slides(adaptive_windows, pools=True),
            counters=ADAPTIVE[kind, dims],
            pools=POOLS[kind],
            work=adaptive_work,
            shape=adaptive_shape,
            layout="images",
            saves="input" if kind == "max" else saved_by_average,
            saves_also=index_bytes if kind == "max" else None,
            backward=pool_rule("max_pool_backward") if kind == "max" else adaptive_avg_pool_rule,
        )

    def __call__(self, x: Handle, output_size: Size = 1, *, name: str = "") -> Handle:
        attrs = {"output_size": each(output_size, self.dims)}
        return self.operator.apply(x, name=name or self.default_name, attrs=attrs)


max_pool1d, max_pool2d, max_pool3d = MaxPool(1), MaxPool(2), MaxPool(3)
avg_pool1d, avg_pool2d, avg_pool3d = AvgPool(1), AvgPool(2), AvgPool(3)
adaptive_avg_pool1d = AdaptivePool("avg", 1)
adaptive_avg_pool2d = AdaptivePool("avg", 2)
adaptive_avg_pool3d = AdaptivePool("avg", 3)
adaptive_max_pool1d = AdaptivePool("max", 1)
adaptive_max_pool2d = AdaptivePool("max", 2)
adaptive_max_pool3d = AdaptivePool("max", 3)
