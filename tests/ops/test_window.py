"""Window arithmetic against cases worked by hand."""

from __future__ import annotations

import pytest

from archcalc import ops
from archcalc.errors import ShapeError
from archcalc.ops.window import (
    adaptive_window,
    conv_positions,
    each,
    pool_positions,
    transposed_positions,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "count"),
    [
        (28, 5, 1, 2, 1, 28 + 2 * 2 - 5 + 1),
        (227, 11, 4, 0, 1, (227 - 11) // 4 + 1),  # AlexNet's 55
        (224, 11, 4, 0, 1, (224 - 11) // 4 + 1),  # and its 54 at 224: 53.25 steps
        (224, 7, 2, 3, 1, 112),  # 223/2 steps, rounded down
        (5, 3, 1, 0, 1, 3),
        (5, 3, 2, 0, 1, 2),
        (5, 3, 1, 2, 2, 5),  # spans 5: the dilated 3×3 that stands for a 5×5
        (5, 5, 1, 0, 1, 1),
        (1, 1, 7, 0, 9, 1),
        (10**9, 3, 2, 1, 1, 5 * 10**8),
    ],
)
def test_a_convolution_takes_so_many_positions(
    size: int, kernel: int, stride: int, padding: int, dilation: int, count: int
) -> None:
    assert conv_positions((size,), (kernel,), (stride,), (padding,), (dilation,)) == (count,)


def test_padding_same_keeps_the_size_and_valid_is_none() -> None:
    assert conv_positions((9, 7), (4, 3), (1, 1), "same", (1, 2)) == (9, 7)
    assert conv_positions((9, 7), (4, 3), (1, 1), "valid", (1, 2)) == (6, 3)


def test_padding_same_refuses_a_stride() -> None:
    with pytest.raises(ShapeError, match="padding 'same' needs stride 1; got 2×1"):
        conv_positions((9, 7), (3, 3), (2, 1), "same", (1, 1))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "down", "up"),
    [
        (112, 3, 2, 0, 1, 55, 56),  # 109/2 steps: GoogLeNet's pools round up
        (14, 3, 2, 0, 1, 6, 7),
        (14, 2, 2, 0, 1, 7, 7),  # nothing to round
        (32, 3, 2, 1, 1, 16, 17),  # NiN: 31/2 steps; rounded up, window 17 starts at 31 < 33
        (28, 3, 1, 1, 1, 28, 28),
        (55, 3, 2, 0, 1, 27, 27),
        # Rounding up asks for a window that would start in the right padding or beyond: dropped.
        (3, 2, 3, 1, 1, 2, 2),  # starts at −1 and 2
        (2, 2, 3, 1, 1, 1, 1),  # a second window would start at 2, in the right padding
        (3, 1, 3, 0, 1, 1, 1),  # would start at 3, beyond 0..2
        (4, 2, 4, 1, 1, 2, 2),  # starts at −1 and 3, which holds the last value
        (7, 3, 2, 0, 2, 2, 2),  # spans 5: 2/2 steps
        (8, 3, 2, 0, 2, 2, 3),  # spans 5: 3/2 steps
    ],
)
def test_a_pool_takes_so_many_positions_rounding_down_and_up(
    size: int, kernel: int, stride: int, padding: int, dilation: int, down: int, up: int
) -> None:
    window = (size,), (kernel,), (stride,), (padding,), (dilation,)
    assert pool_positions(*window, ceil_mode=False) == (down,)
    assert pool_positions(*window, ceil_mode=True) == (up,)


def test_a_pool_refuses_padding_of_more_than_half_its_window() -> None:
    with pytest.raises(ShapeError, match="padding 2×2 is more than half of the 3×3 window"):
        pool_positions((8, 8), (3, 3), (2, 2), (2, 2), (1, 1), ceil_mode=False)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "extra", "dilation", "count"),
    [
        (7, 2, 2, 0, 0, 1, 14),
        (7, 3, 2, 1, 1, 1, 6 * 2 - 2 + 2 + 1 + 1),
        (7, 4, 2, 1, 0, 1, 14),
        (1, 4, 1, 0, 0, 1, 4),
        (3, 3, 1, 0, 1, 2, 2 + 2 * 2 + 1 + 1),
    ],
)
def test_a_transposed_convolution_yields_so_many_positions(
    size: int, kernel: int, stride: int, padding: int, extra: int, dilation: int, count: int
) -> None:
    window = (size,), (kernel,), (stride,), (padding,), (extra,), (dilation,)
    assert transposed_positions(*window) == (count,)


def test_a_transposed_convolution_refuses_what_torch_refuses() -> None:
    with pytest.raises(ShapeError, match="output_padding 2 must be smaller than the stride 2"):
        transposed_positions((7,), (3,), (2,), (1,), (2,), (1,))
    with pytest.raises(ShapeError, match="padding 1 removes the whole output"):
        transposed_positions((1,), (2,), (1,), (1,), (0,), (1,))


@pytest.mark.parametrize(
    ("size", "count", "read"),
    [
        (7, 1, 7),
        (12, 6, 12),
        (10, 4, 3 + 3 + 3 + 3),  # [0,3) [2,5) [5,8) [7,10)
        (7, 3, 3 + 3 + 3),  # [0,3) [2,5) [4,7)
        (2, 3, 1 + 2 + 1),  # [0,1) [0,2) [1,2): more outputs than inputs
        (10**9, 1, 10**9),
    ],
)
def test_the_windows_of_an_adaptive_pool_read_so_many_values(
    size: int, count: int, read: int
) -> None:
    assert adaptive_window(size, count) == read


@pytest.mark.parametrize(
    ("padding", "dilation", "note"),
    [
        ((0, 0), (1, 1), "padding 0"),
        ((0, 1), (1, 1), "padding 0×1"),
        ((1, 1), (3, 3), "padding 1, dilation 3"),
        ((0, 0), (1, 2), "padding 0, dilation 1×2"),
    ],
)
def test_a_window_that_does_not_fit_says_by_what(
    padding: tuple[int, int], dilation: tuple[int, int], note: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        conv_positions((2, 3), (5, 5), (1, 1), padding, dilation)
    assert str(caught.value) == f"5×5 window is larger than its 2×3 input ({note})"


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(0, 1, 0, 1), (3, 0, 0, 1), (3, 1, -1, 1), (3, 1, 0, 0), (-3, 1, 0, 1)],
)
def test_a_window_without_extent_or_step_is_refused(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    words = (
        f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1, "
        f"and padding {padding} at least 0"
    )
    window = (8,), (kernel,), (stride,), (padding,)
    with pytest.raises(ShapeError, match=words):
        conv_positions(*window, (dilation,))
    with pytest.raises(ShapeError, match=words):
        pool_positions(*window, (dilation,), ceil_mode=True)
    with pytest.raises(ShapeError, match=words):
        transposed_positions(*window, (0,), (dilation,))


def test_one_number_stands_for_every_dimension_and_a_tuple_must_fit() -> None:
    assert each(3, 2) == (3, 3)
    assert each((3, 1), 2) == (3, 1)
    with pytest.raises(ShapeError, match=r"expected 2 numbers, got \(3, 3, 3\)"):
        each((3, 3, 3), 2)


def test_a_row_that_does_not_say_what_happens_to_positions_is_an_error_at_import() -> None:
    with pytest.raises(TypeError, match="window"):
        ops.operator("no_such_operator", "elementwise")
