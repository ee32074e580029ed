"""Fourier transforms, and sampling between grid points. No matrix products, so no macs."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from archcalc.graph import Node, numel
from archcalc.ops.operator import Work, extent, operator, per_output


def fft_work(node: Node, training: bool) -> Work:
    """5·n·⌈log₂ n⌉ real operations for a complex transform of length n (Cooley and Tukey, radix 2),
    half of it where the input or the output is real."""
    shape = max(node.inputs[0].shape, node.outputs[0].shape, key=numel)
    lengths = [shape[dim] for dim in node.attrs["dim"]]
    stages = sum(max(length - 1, 0).bit_length() for length in lengths)
    both = node.inputs[0].dtype.startswith("complex") and node.outputs[0].dtype.startswith(
        "complex"
    )
    total = 5 * prod(shape) * stages
    return {"elementwise": (((total if both else -(-total // 2),),),)}


def interpolation(*names: str, per_output_element: int, why: str) -> None:
    for name in names:
        operator(
            name,
            "elementwise",
            formula=f"{per_output_element} an element: {why}",
            work=per_output("elementwise", per_output_element),
            saves="input",
        )


def pairwise_distance_work(node: Node, training: bool) -> Work:
    """Subtract, square and add for each feature of each pair."""
    return {"reduction": (((3,), extent(node.outputs[0].shape), (node.inputs[0].shape[-1],)),)}


def sampled(count: int) -> Callable[[Node, bool], Work]:
    return per_output("elementwise", count)


operator(
    "fft",
    "elementwise",
    formula="5×n×⌈log₂ n⌉ real operations a transform of length n, half for real input or output",
    work=fft_work,
    saves="nothing",
)
operator(
    "pairwise_distance",
    "reduction",
    formula="3 for each feature of each pair",
    work=pairwise_distance_work,
    saves="inputs",
)
interpolation("upsample_linear", per_output_element=3, why="two products and a sum")
interpolation("upsample_bilinear", "grid_sample", per_output_element=7, why="4 products, 3 sums")
interpolation("upsample_bicubic", per_output_element=31, why="16 products, 15 sums")
interpolation("upsample_trilinear", per_output_element=15, why="8 products, 7 sums")
interpolation("affine_grid", per_output_element=4, why="two products, two sums")
