"""What must hold between operators, and where bytes move."""

from __future__ import annotations

import pytest

from archcalc import ops
from archcalc.graph import Builder, Handle, Node, Shape
from archcalc.ops.operator import TABLE, Cost, total, working


def given(*shape: int, dtype: str = "float32") -> Handle:
    return Builder().input(shape, dtype=dtype)


def node(handle: Handle) -> Node:
    return handle.builder.nodes[handle.value.source]


def cost(handle: Handle, training: bool = False) -> Cost:
    return TABLE[node(handle).op].cost(node(handle), training)


def moved(handle: Handle, training: bool = False) -> tuple[int, int]:
    return TABLE[node(handle).op].bytes_moved(node(handle), training)


def test_the_5x5_convolution_of_the_inception_story_costs_120_million() -> None:
    direct = ops.conv2d(given(1, 192, 28, 28), 32, 5, padding=2)
    assert cost(direct).macs == (28 * 28 * 32) * (5 * 5 * 192) == 120_422_400


def test_one_group_is_the_plain_convolution() -> None:
    plain = ops.conv2d(given(1, 12, 9, 9), 8, 3)
    grouped = ops.conv2d(given(1, 12, 9, 9), 8, 3, groups=1)
    assert node(plain) == node(grouped)


@pytest.mark.parametrize("groups", [2, 3, 4, 6, 12])
def test_groups_divide_weights_and_multiply_adds_but_not_the_bias(groups: int) -> None:
    plain = ops.conv2d(given(1, 12, 9, 9), 24, 3)
    grouped = ops.conv2d(given(1, 12, 9, 9), 24, 3, groups=groups)
    assert cost(grouped).macs * groups == cost(plain).macs
    assert node(grouped).weights[0].numel * groups == node(plain).weights[0].numel
    assert cost(grouped).bias == cost(plain).bias
    assert grouped.shape == plain.shape


def test_a_1x1_convolution_is_a_linear_layer_over_the_channels() -> None:
    conv = ops.conv2d(given(1, 192, 28, 28), 16, 1)
    rows = ops.linear(given(1, 28, 28, 192), 16)
    assert cost(conv) == cost(rows)
    assert [weight.numel for weight in node(conv).weights] == [
        weight.numel for weight in node(rows).weights
    ]


def test_a_convolution_over_its_whole_input_is_a_linear_layer() -> None:
    conv = ops.conv2d(given(1, 256, 6, 6), 4096, 6)
    full = ops.linear(ops.flatten(given(1, 256, 6, 6)), 4096)
    assert cost(conv) == cost(full)
    assert node(conv).params == node(full).params == 256 * 6 * 6 * 4096 + 4096


def test_a_linear_layer_is_a_matrix_product_and_a_bias() -> None:
    builder = Builder()
    a, b = builder.input((8, 64)), builder.input((64, 32), name="b")
    assert cost(ops.linear(a, 32, bias=False)) == cost(ops.matmul(a, b))


def test_a_one_and_a_two_dimensional_convolution_agree_on_a_row() -> None:
    line = ops.conv1d(given(1, 4, 10), 6, 3, padding=1)
    image = ops.conv2d(given(1, 4, 1, 10), 6, (1, 3), padding=(0, 1))
    assert cost(line) == cost(image)


def test_a_dilated_window_costs_what_its_taps_cost() -> None:
    plain = ops.conv2d(given(1, 8, 9, 9), 8, 3, padding=1)
    dilated = ops.conv2d(given(1, 8, 9, 9), 8, 3, padding=2, dilation=2)
    assert cost(plain) == cost(dilated)


def test_global_average_pooling_has_no_parameters() -> None:
    assert node(ops.adaptive_avg_pool2d(given(1, 10, 8, 8))).params == 0


def test_sizes_of_a_billion_are_exact() -> None:
    huge = ops.conv2d(given(1, 10**9, 10**9, 10**9), 10**9, 3, padding=1)
    assert cost(huge).macs == 9 * 10**36
    assert node(huge).params == 9 * 10**18 + 10**9
    assert cost(ops.adaptive_avg_pool2d(huge)).pooling == 10**27


def test_flops_are_two_a_multiply_add_and_one_of_everything_else() -> None:
    price = Cost(macs=100, bias=10, norm=1, activation=2, pooling=3, elementwise=4, reduction=5)
    assert price.flops == 2 * 100 + 10 + 1 + 2 + 3 + 4 + 5


def test_costs_add_up_class_by_class() -> None:
    assert Cost(macs=1, norm=2).plus(Cost(macs=10, bias=3)) == Cost(macs=11, bias=3, norm=2)


def test_a_working_is_a_sum_of_products_and_its_value_is_the_number() -> None:
    terms = (((28, 28, 32), (5, 5, 16)), ((28, 28, 16), (192,)))
    assert working(terms) == "(28×28×32)×(5×5×16) + (28×28×16)×192"
    assert total(terms) == 10_035_200 + 2_408_448 == 12_443_648
    assert total(()) == 0


def test_a_node_reads_its_inputs_and_weights_once_and_writes_its_output() -> None:
    x = given(1, 192, 28, 28)
    read = 4 * (192 * 28 * 28) + 4 * (32 * 192 * 25 + 32)
    assert moved(ops.conv2d(x, 32, 5, padding=2)) == (read, 4 * 32 * 28 * 28)


def test_half_precision_moves_half_the_bytes() -> None:
    assert moved(ops.relu(given(1, 8, 4, 4, dtype="float16"))) == (2 * 128, 2 * 128)


@pytest.mark.parametrize(
    "view",
    [
        ops.flatten,
        lambda x: ops.reshape(x, (1, -1)),
        lambda x: ops.permute(x, (0, 2, 3, 1)),
        lambda x: ops.slice(x, 1, 0, 2),
    ],
)
def test_a_view_moves_no_byte(view: object) -> None:
    assert callable(view)
    assert moved(view(given(1, 4, 3, 3))) == (0, 0)


def test_joining_copies_every_input() -> None:
    builder = Builder()
    a, b = builder.input((1, 4, 3, 3)), builder.input((1, 2, 3, 3), name="b")
    assert moved(ops.concat([a, b])) == (4 * 54, 4 * 54)


def test_dropout_moves_bytes_in_training_alone() -> None:
    x = ops.dropout(given(1, 10))
    assert moved(x) == (0, 0)
    assert moved(x, training=True) == (40, 40)


def test_an_embedding_reads_the_rows_that_it_picks() -> None:
    words = given(1, 7, dtype="int64")
    assert moved(ops.embedding(words, 50_000, 16)) == (7 * 8 + 4 * 7 * 16, 4 * 7 * 16)


def test_an_embedding_of_integers_gives_floats() -> None:
    assert ops.embedding(given(1, 7, dtype="int64"), 10, 4).value.dtype == "float32"


def test_broadcasting_aligns_from_the_right() -> None:
    builder = Builder()
    shapes: tuple[Shape, ...] = ((2, 1, 4, 1), (3, 1, 5))
    xs = [builder.input(shape, name=f"x{index}") for index, shape in enumerate(shapes)]
    assert ops.mul(*xs).shape == (2, 3, 4, 5)
