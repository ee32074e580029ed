"""Window arithmetic agrees with torch's on random windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archcalc import ops
from archcalc.errors import ShapeError
from archcalc.graph import Builder, Handle, Shape

Call = Callable[[Any], Any]

sizes = st.integers(1, 12)
kernels = st.integers(1, 5)
strides = st.integers(1, 4)
paddings = st.integers(0, 3)
dilations = st.integers(1, 3)


def pairs(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(numbers, numbers)


def ours(shape: Shape, call: Callable[[Handle], Handle]) -> Shape | None:
    """Return the operator's output shape, or None if it rejects the window."""
    try:
        return call(Builder().input(shape)).shape
    except ShapeError:
        return None


def torchs(shape: Shape, call: Callable[[torch.Tensor], torch.Tensor], device: str) -> Shape | None:
    """Return torch's output shape, or None if torch rejects the window.

    An empty output, which torch may allow, counts as a rejection, because it is a mistake in a
    network.
    """
    try:
        result = tuple(call(torch.zeros(shape, device=device)).shape)
    except RuntimeError:
        return None
    return None if 0 in result else result


@settings(deadline=None, max_examples=200)
@given(pairs(sizes), pairs(kernels), pairs(strides), pairs(paddings), pairs(dilations))
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_convolution_has_torchs_shape_and_refuses_what_torch_refuses(
    device: str,
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
) -> None:
    shape = (1, 2, *size)
    weight = torch.zeros((4, 1, *kernel), device=device)
    assert ours(
        shape, lambda x: ops.conv2d(x, 4, kernel, stride, padding, dilation, groups=2, bias=False)
    ) == torchs(shape, lambda x: F.conv2d(x, weight, None, stride, padding, dilation, 2), device)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # slow, not wrong
@settings(deadline=None, max_examples=100)
@given(pairs(sizes), pairs(kernels), pairs(dilations), st.sampled_from(["same", "valid"]))
def test_padding_by_name_is_torchs(
    size: Shape, kernel: Shape, dilation: Shape, padding: str
) -> None:
    shape = (1, 1, *size)
    weight = torch.zeros((1, 1, *kernel), device="meta")
    assert ours(
        shape, lambda x: ops.conv2d(x, 1, kernel, padding=padding, dilation=dilation, bias=False)
    ) == torchs(shape, lambda x: F.conv2d(x, weight, padding=padding, dilation=dilation), "meta")


@settings(deadline=None, max_examples=400)
@given(
    pairs(sizes), pairs(kernels), pairs(strides), pairs(paddings), pairs(dilations), st.booleans()
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_max_pool_has_torchs_shape_and_refuses_what_torch_refuses(
    device: str,
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    ceil_mode: bool,
) -> None:
    shape = (1, 1, *size)
    window = kernel, stride, padding, dilation, ceil_mode
    assert ours(shape, lambda x: ops.max_pool2d(x, *window)) == torchs(
        shape, lambda x: F.max_pool2d(x, *window), device
    )


@settings(deadline=None, max_examples=400)
@given(pairs(sizes), pairs(kernels), pairs(strides), pairs(paddings), st.booleans(), st.booleans())
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_an_average_pool_has_torchs_shape_and_refuses_what_torch_refuses(
    device: str,
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    include: bool,
) -> None:
    shape = (1, 1, *size)
    window = kernel, stride, padding, ceil_mode, include
    assert ours(shape, lambda x: ops.avg_pool2d(x, *window)) == torchs(
        shape, lambda x: F.avg_pool2d(x, *window), device
    )


@settings(deadline=None, max_examples=200)
@given(sizes, kernels, strides, paddings, dilations, st.booleans())
def test_a_pool_over_a_line_has_torchs_shape(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> None:
    shape = (1, 1, size)
    assert ours(
        shape, lambda x: ops.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode)
    ) == torchs(
        shape, lambda x: F.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode), "cpu"
    )


@settings(deadline=None, max_examples=300)
@given(
    pairs(sizes),
    pairs(kernels),
    pairs(strides),
    pairs(paddings),
    pairs(st.integers(0, 3)),
    pairs(dilations),
)
def test_a_transposed_convolution_has_torchs_shape_and_refuses_what_torch_refuses(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    extra: Shape,
    dilation: Shape,
) -> None:
    shape = (1, 2, *size)
    weight = torch.zeros((2, 2, *kernel))
    assert ours(
        shape,
        lambda x: ops.conv_transpose2d(
            x, 4, kernel, stride, padding, extra, groups=2, bias=False, dilation=dilation
        ),
    ) == torchs(
        shape,
        lambda x: F.conv_transpose2d(x, weight, None, stride, padding, extra, 2, dilation),
        "cpu",
    )


@settings(deadline=None, max_examples=200)
@given(
    pairs(sizes), pairs(kernels), pairs(strides), pairs(paddings), pairs(st.integers(0, 3)),
    pairs(dilations),
)  # fmt: skip
def test_a_transposed_convolution_on_meta_has_the_same_shape(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    extra: Shape,
    dilation: Shape,
) -> None:
    shape = (1, 1, *size)
    weight = torch.zeros((1, 1, *kernel), device="meta")
    mine = ours(
        shape,
        lambda x: ops.conv_transpose2d(
            x, 1, kernel, stride, padding, extra, bias=False, dilation=dilation
        ),
    )
    assume(mine is not None)  # meta rejects less than other devices
    assert mine == torchs(
        shape,
        lambda x: F.conv_transpose2d(x, weight, None, stride, padding, extra, 1, dilation),
        "meta",
    )


@settings(deadline=None, max_examples=100)
@given(pairs(sizes), pairs(sizes))
def test_an_adaptive_pool_has_the_shape_that_was_asked_for(size: Shape, count: Shape) -> None:
    shape = (1, 1, *size)
    assert (
        ours(shape, lambda x: ops.adaptive_avg_pool2d(x, count))
        == ours(shape, lambda x: ops.adaptive_max_pool2d(x, count))
        == torchs(shape, lambda x: F.adaptive_avg_pool2d(x, count), "meta")
    )


@settings(deadline=None, max_examples=100)
@given(sizes, sizes)
def test_an_adaptive_pool_reads_as_many_values_as_its_gradient_reaches(
    size: int, count: int
) -> None:
    # The mean gives each value that it reads a gradient of 1/length; times the length, that is 1.
    x = torch.zeros((1, 1, size), dtype=torch.float64, requires_grad=True)
    y = F.adaptive_avg_pool1d(x, count)
    lengths = torch.tensor(
        [-(-(i + 1) * size // count) - i * size // count for i in range(count)],
        dtype=torch.float64,
    )
    (y * lengths).sum().backward()
    assert x.grad is not None
    node = ops.adaptive_avg_pool1d(Builder().input((1, 1, size)), count).builder.nodes[-1]
    assert ops.TABLE[node.op].cost(node).pooling == round(x.grad.sum().item())


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 2),
    st.tuples(sizes, sizes, sizes),
    st.tuples(kernels, kernels, kernels),
    strides,
    st.integers(0, 2),
)
def test_one_and_three_dimensions_follow_the_same_rule(
    channels: int, size: Shape, kernel: Shape, stride: int, padding: int
) -> None:
    solid, line = (1, channels, *size), (1, channels, size[0])
    three = torch.zeros((3, channels, *kernel), device="meta")
    one = torch.zeros((3, channels, kernel[0]), device="meta")
    assert ours(solid, lambda x: ops.conv3d(x, 3, kernel, stride, padding)) == torchs(
        solid, lambda x: F.conv3d(x, three, None, stride, padding), "meta"
    )
    assert ours(line, lambda x: ops.conv1d(x, 3, kernel[0], stride, padding)) == torchs(
        line, lambda x: F.conv1d(x, one, None, stride, padding), "meta"
    )
    assert ours(solid, lambda x: ops.max_pool3d(x, kernel, stride, padding)) == torchs(
        solid, lambda x: F.max_pool3d(x, kernel, stride, padding), "meta"
    )
    # torch rejects a three-dimensional average pool that only fits because of padding.
    assume(all(window <= room for window, room in zip(kernel, size, strict=True)))
    assert ours(solid, lambda x: ops.avg_pool3d(x, kernel, stride, padding)) == torchs(
        solid, lambda x: F.avg_pool3d(x, kernel, stride, padding), "meta"
    )
