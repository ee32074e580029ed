"""Weights by data type: how many there are, and the bytes that they take."""

from __future__ import annotations

from typing import NamedTuple

from archcalc.graph import Graph


class DtypeWeights(NamedTuple):
    """The weights of one data type."""

    dtype: str
    params: int
    nbytes: int


def weights_by_dtype(graph: Graph) -> tuple[DtypeWeights, ...]:
    """One row per data type, the largest first; shared weights count once."""
    params: dict[str, int] = {}
    nbytes: dict[str, int] = {}
    for weight in graph.weights:
        params[weight.dtype] = params.get(weight.dtype, 0) + weight.numel
        nbytes[weight.dtype] = nbytes.get(weight.dtype, 0) + weight.nbytes
    rows = (DtypeWeights(dtype, params[dtype], nbytes[dtype]) for dtype in params)
    return tuple(sorted(rows, key=lambda row: -row.nbytes))
