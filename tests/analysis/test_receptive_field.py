"""Receptive fields, worked by hand and against the published ones."""

from fractions import Fraction

import pytest

import archcalc
from archcalc.analysis.receptive_field import Field, Reach, Unknown, receptive_fields
from archcalc.graph import Builder, Handle
from archcalc.ops import (
    adaptive_avg_pool2d,
    add,
    avg_pool2d,
    concat,
    conv2d,
    conv_transpose2d,
    flatten,
    interpolate,
    linear,
    max_pool2d,
    mul,
    pad,
    permute,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    reshape,
    slice,
)


def field(x: Handle) -> Reach | Unknown:
    graph = x.builder.finish("net", {"output": x})
    return receptive_fields(graph)[graph.nodes[-1].name]


def reach(x: Handle) -> Reach | None:
    found = field(x)
    return found if isinstance(found, Reach) else None


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
    assert isinstance(found, Reach)
    assert not found.largest.is_global


def test_a_transposed_convolution_halves_the_stride() -> None:
    half = Fraction(1, 2)
    found = reach(conv_transpose2d(start(), 8, 2, stride=2))
    assert found is not None
    assert found.largest == Field((1, 1), (half, half), (0, 0))


def test_down_and_up_again_sees_the_cell_and_what_the_skip_adds() -> None:
    x = start()
    low = conv2d(max_pool2d(x, 2), 8, 3, padding=1)  # 2 + 2·2 = 6 pixels, from -2, stride 2
    up = conv_transpose2d(low, 8, 2, stride=2)  # the same for both places of a cell
    # Beside the input itself: still 6, and the stride is 1 again.
    found = reach(concat([x, up]))
    assert found is not None
    assert (found.smallest.size, found.largest.size) == ((1, 1), (6, 6))
    assert (found.largest.stride, found.largest.offset) == ((1, 1), (-2, -2))


def test_interpolation_between_two_pixels_sees_both() -> None:
    found = reach(interpolate(start(), scale_factor=2, mode="bilinear"))
    assert found is not None
    # Output position 0 lies at -1/4: between pixels -1 and 0.
    assert found.largest == Field((2, 2), (Fraction(1, 2), Fraction(1, 2)), (-1, -1))


def test_a_channel_shuffle_moves_no_position() -> None:
    x = conv2d(start(), 8, 3, padding=1)
    shuffled = reshape(x, (1, 2, 4, 32, 32))
    shuffled = reshape(permute(shuffled, (0, 2, 1, 3, 4)), (1, 8, 32, 32))
    assert field(shuffled) == field(conv2d(start(), 8, 3, padding=1))


def test_space_to_depth_and_back_is_where_it_was() -> None:
    x = start()
    assert field(pixel_shuffle(pixel_unshuffle(x, 2), 2)) == field(relu(start()))
    found = reach(conv2d(pixel_unshuffle(start(), 2), 8, 1))
    assert found is not None
    assert found.largest == Field((2, 2), (2, 2), (0, 0))


def test_a_crop_moves_the_offset_and_a_branch_beside_it_widens_the_window() -> None:
    x = start()
    crop = slice(slice(x, 2, 3, 32), 3, 3, 32)
    found = reach(crop)
    assert found is not None
    assert found.largest == Field((1, 1), (1, 1), (3, 3))
    other = slice(slice(x, 2, 0, 29), 3, 0, 29)
    both = reach(add(crop, other))
    assert both is not None
    assert both.largest == Field((4, 4), (1, 1), (0, 0))


def test_padding_moves_the_offset_back() -> None:
    found = reach(conv2d(pad(start(), (1, 1, 2, 2)), 8, 3))
    assert found is not None
    assert found.largest == Field((3, 3), (1, 1), (-2, -1))


def test_adaptive_windows_that_do_not_divide_have_a_fractional_stride() -> None:
    found = reach(adaptive_avg_pool2d(start(10), 4))
    assert found is not None
    # Windows 0–2, 2–4, 5–7, 7–9: three pixels each, 5 pixels for every two positions.
    assert found.largest == Field((3, 3), (Fraction(5, 2), Fraction(5, 2)), (0, 0))


def test_branches_of_different_strides_are_unknown_and_say_where_they_meet() -> None:
    x = start()
    odd = add(slice(slice(x, 2, 0, 16), 3, 0, 16), max_pool2d(x, 2))
    assert field(odd) == Unknown("strides", "add")
    assert field(relu(odd)) == Unknown("strides", "add")


def test_an_input_that_is_not_an_image_is_unknown() -> None:
    assert field(linear(Builder().input((1, 8)), 4)) == Unknown("inputs", "input")


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
    reached = found[node]
    assert isinstance(reached, Reach)
    assert reached.largest.size == (size, size)


def test_a_concat_of_local_and_global_is_both() -> None:
    x = start(4)
    found = reach(concat([avg_pool2d(x, 4), max_pool2d(x, 1, stride=4)]))
    assert str(found) == "1×1 to global"
