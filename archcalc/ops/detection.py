"""Operators of detectors: deformable convolutions, crops of regions, non-maximum suppression."""

from __future__ import annotations

from archcalc.graph import Node
from archcalc.ops import counters
from archcalc.ops.linear import real_macs
from archcalc.ops.operator import Work, channels_last, operator
from archcalc.ops.window import Untold

BILINEAR = 7
"""Operations per bilinear sample: 4 products and 3 sums."""


def deform_work(node: Node, training: bool) -> Work:
    """A convolution over sampled values: one bilinear sample per output position, position of the
    window and input channel. With a mask, each sample is scaled."""
    attrs = node.attrs
    (n, channels, *_), (_, _, *positions) = node.inputs[0].shape, node.outputs[0].shape
    out, window = channels_last(node.outputs[0].shape), attrs["kernel_size"]
    samples = channels_last((n, channels, *positions))
    work: Work = {
        "macs": ((*real_macs(node), out, (*window, channels // attrs["groups"])),),
        "elementwise": (((BILINEAR + attrs["use_mask"],), samples, window),),
    }
    # Without a bias, torchvision passes zeros, which are not a parameter.
    biased = any(len(weight.shape) == 1 for weight in node.weights)
    return {**work, "bias": ((out,),)} if biased else work


def deform_backward_work(node: Node, training: bool) -> Work:
    """Two products for the gradients of samples and weight. Per sample: 7 to recompute its value;
    for the input, a product and a sum at each of 4 positions; for the offset, 3 at each of them in
    both dimensions; and with a mask, 1 more for each gradient. The inputs are gradient, input,
    offset and mask."""
    attrs = node.attrs
    gradient, (n, channels, *_) = node.inputs[0].shape, node.inputs[1].shape
    out, window = channels_last(gradient), attrs["kernel_size"]
    samples = channels_last((n, channels, *gradient[2:]))
    each = BILINEAR + 4 * 2 + 2 * 4 * 3 + 3 * attrs["use_mask"]
    biased = any(len(weight.shape) == 1 for weight in node.weights)
    work: Work = {
        "macs": ((*real_macs(node), (2,), out, (*window, channels // attrs["groups"])),),
        "elementwise": (((each,), samples, window),),
    }
    return {**work, "bias": ((out,),)} if biased else work


def roi_backward_work(node: Node, training: bool) -> Work:
    """Each gradient is divided by its number of samples, and added, with a factor, to the four
    positions around each sample."""
    samples = (node.attrs["sampling_ratio"],) * 2
    return {"pooling": ((channels_last(node.inputs[0].shape), samples, (4 * 2 + 1,)),)}


def roi_work(node: Node, training: bool) -> Work:
    """Each output value is the mean of sampling_ratio² bilinear samples."""
    samples = (node.attrs["sampling_ratio"],) * 2
    return {"pooling": ((channels_last(node.outputs[0].shape), samples, (BILINEAR + 1,)),)}


def nms_work(node: Node, training: bool) -> Work:
    """Each pair of boxes once, as if no box were dropped: 4 extrema, 2 differences, 2 comparisons
    and a product for the intersection; 2 sums, a division and a comparison for the ratio. Also 3
    per box for its area, and a merge sort by score."""
    boxes = node.inputs[0].shape[0]
    sort = (max(boxes - 1, 0).bit_length() + 3,)
    return {"reduction": (((boxes * (boxes - 1) // 2,), (13,)), ((boxes,), sort))}


DEFORM_CONV2D = operator(
    "deform_conv2d",
    "conv",
    window=Untold("values"),
    counters=counters.DEFORM_CONV,
    formula="(H×W×C_out)×(K_h×K_w×C_in/groups) macs, and 7 per sampled value, 8 with a mask",
    work=deform_work,
    saves="inputs",
    weights_after=2,
)
operator(
    "deform_conv2d_backward",
    "conv",
    window=Untold("values"),
    counters=counters.UNKNOWN,
    formula="twice the forward's macs, and 39 per sampled value, 42 with a mask",
    work=deform_backward_work,
    saves="nothing",
    weights_after=3,
)
for _name in ("roi_align_backward", "ps_roi_align_backward"):
    operator(
        _name,
        "pooling",
        window=Untold("values"),
        counters=counters.NOTHING,
        formula="(gradients)×sampling_ratio²×9: a part for each of four positions",
        work=roi_backward_work,
        saves="nothing",
    )
operator(
    "roi_align",
    "pooling",
    window=Untold("values"),
    counters=counters.NOTHING,
    formula="(outputs)×sampling_ratio²×8: a bilinear sample, and the mean",
    work=roi_work,
    saves="input",
)
operator(
    "ps_roi_align",
    "pooling",
    window=Untold("values"),
    counters=counters.NOTHING,
    formula="(outputs)×sampling_ratio²×8: a bilinear sample, and the mean",
    work=roi_work,
    saves="input",
)
operator(
    "nms",
    "reduction",
    window=Untold("values"),
    counters=counters.NOTHING,
    formula="13 per pair of boxes, as if none were dropped; n×⌈log₂ n⌉ to sort, 3n for areas",
    work=nms_work,
    saves="nothing",
)
