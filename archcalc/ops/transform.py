"""Fourier transforms, interpolation and sampling. None of them has multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, numel, times
from archcalc.ops import counters
from archcalc.ops.counters import Counters
from archcalc.ops.gradient import rearrangement_rule
from archcalc.ops.operator import TABLE, Work, extent, operator, per_output
from archcalc.ops.window import (
    Positions,
    Sampling,
    Size,
    Slides,
    Untold,
    antialiased_sampling,
    each,
    nearest_sampling,
    resized_sampling,
)


def upsample_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    """The shape after resizing to ``size``, or by ``scale_factor``."""
    n, channels, *places = inputs[0]
    sizes = attrs["size"]
    if sizes is None:
        sizes = tuple(
            [size * factor for size, factor in zip(places, attrs["scale_factor"], strict=True)]
        )
    if any(size < 1 for size in sizes):
        raise ShapeError(f"cannot resize {times(inputs[0])} to {sizes}")
    return (n, channels, *sizes)


def fft_work(node: Node, training: bool) -> Work:
    """5·n·⌈log₂ n⌉ real operations for a complex transform of length n (Cooley and Tukey, radix 2),
    and half as many if the input or the output is real."""
    shape = max(node.inputs[0].shape, node.outputs[0].shape, key=numel)
    lengths = [shape[dim] for dim in node.attrs["dim"]]
    stages = sum(max(length - 1, 0).bit_length() for length in lengths)
    both = node.inputs[0].dtype.startswith("complex") and node.outputs[0].dtype.startswith(
        "complex"
    )
    total = 5 * prod(shape) * stages
    return {"elementwise": (((total if both else -(-total // 2),),),)}


def resized(taps: int) -> Slides:
    """The windows of an interpolation between ``taps`` positions per dimension; 1 means nearest."""

    def windows(node: Node) -> tuple[Sampling, ...]:
        attrs = node.attrs
        before, after = node.inputs[0].shape[2:], node.outputs[0].shape[2:]

        def sampling(size: int, count: int, scale: float | None) -> Sampling:
            if taps == 1:
                return nearest_sampling(size, count, attrs.get("exact", False), scale)
            spread = antialiased_sampling if attrs.get("antialias") else resized_sampling
            return spread(size, count, taps, attrs.get("align_corners", False), scale)

        return tuple(map(sampling, before, after, scales(attrs, len(before))))

    return Slides(windows)


def scales(attrs: Attributes, dims: int) -> tuple[float | None, ...]:
    """The scale factors that the caller passed, under the names of torch's dispatcher."""
    names = {1: ("scales",), 2: ("scales_h", "scales_w"), 3: ("scales_d", "scales_h", "scales_w")}
    return tuple([attrs.get(name) for name in names[dims]])


def interpolation(
    *names: str, per_output_element: int, why: str, window: Positions, seen: Counters
) -> None:
    for name in names:
        operator(
            name,
            "elementwise",
            window=window,
            counters=seen,
            formula=f"{per_output_element} per element: {why}",
            work=per_output("elementwise", per_output_element),
            shape=upsample_shape,
            saves="nothing",
            layout="images",
            backward=rearrangement_rule("upsample_backward"),
        )


def pairwise_distance_work(node: Node, training: bool) -> Work:
    """Subtract, square and add: 3 operations per feature of each pair."""
    return {"reduction": (((3,), extent(node.outputs[0].shape), (node.inputs[0].shape[-1],)),)}


def grid_sample_work(node: Node, training: bool) -> Work:
    """Each output value is a weighted sum of the positions around it, two per dimension or, with
    bicubic, four. Nearest only copies."""
    dims = len(node.inputs[0].shape) - 2
    mode = node.attrs["interpolation_mode"]
    if mode == NEAREST:
        return {}
    places = 4**dims if mode == BICUBIC else 2**dims
    return {"elementwise": (((2 * places - 1,), extent(node.outputs[0].shape)),)}


def grid_sample_backward_work(node: Node, training: bool) -> Work:
    """Per value of the gradient and position that it was sampled from: a product and a sum for the
    gradient of the input; two products and a sum per dimension for the gradient of the grid."""
    dims = len(node.inputs[1].shape) - 2
    mode = node.attrs["interpolation_mode"]
    of_input, of_grid = node.attrs["output_mask"]
    places = {NEAREST: 1, BICUBIC: 4**dims}.get(mode, 2**dims)
    each = 2 * bool(of_input) + 3 * dims * (bool(of_grid) and mode != NEAREST)
    return {"elementwise": (((each, places), extent(node.inputs[0].shape)),)} if each else {}


LINEAR, NEAREST, BICUBIC = 0, 1, 2
"""Values of aten's ``interpolation_mode``."""


operator(
    "fft",
    "elementwise",
    window=Untold("transform"),
    counters=counters.NOTHING,
    formula="5×n×⌈log₂ n⌉ real operations per transform of length n, half for real input or output",
    work=fft_work,
    saves="nothing",
)
operator(
    "pairwise_distance",
    "reduction",
    window=Untold("layout"),
    counters=counters.NOTHING,
    formula="3 per feature of each pair",
    work=pairwise_distance_work,
    saves="inputs",
)
operator(
    "upsample_nearest",
    "movement",
    window=resized(1),
    counters=counters.NEAREST,
    free="copies the nearest value, no arithmetic",
    shape=upsample_shape,
    saves="nothing",
    backward=rearrangement_rule("upsample_backward"),
)
interpolation(
    "upsample_linear",
    window=resized(2),
    seen=counters.upsample("linear", 5),
    per_output_element=3,
    why="two products and a sum",
)
interpolation(
    "upsample_bilinear",
    window=resized(2),
    seen=counters.BILINEAR,
    per_output_element=7,
    why="4 products, 3 sums",
)
interpolation(
    "upsample_bicubic",
    window=resized(4),
    seen=counters.upsample("bicubic", 259),
    per_output_element=31,
    why="16 products, 15 sums",
)
interpolation(
    "upsample_trilinear",
    window=resized(2),
    seen=counters.upsample("trilinear", 31),
    per_output_element=15,
    why="8 products, 7 sums",
)
operator(
    "grid_sample",
    "elementwise",
    window=Untold("values"),
    counters=counters.GRID_SAMPLE,
    formula="2×positions − 1 per element: 4 positions in 2D, 8 in 3D, 16 for bicubic",
    work=grid_sample_work,
    free="nearest copies a value, no arithmetic",
    saves="inputs",
)
operator(
    "grid_sample_backward",
    "elementwise",
    window=Untold("values"),
    counters=counters.NOTHING,
    formula="2 per position for the input's gradient, 3 per position and dimension for the grid's",
    work=grid_sample_backward_work,
    free="no gradient is requested",
    saves="nothing",
)
operator(
    "affine_grid",
    "elementwise",
    window=Untold("values"),
    counters=counters.NOTHING,
    formula="4 per element: two products, two sums",
    work=per_output("elementwise", 4),
    saves="nothing",
)

MODES: Mapping[str, int] = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
"""The number of spatial dimensions of each interpolation mode. "nearest" works with any."""


def interpolate(
    x: Handle,
    size: Size | None = None,
    scale_factor: Size | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    *,
    name: str = "interpolate",
) -> Handle:
    """As ``torch.nn.Upsample``: resize (N, C, *spatial) to ``size``, or by an integer
    ``scale_factor``. Counted per output element: nearest 0, linear 3, bilinear 7, trilinear 15,
    bicubic 31.

    Raises ShapeError unless exactly one of ``size`` and ``scale_factor`` is given, and for a mode
    that does not fit the number of dimensions.
    """
    dims = len(x.shape) - 2
    if (size is None) == (scale_factor is None):
        raise ShapeError(f"{name}: give either size or scale_factor")
    if mode != "nearest" and MODES.get(mode) != dims:
        raise ShapeError(f"{name}: mode {mode!r} does not fit {dims} spatial dimensions")
    attrs = {
        "size": None if size is None else each(size, dims),
        "scale_factor": None if scale_factor is None else each(scale_factor, dims),
        "align_corners": align_corners,
    }
    return TABLE[f"upsample_{mode}"].apply(x, name=name, attrs=attrs)
