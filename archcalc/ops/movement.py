"""Operators that move or rename values: all are free, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Shape, numel, times
from archcalc.ops import counters
from archcalc.ops.gradient import concat_rule, permute_rule, slice_rule, view_rule
from archcalc.ops.operator import operator

A_VIEW = "a view, no data moves"


def concat_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    first = inputs[0]
    dim = axis(attrs["dim"], len(first))
    rest = (*first[:dim], *first[dim + 1 :])
    for other in inputs[1:]:
        if (*other[:dim], *other[dim + 1 :]) != rest:
            given = ", ".join(map(times, inputs))
            raise ShapeError(f"cannot join {given} along dimension {dim}: other sizes differ")
    return (*first[:dim], sum([shape[dim] for shape in inputs]), *first[dim + 1 :])


def flatten_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x = inputs[0]
    start, end = axis(attrs["start_dim"], len(x)), axis(attrs["end_dim"], len(x))
    return (*x[:start], numel(x[start : end + 1]), *x[end + 1 :])


def reshape_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    have, wanted = numel(inputs[0]), attrs["shape"]
    known = numel(tuple(size for size in wanted if size != -1))
    if wanted.count(-1) > 1 or (have % known if -1 in wanted else have != known):
        raise ShapeError(f"cannot reshape {times(inputs[0])} to {wanted}")
    return tuple(have // known if size == -1 else size for size in wanted)


def permute_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x, dims = inputs[0], attrs["dims"]
    if sorted(axis(dim, len(x)) for dim in dims) != list(range(len(x))):
        raise ShapeError(f"dims {dims} is not a permutation of the dimensions of {times(x)}")
    return tuple(x[dim] for dim in dims)


def slice_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x = inputs[0]
    dim = axis(attrs["dim"], len(x))
    start, stop = attrs["start"], attrs["stop"]
    if not 0 <= start < stop <= x[dim]:
        raise ShapeError(f"slice {start}:{stop} is not inside dimension {dim} of {times(x)}")
    return (*x[:dim], stop - start, *x[dim + 1 :])


def axis(dim: int, rank: int) -> int:
    """The dimension as a number from 0. Raises ShapeError if there is no such dimension."""
    if not -rank <= dim < rank:
        raise ShapeError(f"dimension {dim} does not exist in a tensor of {rank} dimensions")
    return dim % rank


INPUT = operator(
    "input", "input", window="source", counters=counters.NOTHING, free="given", saves="nothing"
)
CONCAT = operator(
    "concat",
    "movement",
    window="concat",
    layout="images",
    counters=counters.NOTHING,
    shape=concat_shape,
    saves="nothing",
    free="copies its inputs, no arithmetic",
    backward=concat_rule,
)
FLATTEN = operator(
    "flatten",
    "movement",
    copies_if="not a view",
    window="reshape",
    counters=counters.NOTHING,
    shape=flatten_shape,
    saves="nothing",
    backward=view_rule,
    free=A_VIEW,
    view=True,
)
RESHAPE = operator(
    "reshape",
    "movement",
    copies_if="not a view",
    window="reshape",
    counters=counters.NOTHING,
    shape=reshape_shape,
    saves="nothing",
    backward=view_rule,
    free=A_VIEW,
    view=True,
)
PERMUTE = operator(
    "permute",
    "movement",
    window="permute",
    counters=counters.NOTHING,
    shape=permute_shape,
    saves="nothing",
    backward=permute_rule,
    free=A_VIEW,
    view=True,
)
SLICE = operator(
    "slice",
    "movement",
    window="slice",
    counters=counters.NOTHING,
    shape=slice_shape,
    saves="nothing",
    backward=slice_rule,
    free=A_VIEW,
    view=True,
)


def concat(xs: Sequence[Handle], dim: int = 1, *, name: str = "concat") -> Handle:
    """As ``torch.concat``, along the channels by default. Raises ShapeError if other sizes
    differ."""
    return CONCAT.apply(*xs, name=name, attrs={"dim": dim})


def flatten(x: Handle, start_dim: int = 1, end_dim: int = -1, *, name: str = "flatten") -> Handle:
    """As ``torch.nn.Flatten``: (N, C, H, W) to (N, C·H·W) by default."""
    return FLATTEN.apply(x, name=name, attrs={"start_dim": start_dim, "end_dim": end_dim})


def reshape(x: Handle, shape: Sequence[int], *, name: str = "reshape") -> Handle:
    """As ``torch.reshape``; one size may be -1. Raises ShapeError if the number of elements
    differs."""
    return RESHAPE.apply(x, name=name, attrs={"shape": tuple(shape)})


def permute(x: Handle, dims: Sequence[int], *, name: str = "permute") -> Handle:
    """As ``torch.permute``. Raises ShapeError unless ``dims`` is a permutation."""
    return PERMUTE.apply(x, name=name, attrs={"dims": tuple(dims)})


def slice(x: Handle, dim: int, start: int, stop: int, *, name: str = "slice") -> Handle:
    """``x[:, start:stop]`` if ``dim`` is 1. Raises ShapeError if the slice is empty or outside."""
    return SLICE.apply(x, name=name, attrs={"dim": dim, "start": start, "stop": stop})


def split(
    x: Handle, sizes: Sequence[int], dim: int = 1, *, name: str = "split"
) -> tuple[Handle, ...]:
    """As ``torch.split`` with a list: pieces of these sizes, each a slice of ``x``.

    Raises ShapeError if the sizes do not add up to that of the dimension.
    """
    whole = x.shape[axis(dim, len(x.shape))]
    if sum(sizes) != whole:
        raise ShapeError(f"{name}: pieces of {sizes} do not add up to {whole}")
    pieces, start = [], 0
    for size in sizes:
        pieces.append(slice(x, dim, start, start + size, name=name))
        start += size
    return tuple(pieces)
