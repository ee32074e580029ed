"""Batch, layer and group normalisation, and AlexNet's local response normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, nbytes, numel
from archcalc.ops import counters
from archcalc.ops.gradient import local_response_norm_rule, norm_rule
from archcalc.ops.operator import Device, Work, extent, operator
from archcalc.ops.window import Mixes


def batch_norm_work(node: Node, training: bool) -> Work:
    """Per element in evaluation: a multiplication and an addition, with folded constants. Training
    adds the mean (1) and the variance (3: subtract, square, add) of the batch."""
    count = 6 if node.attrs.get("training", training) else 2
    return {"norm": (((count,), extent(node.outputs[0].shape)),)}


def statistics_work(node: Node, training: bool) -> Work:
    """Per element: 1 for the mean, 3 for the variance, 2 to subtract and scale, and 2 more with
    learnable weight and bias."""
    count = 8 if node.weights else 6
    return {"norm": (((count,), extent(node.outputs[0].shape)),)}


def local_response_work(node: Node, training: bool) -> Work:
    """Per element: its square, size − 1 additions, alpha, k, a power and a division."""
    count = node.attrs["size"] + 4
    return {"norm": (((count,), extent(node.outputs[0].shape)),)}


def backward_work(element: int, weights_only: int) -> Callable[[Node, bool], Work]:
    """Work of ``element`` operations per element of the gradient, which is the first input, or of
    ``weights_only`` if only the gradients of the weights are requested."""

    def work(node: Node, training: bool) -> Work:
        count = element if node.attrs.get("output_mask", (True,))[0] else weights_only
        return {"norm": (((count,), extent(node.inputs[0].shape)),)}

    return work


def layer_norm_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    wanted = attrs["normalized_shape"]
    if inputs[0][-len(wanted) :] != wanted:
        raise ShapeError(f"normalized_shape {wanted} is not the end of {inputs[0]}")
    return inputs[0]


def group_norm_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    if inputs[0][1] % attrs["num_groups"]:
        raise ShapeError(
            f"num_groups={attrs['num_groups']} must divide the {inputs[0][1]} channels"
        )
    return inputs[0]


def normalized_dims(node: Node) -> tuple[int, ...]:
    """The last dimensions, which ``normalized_shape`` covers."""
    return tuple(range(-len(node.attrs["normalized_shape"]), 0))


def all_but_the_batch(node: Node) -> tuple[int, ...]:
    """All dimensions but the first: statistics cover the channels of a group and every position."""
    return tuple(range(1, len(node.inputs[0].shape)))


def batch_statistics(node: Node, training: bool, device: Device) -> int:
    """Bytes of the mean and the standard deviation of each channel over the batch."""
    if not node.attrs.get("training", training):
        return 0
    return nbytes(2 * node.outputs[0].shape[1], node.outputs[0].dtype)


def layer_statistics(node: Node, training: bool, device: Device) -> int:
    """Bytes of the mean and the standard deviation of each row."""
    normalized: Shape = node.attrs["normalized_shape"]
    return 2 * (node.outputs[0].nbytes // numel(normalized))


def group_statistics(node: Node, training: bool, device: Device) -> int:
    """Bytes of the mean and the standard deviation of each group."""
    statistics = 2 * node.outputs[0].shape[0] * int(node.attrs["num_groups"])
    return nbytes(statistics, node.outputs[0].dtype)


def local_response_steps(node: Node, training: bool, device: Device) -> int:
    """Bytes of the padded squares, their sums and the power: torch computes LRN in these steps."""
    n, channels, *places = node.outputs[0].shape
    padded = n * (channels + int(node.attrs["size"]) - 1) * numel(tuple(places))
    return nbytes(padded, node.outputs[0].dtype) + 2 * node.outputs[0].nbytes


BATCH_NORM = operator(
    "batch_norm",
    "norm",
    window="pointwise",
    counters=counters.norm("BatchNorm", weighted=2, batch_statistics=True),
    normalises="batch",
    formula="2 per element in evaluation (scale and shift), 6 in training",
    work=batch_norm_work,
    saves="input",
    saves_also=batch_statistics,
    backward=norm_rule("batch_norm_backward"),
    weights_after=1,
)
LAYER_NORM = operator(
    "layer_norm",
    "norm",
    layout="contiguous",
    window=Mixes(normalized_dims, keeps=True),
    counters=counters.norm("LayerNorm", weighted=1),
    normalises="sample",
    formula="8 per element, 6 without weight and bias",
    work=statistics_work,
    shape=layer_norm_shape,
    saves="input",
    saves_also=layer_statistics,
    backward=norm_rule("layer_norm_backward"),
    weights_after=1,
)
GROUP_NORM = operator(
    "group_norm",
    "norm",
    window=Mixes(all_but_the_batch, keeps=True),
    counters=counters.norm("GroupNorm", weighted=2),
    normalises="sample",
    formula="8 per element, 6 without weight and bias",
    work=statistics_work,
    shape=group_norm_shape,
    saves="input",
    saves_also=group_statistics,
    backward=norm_rule("group_norm_backward"),
    weights_after=1,
)
LOCAL_RESPONSE_NORM = operator(
    "local_response_norm",
    "norm",
    window=Mixes(lambda node: (1,), keeps=True),
    counters=counters.LOCAL_RESPONSE,
    formula="size + 4 per element",
    work=local_response_work,
    saves="input",
    saves_also=local_response_steps,
    backward=local_response_norm_rule,
)
operator(
    "batch_norm_backward",
    "norm",
    window="pointwise",
    counters=counters.NOTHING,
    formula="9 per element: renormalise 2, two sums 3, combine 4; 5 for only the weights",
    work=backward_work(9, weights_only=5),
    saves="nothing",
    weights_after=2,
)
for _name in ("layer_norm_backward", "group_norm_backward", "rms_norm_backward"):
    operator(
        _name,
        "norm",
        window="pointwise",
        counters=counters.NOTHING,
        formula="11 per element: renormalise 2, two sums 4, combine 5; 5 for only the weights",
        work=backward_work(11, weights_only=5),
        saves="nothing",
        weights_after=None if _name == "rms_norm_backward" else 2,
    )


def batch_norm(
    x: Handle, eps: float = 1e-5, affine: bool = True, *, name: str = "batch_norm"
) -> Handle:
    """As ``torch.nn.BatchNorm2d`` over (N, C, ...). Running statistics are not parameters."""
    return BATCH_NORM.apply(x, name=name, attrs={"eps": eps}, weights=_affine(x.channels, affine))


def layer_norm(
    x: Handle,
    normalized_shape: int | Shape,
    eps: float = 1e-5,
    affine: bool = True,
    *,
    name: str = "layer_norm",
) -> Handle:
    """As ``torch.nn.LayerNorm`` over the last dimensions. Raises ShapeError if they are not
    ``normalized_shape``."""
    size = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    weights = {"weight": size, "bias": size} if affine else {}
    return LAYER_NORM.apply(
        x, name=name, attrs={"normalized_shape": size, "eps": eps}, weights=weights
    )


def group_norm(
    x: Handle,
    num_groups: int,
    eps: float = 1e-5,
    affine: bool = True,
    *,
    name: str = "group_norm",
) -> Handle:
    """As ``torch.nn.GroupNorm`` over (N, C, ...). Raises ShapeError if ``num_groups`` does not
    divide C."""
    return GROUP_NORM.apply(
        x,
        name=name,
        attrs={"num_groups": num_groups, "eps": eps},
        weights=_affine(x.channels, affine),
    )


def local_response_norm(
    x: Handle,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    name: str = "local_response_norm",
) -> Handle:
    """As ``torch.nn.LocalResponseNorm`` over (N, C, ...). torch divides alpha by ``size``;
    Krizhevsky et al. 2012, section 3.3, do not."""
    attrs = {"size": size, "alpha": alpha, "beta": beta, "k": k}
    return LOCAL_RESPONSE_NORM.apply(x, name=name, attrs=attrs)


def _affine(channels: int, affine: bool) -> dict[str, Shape]:
    return {"weight": (channels,), "bias": (channels,)} if affine else {}
