"""Convolutions, plain and transposed, in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape
from archcalc.ops import counters
from archcalc.ops.gradient import conv_rule
from archcalc.ops.linear import real_macs
from archcalc.ops.operator import (
    Saves,
    Term,
    Work,
    channels_last,
    operands,
    operator,
    require_channels,
)
from archcalc.ops.window import (
    Padding,
    Sampling,
    Size,
    Slides,
    Untold,
    Window,
    conv_positions,
    each,
    transposed_positions,
    transposed_sampling,
)


def conv_shape(inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes) -> Shape:
    x, weight, groups = inputs[0], weights["weight"], attrs["groups"]
    require_channels(x, len(weight))
    if weight[1] * groups != x[1] or weight[0] % groups:
        raise ShapeError(
            f"groups={groups} must divide both the {x[1]} input and the {weight[0]} output channels"
        )
    positions = conv_positions(
        x[2:], weight[2:], attrs["stride"], attrs["padding"], attrs["dilation"]
    )
    return (x[0], weight[0], *positions)


def conv_work(node: Node, training: bool) -> Work:
    """Each output value is a dot product over the window and the channels of its group."""
    weight, *bias = operands(node)
    out = channels_last(node.outputs[0].shape)
    macs = ((*real_macs(node), out, (*weight[2:], weight[1])),)
    if not bias:
        return {"macs": macs}
    return {"macs": macs, "bias": ((out,),)}


def conv_windows(node: Node) -> tuple[Window, ...]:
    """The window of each spatial dimension. The weight's shape gives the kernel size."""
    attrs, kernel = node.attrs, operands(node)[0][2:]
    padding, dilation = attrs["padding"], attrs["dilation"]
    if padding == "same":
        padding = tuple([d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)])
    elif padding == "valid":
        padding = (0,) * len(kernel)
    return tuple(map(Window, kernel, attrs["stride"], padding, dilation))


def transposed_windows(node: Node) -> tuple[Sampling, ...]:
    attrs, kernel = node.attrs, operands(node)[0][2:]
    return tuple(
        map(transposed_sampling, kernel, attrs["stride"], attrs["padding"], attrs["dilation"])
    )


def transposed_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x, weight, groups = inputs[0], weights["weight"], attrs["groups"]
    require_channels(x, len(weight))
    if weight[0] != x[1] or x[1] % groups:
        raise ShapeError(f"groups={groups} must divide the {x[1]} input channels")
    positions = transposed_positions(
        x[2:],
        weight[2:],
        attrs["stride"],
        attrs["padding"],
        attrs["output_padding"],
        attrs["dilation"],
    )
    return (x[0], weight[1] * groups, *positions)


def transposed_work(node: Node, training: bool) -> Work:
    """Each input value is multiplied with the window and the output channels of its group, even if
    ``padding`` later crops the product."""
    weight, *bias = operands(node)
    macs = ((*real_macs(node), channels_last(node.inputs[0].shape), (*weight[2:], weight[1])),)
    if not bias:
        return {"macs": macs}
    return {"macs": macs, "bias": ((channels_last(node.outputs[0].shape),),)}


def backward_work(node: Node, training: bool) -> Work:
    """The requested gradients of input and weight, each as expensive as the forward pass. The
    inputs are gradient and input, then the weight if it is computed."""
    gradient, given = node.inputs[0].shape, node.inputs[1].shape
    weight = operands(node, given=2)[0]
    swept = given if node.attrs["transposed"] else gradient
    count = sum(node.attrs["output_mask"][:2])
    work: dict[str, tuple[Term, ...]] = {
        "macs": ((*real_macs(node), (count,), channels_last(swept), (*weight[2:], weight[1])),)
    }
    if node.attrs["output_mask"][2]:
        work["bias"] = ((channels_last(gradient),),)
    return work


def input_and_computed_weight(node: Node) -> Saves:
    """Autograd saves the input, and the weight as well if the network computes it."""
    return "input" if node.weights else "inputs"


def require_positive(out_channels: int, groups: int, name: str) -> None:
    if out_channels < 1 or groups < 1:
        raise ShapeError(
            f"{name}: out_channels={out_channels} and groups={groups} must be at least 1"
        )


class Convolution:
    """``conv2d(x, 64, 3, padding=1)``: as ``torch.nn.Conv2d`` over (N, C, *spatial). ``x`` gives
    the number of input channels. One instance per number of spatial dimensions.

    Raises ShapeError if ``x`` has another rank or is smaller than the window, and if ``groups``
    does not divide the channels.
    """

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.operator = operator(
            f"conv{dims}d",
            "conv",
            formula=f"({PLACE[dims]}×C_out)×({WINDOW[dims]}×C_in/groups) macs, "
            f"{PLACE[dims]}×C_out with a bias",
            window=Slides(conv_windows, over_channels=True),
            counters=counters.CONV,
            work=conv_work,
            shape=conv_shape,
            saves=input_and_computed_weight,
            layout="images",
            backward=conv_rule,
            weights_after=1,
            weights_together=True,
        )

    def __call__(
        self,
        x: Handle,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        name: str = "conv",
    ) -> Handle:
        dims = self.dims
        require_positive(out_channels, groups, name)
        weights = {"weight": (out_channels, x.channels // groups, *each(kernel_size, dims))}
        if bias:
            weights["bias"] = (out_channels,)
        attrs = {
            "stride": each(stride, dims),
            "padding": padding if isinstance(padding, str) else each(padding, dims),
            "dilation": each(dilation, dims),
            "groups": groups,
        }
        return self.operator.apply(x, name=name, attrs=attrs, weights=weights)


class TransposedConvolution:
    """``conv_transpose2d(x, 64, 2, stride=2)``: as ``torch.nn.ConvTranspose2d`` over
    (N, C, *spatial). Raises ShapeError for settings that do not fit the shape of ``x``."""

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.operator = operator(
            f"conv_transpose{dims}d",
            "conv",
            formula=f"({PLACE[dims]}×C_in of the input)×({WINDOW[dims]}×C_out/groups) macs, "
            f"{PLACE[dims]}×C_out with a bias",
            window=Slides(transposed_windows, over_channels=True),
            counters=counters.CONV_TRANSPOSE,
            transposed=True,
            work=transposed_work,
            shape=transposed_shape,
            saves=input_and_computed_weight,
            layout="images",
            backward=conv_rule,
            weights_after=1,
            weights_together=True,
        )

    def __call__(
        self,
        x: Handle,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        *,
        name: str = "conv_transpose",
    ) -> Handle:
        dims = self.dims
        require_positive(out_channels, groups, name)
        weights = {"weight": (x.channels, out_channels // groups, *each(kernel_size, dims))}
        if bias:
            weights["bias"] = (out_channels,)
        attrs = {
            "stride": each(stride, dims),
            "padding": each(padding, dims),
            "output_padding": each(output_padding, dims),
            "dilation": each(dilation, dims),
            "groups": groups,
        }
        return self.operator.apply(x, name=name, attrs=attrs, weights=weights)


PLACE = {1: "L", 2: "H×W", 3: "D×H×W"}
WINDOW = {1: "K", 2: "K_h×K_w", 3: "K_d×K_h×K_w"}

CONV_BACKWARD = operator(
    "conv_backward",
    "conv",
    window=Untold("windows"),
    counters=counters.UNSEEN,
    formula="the forward's macs for the input's gradient, and again for the weight's",
    work=backward_work,
    saves="nothing",
    weights_after=2,
    weights_together=True,
)

conv1d, conv2d, conv3d = Convolution(1), Convolution(2), Convolution(3)
conv_transpose1d = TransposedConvolution(1)
conv_transpose2d = TransposedConvolution(2)
conv_transpose3d = TransposedConvolution(3)
