"""Products of tensors: every result sees whole rows and columns of the factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.analysis.receptive_field.spans import LostError
from archcalc.analysis.receptive_field.state import State, joined, reduced
from archcalc.graph import Node, Shape


def matmul(node: Node, states: list[State], places: Shape) -> State:
    a, b = states
    if len(a.dims) < 2 or len(b.dims) < 2:
        raise LostError("layout")
    left = reduced(a, (len(a.dims) - 1,), places)
    right = reduced(b, (len(b.dims) - 2,), places)
    return joined([left, right], node.outputs[0].shape)


def attention(node: Node, states: list[State], places: Shape) -> State:
    query, key, value, *masks = states
    if any(not mask.bare for mask in masks):
        raise LostError("values")
    q = reduced(query, (len(query.dims) - 1,), places)
    k = reduced(key, (len(key.dims) - 1, len(key.dims) - 2), places)
    v = reduced(value, (len(value.dims) - 2,), places)
    return joined([q, k, v], node.outputs[0].shape)


def einsum(node: Node, states: list[State], places: Shape) -> State:
    given, arrow, out = node.attrs.get("equation", "").replace(" ", "").partition("->")
    operands = given.split(",")
    if not arrow or "." in given or len(operands) != len(states):
        raise LostError("layout")
    found = []
    for letters, state in zip(operands, states, strict=True):
        if len(set(letters)) != len(letters):
            raise LostError("layout")
        gone = [at for at, letter in enumerate(letters) if letter not in out]
        fewer = reduced(state, gone, places)
        loose = [part for at in gone for part in fewer.dims[at]]
        dims = [fewer.dims[letters.index(each)] if each in letters else () for each in out]
        if loose:
            dims[-1] = (*dims[-1], *loose)
        found.append(fewer._replace(dims=tuple(dims)))
    return joined(found, node.outputs[0].shape)


PRODUCTS: Mapping[str, Callable[[Node, list[State], Shape], State]] = {
    "matmul": matmul,
    "attention": attention,
    "einsum": einsum,
}
"""By the name in the operator table."""
