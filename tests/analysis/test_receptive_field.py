"""Receptive fields, worked by hand and against the published ones."""

import pytest

import archcalc
from archcalc.analysis.receptive_field import Field, Reach, receptive_fields
from archcalc.graph import Builder, Handle
from archcalc.ops import (
    adaptive_avg_pool2d,
    avg_pool2d,
    concat,
    conv2d,
    conv_transpose2d,
    flatten,
    linear,
    max_pool2d,
    mul,
    relu,
)


def reach(x: Handle) -> Reach | None:
    graph = x.builder.finish("net", {"output": x})
    return receptive_fields(graph).get(graph.nodes[-1].name)


def start(size: int = 32) -> Handle:
    return Builder().input((1, 8, size, size))


def test_two_3x3_see_as_much_as_one_5x5() -> None:
    two = reach(conv2d(conv2d(start(), 8, 3, padding=1), 8, 3, padding=1))
    one = reach(conv2d(start(), 8, 5, padding=2))
    assert two == one
    assert one is not None
    assert one.largest == Field((5, 5), (1, 1), (-2, -2))


def test_a_stride_spreads_what_follows() -> None:
    x = conv2d(start(), 8, 3, stride=2, padding=1)  # 3, stride 2, from -1
    x = conv2d(x, 8, 3, padding=1)  # 3 + 2·2 = 7, from -1 - 2 = -3
    found = reach(max_pool2d(x, 2))  # 7 + 1·2 = 9, stride 4
    assert found is not None
    assert found.largest == Field((9, 9), (4, 4), (-3, -3))


def test_dilation_widens_the_window() -> None:
    found = reach(conv2d(start(), 8, 3, padding=2, dilation=2))
    assert found is not None
    assert found.largest.size == (5, 5)


def test_a_rectangular_window_is_followed_axis_by_axis() -> None:
    found = reach(conv2d(start(), 8, (1, 7), padding=(0, 3)))
    assert found is not None
    assert (found.largest.size, found.largest.offset) == ((1, 7), (0, -3))


def test_branches_give_the_smallest_and_the_largest() -> None:
    found = archcalc.graph("inception-reduced").profile().receptive_field
    assert found is not None
    assert (found.smallest.size, found.largest.size) == ((1, 1), (5, 5))
    assert str(found) == "1×1 to 5×5"


@pytest.mark.parametrize(
    "pool",
    [
        adaptive_avg_pool2d,
        lambda x: avg_pool2d(x, 32),
        lambda x: linear(flatten(x), 10),
    ],
)
def test_global_pooling_sees_everything_under_any_name(pool) -> None:  # type: ignore[no-untyped-def]  # a table of lambdas
    found = reach(pool(start()))
    assert found is not None
    assert str(found) == "global"


def test_a_gate_from_global_pooling_reaches_from_local_to_global() -> None:
    x = relu(conv2d(start(), 8, 3, padding=1))
    found = reach(mul(x, adaptive_avg_pool2d(x)))
    assert str(found) == "3×3 to global"


def test_a_pool_that_leaves_more_than_one_position_is_not_global() -> None:
    found = archcalc.graph("nin-mnist-v2").profile().receptive_fields["avg_pool"]
    assert not found.largest.is_global


def test_what_cannot_be_told_is_absent() -> None:
    assert reach(conv_transpose2d(start(), 8, 2, stride=2)) is None
    assert reach(linear(Builder().input((1, 8)), 4)) is None


@pytest.mark.parametrize(
    ("model", "node", "size"),
    [
        # Araujo et al. 2019, table 1: the last map in front of the classifier.
        ("vgg16", "pool5", 212),
        ("alexnet-torchvision", "pool5", 195),
        # 7, the pool 4 more; then each 3×3 adds twice the stride that it meets. (The table's 483 is
        # of an implementation that strides in the last block of a stage.)
        (
            "resnet50,stride_in=3x3",
            "conv5_3.relu",
            7 + 2 * 2 + 3 * 8 + (8 + 3 * 16) + (16 + 5 * 32) + (32 + 2 * 64),
        ),
    ],
)
def test_published_receptive_fields(model: str, node: str, size: int) -> None:
    found = archcalc.compare([model]).profiles[0].receptive_fields
    assert found[node].largest.size == (size, size)


def test_a_concat_of_local_and_global_is_both() -> None:
    x = start(4)
    found = reach(concat([avg_pool2d(x, 4), max_pool2d(x, 1, stride=4)]))
    assert str(found) == "1×1 to global"
