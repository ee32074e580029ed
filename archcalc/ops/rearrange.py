"""Operators of traced models that move values without computing, beyond ``concat``, ``flatten`` and
``reshape``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Shape, times
from archcalc.ops import counters
from archcalc.ops.gradient import Rule, expand_rule, pad_rule, parameter_rule, rearrangement_rule
from archcalc.ops.movement import A_VIEW
from archcalc.ops.operator import TABLE, Saves, ShapeRule, operator, same_shape
from archcalc.ops.window import Positions, Untold


def pad_shape(inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes) -> Shape:
    """The padded shape. ``pad`` has two numbers per dimension and starts with the last one."""
    x, pad = inputs[0], attrs["pad"]
    if len(pad) % 2 or len(pad) > 2 * len(x):
        raise ShapeError(f"pad {pad} is not two numbers for each of up to {len(x)} dimensions")
    sizes = list(x)
    for pair in range(len(pad) // 2):
        sizes[-1 - pair] += pad[2 * pair] + pad[2 * pair + 1]
    if any(size < 1 for size in sizes):
        raise ShapeError(f"pad {pad} removes all of {times(x)}")
    return tuple(sizes)


def shuffled_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    if inputs[0][1] % attrs["groups"]:
        raise ShapeError(f"groups={attrs['groups']} must divide the {inputs[0][1]} channels")
    return inputs[0]


def depth_to_space_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    n, channels, height, width = inputs[0]
    factor = attrs["upscale_factor"]
    if channels % (factor * factor):
        raise ShapeError(
            f"upscale_factor {factor} needs {channels} channels to be a multiple of "
            f"{factor * factor}"
        )
    return (n, channels // (factor * factor), height * factor, width * factor)


def space_to_depth_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    n, channels, height, width = inputs[0]
    factor = attrs["downscale_factor"]
    if height % factor or width % factor:
        raise ShapeError(f"downscale_factor {factor} must divide the {height}×{width} map")
    return (n, channels * factor * factor, height // factor, width // factor)


def expand_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x, like = inputs
    if x[0] != 1 or not like:
        raise ShapeError(f"only a first dimension of 1 can be expanded; got {times(x)}")
    return (like[0], *x[1:])


def views(*names: str, window: Positions) -> None:
    for name in names:
        operator(
            name,
            "movement",
            window=window,
            counters=counters.NOTHING,
            free=A_VIEW,
            saves="nothing",
            view=True,
        )


def copies(
    *names: str,
    window: Positions,
    why: str = "copies values, no arithmetic",
    shape: ShapeRule = same_shape,
    saves: Saves = "nothing",
    backward: Rule | None = None,
    **fields: Any,
) -> None:
    """Declare operators that move values. Autograd keeps nothing of a move but its indices."""
    for name in names:
        operator(
            name,
            "movement",
            window=window,
            counters=counters.NOTHING,
            free=why,
            shape=shape,
            saves=saves,
            backward=backward,
            **fields,
        )


operator(
    "parameter",
    "input",
    window="source",
    counters=counters.NOTHING,
    free="a weight that the model reads directly",
    saves="nothing",
    backward=parameter_rule,
)
operator(
    "constant",
    "input",
    window="source",
    counters=counters.NOTHING,
    free="a buffer or a constant of the model",
    saves="nothing",
)

operator(
    "expand",
    "movement",
    window="expand",
    counters=counters.NOTHING,
    free=A_VIEW,
    view=True,
    shape=expand_shape,
    saves="nothing",
    backward=expand_rule,
)
operator(
    "detach",
    "movement",
    window="pointwise",
    counters=counters.NOTHING,
    free=A_VIEW,
    saves="nothing",
    view=True,
    stops_gradient=True,
)
views("real", "imag", "conj", window="pointwise")
views("unbind", window="unbind")
views("split", window="split")
views("unfold", window=Untold("windows"))
views("diagonal", "view_as_real", "view_as_complex", "as_strided", window=Untold("layout"))
copies("pad", window="pad", shape=pad_shape, backward=pad_rule)
copies(
    "channel_shuffle",
    window="channel_shuffle",
    shape=shuffled_shape,
    backward=rearrangement_rule("channel_shuffle"),
)
copies(
    "pixel_shuffle",
    window="pixel_shuffle",
    shape=depth_to_space_shape,
    backward=rearrangement_rule("pixel_unshuffle"),
)
copies(
    "pixel_unshuffle",
    window="pixel_unshuffle",
    shape=space_to_depth_shape,
    backward=rearrangement_rule("pixel_shuffle"),
)
copies("stack", window="stack")
copies("clone", "copy", "tril", "triu", window="pointwise")
copies("roll", window=Untold("wraps"))
copies("flip", "rot90", window=Untold("order"))
copies("im2col", "col2im", window=Untold("windows"))
copies("repeat", "repeat_interleave", "tile", "diag", window=Untold("layout"))
copies("block_diag", "diag_embed", "meshgrid", "setitem", window=Untold("layout"))
copies("max_unpool2d", window=Untold("values"))
copies(
    "contiguous",
    window="pointwise",
    copies_if="not contiguous",
    layout="contiguous",
    why="copies if the layout requires it, no arithmetic",
)
copies("to", window="pointwise", why="another dtype or device, no arithmetic")
copies(
    *("gather", "index", "index_select", "take", "take_along_dim"),
    window=Untold("values"),
    saves="others",
    layout="contiguous",
    why="a look-up",
)
copies(
    "scatter",
    "masked_select",
    "index_put",
    "index_fill",
    "index_copy",
    "masked_scatter",
    window=Untold("values"),
    saves="others",
    why="a look-up",
)
copies("slice_backward", "select_backward", window=Untold("layout"))
copies(
    *("random", "multinomial", "randperm"),
    window="source",
    why="random numbers are not arithmetic",
)
copies("fill", "zero", "arange", window="source", why="constants, no arithmetic")
copies("pack_padded_sequence", "pad_packed_sequence", window=Untold("sequence"))
copies("one_hot", window=Untold("layout"))
copies("assert", "sym_size", window="source", why="no arithmetic on the values")


def parameter(
    x: Handle, shape: Sequence[int], *, fill: float = 0.0, std: float = 0.0, name: str
) -> Handle:
    """A weight that the network reads directly: a class token, a position embedding, layer scale.

    ``x`` is any tensor of the network. The parameter has its dtype, and is read only in training if
    ``x`` is computed only there. Training starts from ``fill`` plus normal noise with standard
    deviation ``std``.
    """
    builder, size = x.builder, tuple(shape)
    attrs = Attributes(fill=fill, std=std)
    name = builder.unique(name)
    return builder.add(
        "parameter", (), size, attrs, {"": size}, name, x.value.dtype, x.training_only
    )


def expand(x: Handle, like: Handle, *, name: str = "expand") -> Handle:
    """A view that repeats ``x``, whose first dimension is 1, for each image of ``like``. Raises
    ShapeError if the first dimension of ``x`` is not 1."""
    return TABLE["expand"].apply(x, like, name=name)


def pad(
    x: Handle, pad: Sequence[int], mode: str = "constant", value: float = 0.0, *, name: str = "pad"
) -> Handle:
    """As ``torch.nn.functional.pad`` with ``(left, right, top, bottom)``. A negative number crops.
    Raises ShapeError if nothing would be left."""
    return TABLE["pad"].apply(x, name=name, attrs={"pad": tuple(pad), "mode": mode, "value": value})


def channel_shuffle(x: Handle, groups: int, *, name: str = "channel_shuffle") -> Handle:
    """As ``torch.nn.ChannelShuffle``: channel j of group i becomes channel i of group j. Raises
    ShapeError if ``groups`` does not divide the channels."""
    return TABLE["channel_shuffle"].apply(x, name=name, attrs={"groups": groups})


def pixel_shuffle(x: Handle, upscale_factor: int, *, name: str = "pixel_shuffle") -> Handle:
    """As ``torch.nn.PixelShuffle``, depth to space: (N, C·r², H, W) to (N, C, H·r, W·r). Raises
    ShapeError if r² does not divide the channels."""
    return TABLE["pixel_shuffle"].apply(x, name=name, attrs={"upscale_factor": upscale_factor})


def pixel_unshuffle(x: Handle, downscale_factor: int, *, name: str = "pixel_unshuffle") -> Handle:
    """As ``torch.nn.PixelUnshuffle``, space to depth: (N, C, H·r, W·r) to (N, C·r², H, W). Raises
    ShapeError if r does not divide height and width."""
    return TABLE["pixel_unshuffle"].apply(
        x, name=name, attrs={"downscale_factor": downscale_factor}
    )
