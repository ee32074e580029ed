"""Each operator once, with plain numbers: output, weights, work, and the work as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from archcalc import ops
from archcalc.graph import Builder, Handle, Node, Shape
from archcalc.ops.operator import TABLE, Cost, working


class Case(NamedTuple):
    op: str
    inputs: tuple[Shape, ...]
    call: Callable[..., Handle]
    output: Shape
    weights: tuple[Shape, ...] = ()
    cost: Cost = Cost()
    text: str = ""
    """The working of the largest class of work."""
    training: bool = False


CASES = [
    # Convolutions: outputs × what one output sums over, and one addition an output for the bias.
    Case(
        "conv1d",
        ((1, 4, 10),),
        lambda x: ops.conv1d(x, 6, 3),
        (1, 6, 8),
        ((6, 4, 3), (6,)),
        Cost(macs=(8 * 6) * (3 * 4), bias=8 * 6),
        "(8×6)×(3×4)",
    ),
    Case(
        "conv2d",
        ((1, 192, 28, 28),),
        lambda x: ops.conv2d(x, 32, 5, padding=2),
        (1, 32, 28, 28),
        ((32, 192, 5, 5), (32,)),
        Cost(macs=(28 * 28 * 32) * (5 * 5 * 192), bias=28 * 28 * 32),
        "(28×28×32)×(5×5×192)",
    ),
    Case(
        "conv2d",
        ((2, 8, 9, 7),),
        lambda x: ops.conv2d(x, 6, (3, 1), stride=(2, 3), padding=(1, 0), groups=2, bias=False),
        (2, 6, 5, 3),  # (9 + 2 − 3)/2 + 1 = 5 and (7 − 1)/3 + 1 = 3
        ((6, 4, 3, 1),),
        Cost(macs=(2 * 5 * 3 * 6) * (3 * 1 * 4)),
        "(2×5×3×6)×(3×1×4)",
    ),
    Case(
        "conv2d",
        ((1, 128, 56, 56),),
        lambda x: ops.conv2d(x, 128, 3, padding=2, dilation=2, groups=128, bias=False),
        (1, 128, 56, 56),
        ((128, 1, 3, 3),),
        Cost(macs=(56 * 56 * 128) * (3 * 3 * 1)),
        "(56×56×128)×(3×3×1)",
    ),
    Case(
        "conv3d",
        ((1, 2, 4, 6, 8),),
        lambda x: ops.conv3d(x, 3, 3, bias=False),
        (1, 3, 2, 4, 6),
        ((3, 2, 3, 3, 3),),
        Cost(macs=(2 * 4 * 6 * 3) * (3 * 3 * 3 * 2)),
        "(2×4×6×3)×(3×3×3×2)",
    ),
    # Transposed: inputs × what one input is spread over.
    Case(
        "conv_transpose1d",
        ((1, 4, 10),),
        lambda x: ops.conv_transpose1d(x, 6, 2, stride=2, bias=False),
        (1, 6, 20),
        ((4, 6, 2),),
        Cost(macs=(10 * 4) * (2 * 6)),
        "(10×4)×(2×6)",
    ),
    Case(
        "conv_transpose2d",
        ((1, 64, 7, 7),),
        lambda x: ops.conv_transpose2d(x, 32, 3, stride=2, padding=1, output_padding=1),
        (1, 32, 14, 14),  # 6·2 − 2 + 2 + 1 + 1 = 14
        ((64, 32, 3, 3), (32,)),
        Cost(macs=(7 * 7 * 64) * (3 * 3 * 32), bias=14 * 14 * 32),
        "(7×7×64)×(3×3×32)",
    ),
    Case(
        "conv_transpose3d",
        ((1, 4, 2, 2, 2),),
        lambda x: ops.conv_transpose3d(x, 6, 2, stride=2, groups=2, bias=False),
        (1, 6, 4, 4, 4),
        ((4, 3, 2, 2, 2),),
        Cost(macs=(2 * 2 * 2 * 4) * (2 * 2 * 2 * 3)),
        "(2×2×2×4)×(2×2×2×3)",
    ),
    # Products.
    Case(
        "linear",
        ((1, 1024),),
        lambda x: ops.linear(x, 1000),
        (1, 1000),
        ((1000, 1024), (1000,)),
        Cost(macs=1000 * 1024, bias=1000),
        "1000×1024",
    ),
    Case(
        "linear",
        ((8, 16, 64),),
        lambda x: ops.linear(x, 32, bias=False),
        (8, 16, 32),
        ((32, 64),),
        Cost(macs=(8 * 16 * 32) * 64),
        "(8×16×32)×64",
    ),
    Case(
        "matmul",
        ((2, 5, 3), (3, 4)),
        ops.matmul,
        (2, 5, 4),
        cost=Cost(macs=(2 * 5 * 4) * 3),
        text="(2×5×4)×3",
    ),
    Case("matmul", ((3,), (3,)), ops.matmul, (), cost=Cost(macs=3), text="1×3"),
    Case("matmul", ((3,), (3, 4)), ops.matmul, (4,), cost=Cost(macs=4 * 3), text="4×3"),
    Case("matmul", ((5, 3), (3,)), ops.matmul, (5,), cost=Cost(macs=5 * 3), text="5×3"),
    Case(
        "embedding",
        ((2, 7),),
        lambda x: ops.embedding(x, 1000, 16),
        (2, 7, 16),
        ((1000, 16),),
    ),
    # Pools: K − 1 comparisons; K − 1 additions and a division.
    Case(
        "max_pool1d",
        ((1, 4, 10),),
        lambda x: ops.max_pool1d(x, 2),
        (1, 4, 5),
        cost=Cost(pooling=(5 * 4) * (2 - 1)),
        text="(5×4)×1",
    ),
    Case(
        "max_pool2d",
        ((1, 64, 112, 112),),
        lambda x: ops.max_pool2d(x, 3, stride=2, ceil_mode=True),
        (1, 64, 56, 56),
        cost=Cost(pooling=(56 * 56 * 64) * (3 * 3 - 1)),
        text="(56×56×64)×8",
    ),
    Case(
        "max_pool3d",
        ((1, 2, 4, 4, 4),),
        lambda x: ops.max_pool3d(x, 2),
        (1, 2, 2, 2, 2),
        cost=Cost(pooling=(2 * 2 * 2 * 2) * (2 * 2 * 2 - 1)),
        text="(2×2×2×2)×7",
    ),
    Case(
        "avg_pool1d",
        ((1, 4, 10),),
        lambda x: ops.avg_pool1d(x, 3, stride=1, padding=1),
        (1, 4, 10),
        cost=Cost(pooling=(10 * 4) * 3),
        text="(10×4)×3",
    ),
    Case(
        "avg_pool2d",
        ((1, 512, 14, 14),),
        lambda x: ops.avg_pool2d(x, 5, stride=3, count_include_pad=False),
        (1, 512, 4, 4),
        cost=Cost(pooling=(4 * 4 * 512) * (5 * 5)),
        text="(4×4×512)×(5×5)",
    ),
    Case(
        "avg_pool3d",
        ((1, 2, 4, 4, 4),),
        lambda x: ops.avg_pool3d(x, (4, 2, 1)),
        (1, 2, 1, 2, 4),
        cost=Cost(pooling=(1 * 2 * 4 * 2) * (4 * 2 * 1)),
        text="(1×2×4×2)×(4×2×1)",
    ),
    # Adaptive pools read each value once where the windows tile the input, and overlap elsewhere.
    Case(
        "adaptive_avg_pool1d",
        ((1, 3, 10),),
        lambda x: ops.adaptive_avg_pool1d(x, 4),
        (1, 3, 4),
        cost=Cost(pooling=(3 + 3 + 3 + 3) * 3),  # [0,3) [2,5) [5,8) [7,10)
        text="12×3",
    ),
    Case(
        "adaptive_avg_pool2d",
        ((1, 1024, 7, 7),),
        ops.adaptive_avg_pool2d,
        (1, 1024, 1, 1),
        cost=Cost(pooling=7 * 7 * 1024),
        text="(7×7)×1024",
    ),
    Case(
        "adaptive_avg_pool3d",
        ((2, 3, 4, 4, 4),),
        lambda x: ops.adaptive_avg_pool3d(x, (1, 2, 4)),
        (2, 3, 1, 2, 4),
        cost=Cost(pooling=2 * (4 * 4 * 4) * 3),
        text="(2×4×4×4)×3",
    ),
    Case(
        "adaptive_max_pool1d",
        ((1, 3, 10),),
        lambda x: ops.adaptive_max_pool1d(x, 5),
        (1, 3, 5),
        cost=Cost(pooling=10 * 3),
        text="10×3",
    ),
    Case(
        "adaptive_max_pool2d",
        ((1, 8, 6, 4),),
        lambda x: ops.adaptive_max_pool2d(x, (3, 2)),
        (1, 8, 3, 2),
        cost=Cost(pooling=(6 * 4) * 8),
        text="(6×4)×8",
    ),
    Case(
        "adaptive_max_pool3d",
        ((1, 2, 2, 2, 2),),
        ops.adaptive_max_pool3d,
        (1, 2, 1, 1, 1),
        cost=Cost(pooling=(2 * 2 * 2) * 2),
        text="(2×2×2)×2",
    ),
    # Normalisation.
    Case(
        "batch_norm",
        ((1, 64, 8, 8),),
        ops.batch_norm,
        (1, 64, 8, 8),
        ((64,), (64,)),
        Cost(norm=2 * (8 * 8 * 64)),
        "2×(8×8×64)",
    ),
    Case(
        "batch_norm",
        ((4, 64, 8, 8),),
        lambda x: ops.batch_norm(x, affine=False),
        (4, 64, 8, 8),
        cost=Cost(norm=6 * (4 * 8 * 8 * 64)),
        text="6×(4×8×8×64)",
        training=True,
    ),
    Case(
        "layer_norm",
        ((1, 16, 64),),
        lambda x: ops.layer_norm(x, 64),
        (1, 16, 64),
        ((64,), (64,)),
        Cost(norm=8 * (16 * 64)),
        "8×(16×64)",
    ),
    Case(
        "layer_norm",
        ((1, 16, 64),),
        lambda x: ops.layer_norm(x, (16, 64), affine=False),
        (1, 16, 64),
        cost=Cost(norm=6 * (16 * 64)),
        text="6×(16×64)",
    ),
    Case(
        "group_norm",
        ((1, 32, 4, 4),),
        lambda x: ops.group_norm(x, 8),
        (1, 32, 4, 4),
        ((32,), (32,)),
        Cost(norm=8 * (4 * 4 * 32)),
        "8×(4×4×32)",
    ),
    Case(
        "local_response_norm",
        ((1, 96, 55, 55),),
        lambda x: ops.local_response_norm(x, 5),
        (1, 96, 55, 55),
        cost=Cost(norm=(5 + 4) * (55 * 55 * 96)),
        text="9×(55×55×96)",
    ),
    # Activations: operations per element.
    Case(
        "relu",
        ((1, 8, 4, 4),),
        ops.relu,
        (1, 8, 4, 4),
        cost=Cost(activation=4 * 4 * 8),
        text="(4×4×8)",
    ),
    Case("sigmoid", ((1, 8),), ops.sigmoid, (1, 8), cost=Cost(activation=4 * 8), text="4×8"),
    Case("tanh", ((1, 8),), ops.tanh, (1, 8), cost=Cost(activation=5 * 8), text="5×8"),
    Case("gelu", ((1, 8),), ops.gelu, (1, 8), cost=Cost(activation=5 * 8), text="5×8"),
    Case("silu", ((1, 8),), ops.silu, (1, 8), cost=Cost(activation=5 * 8), text="5×8"),
    Case("hardswish", ((1, 8),), ops.hardswish, (1, 8), cost=Cost(activation=5 * 8), text="5×8"),
    Case(
        "softmax",
        ((1, 2, 128),),
        lambda x: ops.softmax(x, 1),
        (1, 2, 128),
        cost=Cost(activation=5 * (2 * 128)),
        text="5×(2×128)",
    ),
    Case("dropout", ((1, 1024),), ops.dropout, (1, 1024)),
    Case(
        "dropout",
        ((1, 1024),),
        ops.dropout,
        (1, 1024),
        cost=Cost(activation=2 * 1024),
        text="2×1024",
        training=True,
    ),
    # Element by element: one for each input after the first.
    Case(
        "add",
        ((1, 8, 4, 4),) * 2,
        ops.add,
        (1, 8, 4, 4),
        cost=Cost(elementwise=4 * 4 * 8),
        text="(4×4×8)",
    ),
    Case(
        "relu6",
        ((1, 64, 7, 7),),
        ops.relu6,
        (1, 64, 7, 7),
        cost=Cost(activation=2 * (7 * 7 * 64)),
        text="2×(7×7×64)",
    ),
    Case(
        "leaky_relu",
        ((1, 64, 7, 7),),
        ops.leaky_relu,
        (1, 64, 7, 7),
        cost=Cost(activation=2 * (7 * 7 * 64)),
        text="2×(7×7×64)",
    ),
    Case(
        "hardsigmoid",
        ((1, 64, 7, 7),),
        ops.hardsigmoid,
        (1, 64, 7, 7),
        cost=Cost(activation=4 * (7 * 7 * 64)),
        text="4×(7×7×64)",
    ),
    Case(
        "sub",
        ((1, 64, 7, 7), (1, 1, 7, 7)),
        ops.sub,
        (1, 64, 7, 7),
        cost=Cost(elementwise=7 * 7 * 64),
        text="(7×7×64)",
    ),
    Case(
        "div",
        ((1, 64, 1, 7), (1, 64, 7, 1)),
        ops.div,
        (1, 64, 7, 7),
        cost=Cost(elementwise=7 * 7 * 64),
        text="(7×7×64)",
    ),
    Case(
        "mean",
        ((1, 64, 7, 7),),
        lambda x: ops.mean(x, (2, 3)),
        (1, 64),
        cost=Cost(reduction=7 * 7 * 64),
        text="(7×7×64)",
    ),
    Case(
        "sum",
        ((1, 64, 7, 7),),
        lambda x: ops.sum(x, 1, keepdim=True),
        (1, 1, 7, 7),
        cost=Cost(reduction=7 * 7 * 64),
        text="(7×7×64)",
    ),
    Case(
        "scaled_dot_product_attention",
        ((1, 12, 5, 64), (1, 12, 7, 64), (1, 12, 7, 32)),
        ops.scaled_dot_product_attention,
        (1, 12, 5, 32),
        cost=Cost(
            macs=(12 * 5 * 7) * (64 + 32), activation=5 * (12 * 5 * 7), elementwise=12 * 5 * 7
        ),
        text="(12×5×7)×64 + (12×5×7)×32",
    ),
    Case(
        "upsample_bilinear",
        ((1, 3, 4, 5),),
        lambda x: ops.interpolate(x, (8, 9), mode="bilinear"),
        (1, 3, 8, 9),
        cost=Cost(elementwise=7 * (8 * 9 * 3)),
        text="7×(8×9×3)",
    ),
    Case(
        "add",
        ((1, 8, 4, 4),) * 3,
        ops.add,
        (1, 8, 4, 4),
        cost=Cost(elementwise=2 * (4 * 4 * 8)),
        text="2×(4×4×8)",
    ),
    Case(
        "mul",
        ((1, 256, 28, 28), (1, 256, 1, 1)),
        ops.mul,
        (1, 256, 28, 28),
        cost=Cost(elementwise=28 * 28 * 256),
        text="(28×28×256)",
    ),
    # Free.
    Case(
        "concat",
        tuple((1, width, 28, 28) for width in (64, 128, 32, 32)),
        lambda *xs: ops.concat(xs),
        (1, 64 + 128 + 32 + 32, 28, 28),
    ),
    Case("flatten", ((2, 256, 6, 6),), ops.flatten, (2, 256 * 6 * 6)),
    Case("flatten", ((2, 3, 4, 5),), lambda x: ops.flatten(x, 0, 1), (6, 4, 5)),
    Case("reshape", ((2, 256),), lambda x: ops.reshape(x, (-1, 256, 1, 1)), (2, 256, 1, 1)),
    Case("reshape", ((2, 6),), lambda x: ops.reshape(x, (3, 4)), (3, 4)),
    Case("permute", ((1, 2, 3, 4),), lambda x: ops.permute(x, (0, 2, 3, 1)), (1, 3, 4, 2)),
    Case("slice", ((1, 10, 4),), lambda x: ops.slice(x, 1, 2, 5), (1, 3, 4)),
    Case("slice", ((1, 10, 4),), lambda x: ops.slice(x, -1, 0, 4), (1, 10, 4)),
    Case("parameter", ((1, 3),), lambda x: ops.parameter(x, (6, 1), name="p"), (6, 1), ((6, 1),)),
    Case("expand", ((1, 1, 8), (4, 7, 8)), ops.expand, (4, 1, 8)),
    Case("pad", ((1, 3, 8, 9),), lambda x: ops.pad(x, (1, 2, 0, -3)), (1, 3, 5, 12)),
    Case("channel_shuffle", ((1, 6, 4, 5),), lambda x: ops.channel_shuffle(x, 3), (1, 6, 4, 5)),
    Case("pixel_shuffle", ((1, 18, 4, 5),), lambda x: ops.pixel_shuffle(x, 3), (1, 2, 12, 15)),
    Case("pixel_unshuffle", ((1, 2, 4, 6),), lambda x: ops.pixel_unshuffle(x, 2), (1, 8, 2, 3)),
    Case(
        "upsample_nearest",
        ((1, 3, 4, 5),),
        lambda x: ops.interpolate(x, scale_factor=(2, 3)),
        (1, 3, 8, 15),
    ),
]


def declared(case: Case) -> Node:
    builder = Builder()
    handles = [
        builder.input(shape, name=f"input{index}") for index, shape in enumerate(case.inputs)
    ]
    case.call(*handles)
    return builder.nodes[-1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.op)
def test_an_operator_gives_its_shape_weights_work_and_working(case: Case) -> None:
    node = declared(case)
    row = TABLE[case.op]

    assert node.op == case.op
    assert node.output.shape == case.output
    assert tuple(weight.shape for weight in node.weights) == case.weights
    assert row.cost(node, case.training) == case.cost
    work = row.work(node, case.training)
    largest = max(case.cost._asdict(), key=case.cost._asdict().__getitem__)
    assert working(work[largest]) == case.text if work else case.text == ""


# A vector has no batch, these two reshapes name theirs, and what is expanded has 1.
BATCHED = [case for case in CASES if case.op not in ("matmul", "reshape", "expand")]


@pytest.mark.parametrize("case", BATCHED, ids=lambda case: case.op)
def test_twice_the_batch_is_twice_the_work(case: Case) -> None:
    doubled = case._replace(inputs=tuple((2 * n, *rest) for n, *rest in case.inputs))
    once, twice = declared(case), declared(doubled)
    cost = TABLE[case.op].cost
    assert cost(twice, case.training) == Cost(*(2 * part for part in cost(once, case.training)))


def test_every_operator_of_the_public_functions_has_a_case() -> None:
    public = {name for name in ops.__all__ if name in TABLE} - {"split"}  # its pieces are slices
    assert public - {case.op for case in CASES} == set()


def test_an_operator_is_counted_or_says_why_it_is_free() -> None:
    for case in CASES:
        row = TABLE[case.op]
        assert any(case.cost) or row.free, case.op
        assert row.free or row.formula, case.op
