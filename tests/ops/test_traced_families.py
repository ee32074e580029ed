"""Operators that only traced models call: each price with its sum in sight."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.graph import Attributes, Node, Shape, Value, Weight
from archcalc.ops import TABLE, Cost
from archcalc.ops.operator import no_work


def node(
    op: str,
    inputs: list[Shape],
    outputs: list[Shape],
    weights: list[Shape] | None = None,
    dtype: str = "float32",
    **attrs: Any,
) -> Node:
    return Node(
        "node",
        op,
        tuple(Value(shape, dtype, 0) for shape in inputs),
        tuple(Value(shape, dtype, 1, port) for port, shape in enumerate(outputs)),
        Attributes(attrs),
        tuple(Weight(f"w{index}", shape) for index, shape in enumerate(weights or [])),
    )


X = (2, 3, 8, 8)

PRICES: list[tuple[Node, Cost]] = [
    (node("addmm", [(4,), (2, 3), (3, 4)], [(2, 4)]), Cost(macs=2 * 4 * 3, elementwise=2 * 4)),
    (node("addmm", [(2, 4), (5, 2, 3), (5, 3, 4)], [(2, 4)]),
     Cost(macs=5 * 2 * 4 * 3, elementwise=2 * 4)),
    (node("addmm", [(4,), (2, 3), (3, 4)], [(2, 4)], beta=0), Cost(macs=2 * 4 * 3)),
    (node("addmm", [(4,), (2, 3), (3, 4)], [(2, 4)], alpha=0.5, beta=2),
     Cost(macs=2 * 4 * 3, elementwise=2 * 4 + 4 + 2 * 4)),
    (node("add", [(2, 4), (4,)], [(2, 4)], alpha=2), Cost(elementwise=2 * (2 * 4))),
    (node("sub", [(2, 4), (4,)], [(2, 4)], alpha=2), Cost(elementwise=2 * (2 * 4))),
    (node("sub", [(2, 4), (4,)], [(2, 4)], alpha=1), Cost(elementwise=2 * 4)),
    (node("matmul", [(2, 3), (3, 4)], [(2, 4)], dtype="complex64"), Cost(macs=4 * 2 * 4 * 3)),
    (node("linear", [(2, 3)], [(2, 4)], [(4, 3), (4,)]), Cost(macs=2 * 4 * 3, bias=2 * 4)),
    (node("linear", [(2, 3), (4, 3), (4,)], [(2, 4)]), Cost(macs=2 * 4 * 3, bias=2 * 4)),
    (node("einsum", [(2, 3), (3, 4)], [(2, 4)], contracted=(3,)), Cost(macs=2 * 4 * 3)),
    (node("einsum", [(2,), (3,)], [(2, 3)], contracted=()), Cost(elementwise=2 * 3)),
    (node("bilinear", [(2, 3), (2, 4)], [(2, 5)], [(5, 3, 4), (5,)]),
     Cost(macs=2 * 5 * (3 * 4 + 4), bias=2 * 5)),
    (node("embedding", [(2, 5)], [(2, 5, 16)], [(50, 16)]), Cost()),
    (node("embedding_bag", [(10,)], [(2, 16)], [(50, 16)]), Cost(reduction=10 * 16)),
    (node("conv2d", [X, (4, 3, 3, 3)], [(2, 4, 6, 6)]), Cost(macs=2 * (6 * 6 * 4) * 27)),
    (node("conv_backward", [(2, 4, 6, 6), X], [X], [(4, 3, 3, 3)], transposed=False,
          output_mask=(True, True, True)),
     Cost(macs=2 * (2 * (6 * 6 * 4) * 27), bias=2 * 6 * 6 * 4)),
    (node("conv_backward", [(2, 4, 6, 6), X], [(4, 3, 3, 3)], [(4, 3, 3, 3)], transposed=False,
          output_mask=(False, True, False)), Cost(macs=2 * (6 * 6 * 4) * 27)),
    (node("conv_backward", [(2, 4, 16, 16), X], [X], [(3, 4, 2, 2)], transposed=True,
          output_mask=(True, False, False)), Cost(macs=2 * (8 * 8 * 3) * (4 * 4))),
    (node("scaled_dot_product_attention", [(2, 4, 5, 8), (2, 4, 6, 8), (2, 4, 6, 7)],
          [(2, 4, 5, 7)]),
     Cost(macs=2 * 4 * 5 * 6 * (8 + 7), activation=5 * 2 * 4 * 5 * 6, elementwise=2 * 4 * 5 * 6)),
    (node("scaled_dot_product_attention_backward",
          [(2, 4, 5, 8), (2, 4, 5, 8), (2, 4, 6, 8), (2, 4, 6, 8)], [(2, 4, 5, 8)]),
     Cost(macs=2 * 4 * 5 * 6 * 5 * 8, activation=9 * 2 * 4 * 5 * 6)),
    (node("lstm", [(5, 2, 8)], [(5, 2, 16)], [(64, 8), (64, 16), (64,), (64,)], proj_size=0),
     Cost(macs=10 * (64 * 8 + 64 * 16), bias=10 * 128, activation=10 * 22 * 16,
          elementwise=10 * 8 * 16)),
    (node("gru", [(5, 2, 8)], [(5, 2, 16)], [(48, 8), (48, 16)], proj_size=0),
     Cost(macs=10 * (48 * 8 + 48 * 16), activation=10 * 13 * 16, elementwise=10 * 8 * 16)),
    (node("rnn_relu_cell", [(2, 8)], [(2, 16)], [(16, 8), (16, 16)]),
     Cost(macs=2 * (16 * 8 + 16 * 16), activation=2 * 16, elementwise=2 * 16)),
    (node("fft", [(3, 8)], [(3, 8)], dtype="complex64", dim=(-1,)),
     Cost(elementwise=5 * (3 * 8) * 3)),
    (node("fft", [(8, 16)], [(8, 9)], dim=(0, 1)), Cost(elementwise=5 * (8 * 16) * (3 + 4) // 2)),
    (node("pairwise_distance", [(4, 8), (6, 8)], [(4, 6)]), Cost(reduction=3 * 4 * 6 * 8)),
    (node("sort", [(3, 8)], [(3, 8)], dim=-1), Cost(reduction=3 * 8 * 3)),
    (node("sum", [X], [(2, 3)]), Cost(reduction=2 * 3 * 8 * 8)),
    (node("var", [X], [(2, 3)]), Cost(reduction=4 * 2 * 3 * 8 * 8)),
    (node("exp", [X], [X]), Cost(elementwise=2 * 3 * 8 * 8)),
    (node("clamp", [X], [X]), Cost(elementwise=2 * 2 * 3 * 8 * 8)),
    (node("leaky_relu", [X], [X]), Cost(activation=2 * 2 * 3 * 8 * 8)),
    (node("rms_norm", [X], [X]), Cost(norm=5 * 2 * 3 * 8 * 8)),
    (node("upsample_bilinear", [X], [(2, 3, 16, 16)]), Cost(elementwise=7 * 2 * 3 * 16 * 16)),
    (node("pad", [X], [(2, 3, 10, 10)]), Cost()),
]  # fmt: skip


@pytest.mark.parametrize(("call", "cost"), PRICES, ids=[call.op for call, _ in PRICES])
def test_the_price(call: Node, cost: Cost) -> None:
    assert TABLE[call.op].cost(call) == cost


def test_every_operator_counts_or_says_why_it_is_free() -> None:
    for name, row in TABLE.items():
        assert bool(row.formula) == (row.work is not no_work), name
        assert row.formula or row.free, name
