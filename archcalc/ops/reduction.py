"""Reductions and sorting: sums, means, extrema, norms and losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from archcalc.graph import Attributes, Handle, Node, Shape
from archcalc.ops import counters
from archcalc.ops.gradient import Rule, reduction_rule
from archcalc.ops.movement import axis
from archcalc.ops.operator import (
    TABLE,
    Device,
    Saves,
    ShapeRule,
    Work,
    extent,
    operator,
    same_shape,
)
from archcalc.ops.window import Mixes, Positions, Untold


def per_input(count: int) -> Callable[[Node, bool], Work]:
    """Work of ``count`` operations for each element of the first input."""

    def work(node: Node, training: bool) -> Work:
        size = extent(node.inputs[0].shape) if node.inputs else (0,)
        return {"reduction": (((count,), size) if count != 1 else (size,),)}

    return work


def sort_work(node: Node, training: bool) -> Work:
    """n·⌈log₂ n⌉ comparisons along the sorted dimension, the bound of merge sort."""
    shape = node.inputs[0].shape or (1,)
    along = shape[node.attrs.get("dim", -1)]
    return {"reduction": ((extent(shape), (max(along - 1, 0).bit_length(),)),)}


def reduced_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    """The shape without the dimensions ``dim``, or with 1 in their place if ``keepdim`` is set."""
    x = inputs[0]
    gone = {axis(dim, len(x)) for dim in attrs["dim"]}
    if attrs["keepdim"]:
        return tuple([1 if place in gone else size for place, size in enumerate(x)])
    return tuple([size for place, size in enumerate(x) if place not in gone])


def index_bytes(node: Node, training: bool, device: Device) -> int:
    """Bytes of the index of each result, which torch saves as int64."""
    return 8 * node.outputs[0].numel


def reduced_dims(node: Node) -> tuple[int, ...] | None:
    """The dimensions that are reduced, if the node states them."""
    rank = len(node.inputs[0].shape)
    dims = node.attrs.get("dim")
    if dims is None or dims == ():
        return tuple(range(rank)) if node.outputs[0].numel == 1 else None
    return (dims,) if isinstance(dims, int) else tuple(dims)


REDUCES = Mixes(reduced_dims)


def reduction(
    *names: str,
    per_input_element: int = 1,
    why: str = "",
    shape: ShapeRule = same_shape,
    saves: Saves,
    window: Positions = REDUCES,
    pools: Literal["", "average"] = "",
    backward: Rule | None = None,
) -> None:
    """Declare operators with this number of operations per input element."""
    text = f"{per_input_element} per input element" + (f": {why}" if why else "")
    for name in names:
        operator(
            name,
            "reduction",
            window=window,
            counters=counters.NOTHING,
            formula=text,
            work=per_input(per_input_element),
            shape=shape,
            saves=saves,
            pools=pools,
            backward=backward,
        )


reduction(
    "sum",
    why="an addition",
    shape=reduced_shape,
    saves="nothing",
    backward=reduction_rule(mean=False),
)
reduction(
    "mean",
    why="an addition",
    shape=reduced_shape,
    saves="nothing",
    pools="average",
    backward=reduction_rule(mean=True),
)
reduction("nansum", "nanmean", "prod", why="an addition", saves="input")
reduction("cumsum", why="an addition", window=Untold("sequence"), saves="nothing")
reduction("cumprod", why="an addition", window=Untold("sequence"), saves="input and output")
reduction("amax", "amin", "aminmax", why="compare", saves="input and output")
reduction("max", "min", why="compare", saves="nothing")
reduction("argmax", "argmin", "all", "any", why="compare", saves="nothing")
reduction("cummax", "cummin", window=Untold("sequence"), saves="input")
reduction("count_nonzero", "median", "mode", "kthvalue", saves="input")
reduction(
    "bincount", "searchsorted", "unique", "nonzero", "isin", window=Untold("values"), saves="input"
)
reduction("trace", "histc", "bucketize", window=Untold("layout"), saves="input")
reduction("norm", saves="input and output", per_input_element=2, why="square and add")
reduction(
    "dist",
    "cdist",
    window=Untold("layout"),
    saves="input",
    per_input_element=3,
    why="subtract, square, add",
)
reduction("logsumexp", per_input_element=4, why="compare, subtract, exp, add", saves="input")
reduction(
    "logcumsumexp",
    per_input_element=4,
    why="compare, subtract, exp, add",
    window=Untold("sequence"),
    saves="input",
)
reduction(
    "var",
    "std",
    "var_mean",
    "std_mean",
    per_input_element=4,
    why="mean 1, variance 3",
    saves="input",
)
reduction(
    "nll_loss", "nll_loss_backward", why="pick and add", window=Untold("values"), saves="input"
)
reduction(
    "mse_loss",
    "smooth_l1_loss",
    "huber_loss",
    per_input_element=3,
    window=Untold("layout"),
    saves="input",
)
reduction(
    "binary_cross_entropy",
    per_input_element=7,
    why="two logs and the products",
    window=Untold("layout"),
    saves="input",
)
reduction(
    *("embedding_backward", "scatter_add", "index_add", "scatter_reduce"),
    *("index_backward", "upsample_backward", "unfold_backward"),
    "pad_backward",
    why="an addition",
    window=Untold("values"),
    saves="input",
)
for _name in ("sort", "topk"):
    operator(
        _name,
        "reduction",
        window=Untold("values"),
        counters=counters.NOTHING,
        formula="n×⌈log₂ n⌉ comparisons",
        work=sort_work,
        saves="nothing",
        saves_also=index_bytes,
        chooses=_name == "topk",
    )


def mean(
    x: Handle, dim: int | Sequence[int], keepdim: bool = False, *, name: str = "mean"
) -> Handle:
    """As ``torch.mean`` over one or several dimensions. Counted: 1 per input element. Raises
    ShapeError for a dimension that does not exist."""
    return TABLE["mean"].apply(x, name=name, attrs=_over(dim, keepdim))


def sum(x: Handle, dim: int | Sequence[int], keepdim: bool = False, *, name: str = "sum") -> Handle:
    """As ``torch.sum`` over one or several dimensions. Counted: 1 per input element. Raises
    ShapeError for a dimension that does not exist."""
    return TABLE["sum"].apply(x, name=name, attrs=_over(dim, keepdim))


def _over(dim: int | Sequence[int], keepdim: bool) -> dict[str, object]:
    return {"dim": (dim,) if isinstance(dim, int) else tuple(dim), "keepdim": keepdim}
