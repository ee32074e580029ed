"""What an operator cannot take ends in one sentence that begins with the node's name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archcalc import ops
from archcalc.errors import ArchcalcError, DefinitionError, ShapeError
from archcalc.graph import Builder, Handle, Shape
from archcalc.ops import counters


def given(*shapes: Shape) -> list[Handle]:
    builder = Builder()
    return [builder.input(shape) for shape in shapes]


def test_a_window_larger_than_its_input_names_the_node() -> None:
    (x,) = given((1, 16, 3, 3))
    with x.scope("inception_3a"), x.scope("b5"), pytest.raises(DefinitionError) as caught:
        ops.conv2d(x, 32, 5)
    assert str(caught.value) == (
        "inception_3a.b5.conv: 5×5 window is larger than its 3×3 input (padding 0)"
    )
    assert caught.value.node == "inception_3a.b5.conv"


def test_the_error_carries_the_graph_up_to_the_node() -> None:
    (x,) = given((1, 3, 8, 8))
    x = ops.conv2d(x, 4, 3)
    with pytest.raises(DefinitionError) as caught:
        ops.max_pool2d(x, 7)
    partial = caught.value.partial
    assert [node.name for node in partial] == ["input", "conv"]
    assert partial.output.shape == (1, 4, 6, 6)


@pytest.mark.parametrize(
    ("shapes", "call", "words"),
    [
        (
            [(1, 3, 8, 8)],
            lambda x: ops.conv2d(x, 8, 3, groups=2),
            "conv: groups=2 must divide both the 3 input and the 8 output channels",
        ),
        (
            [(1, 4, 8, 8)],
            lambda x: ops.conv2d(x, 7, 3, groups=2),
            "conv: groups=2 must divide both the 4 input and the 7 output channels",
        ),
        (
            [(1, 4, 8)],
            lambda x: ops.conv2d(x, 8, 3),
            "conv: expected 4 dimensions (N, C, ...), got 1×4×8",
        ),
        (
            [(1, 3, 8, 8)],
            lambda x: ops.conv_transpose2d(x, 8, 3, groups=2),
            "conv_transpose: groups=2 must divide the 3 input channels",
        ),
        (
            [(1, 3, 4, 4)],
            lambda x: ops.max_pool2d(x, 5),
            "max_pool: 5×5 window is larger than its 4×4 input (padding 0)",
        ),
        (
            [(1, 3, 4, 4)],
            lambda x: ops.avg_pool2d(x, 3, padding=2),
            "avg_pool: padding 2×2 is more than half of the 3×3 window",
        ),
        (
            [(1, 3, 4, 4)],
            lambda x: ops.adaptive_avg_pool2d(x, 0),
            "adaptive_avg_pool: output_size (0, 0) must be at least 1",
        ),
        (
            [(1, 3, 4)],
            lambda x: ops.adaptive_max_pool2d(x, 1),
            "adaptive_max_pool: expected 4 dimensions (N, C, ...), got 1×3×4",
        ),
        (
            [(1, 30, 4, 4)],
            lambda x: ops.group_norm(x, 8),
            "group_norm: num_groups=8 must divide the 30 channels",
        ),
        (
            [(1, 16, 64)],
            lambda x: ops.layer_norm(x, 32),
            "layer_norm: normalized_shape (32,) is not the end of (1, 16, 64)",
        ),
        ([(5, 3), (4, 2)], ops.matmul, "matmul: cannot multiply 5×3 by 4×2"),
        (
            [(1, 8, 4, 4), (1, 8, 5, 4)],
            ops.add,
            "add: 1×8×4×4 and 1×8×5×4 do not broadcast (N×C×H×W)",
        ),
        (
            [(1, 8, 4, 4), (1, 8, 5, 4)],
            lambda a, b: ops.concat([a, b]),
            "concat: cannot join 1×8×4×4, 1×8×5×4 along dimension 1: other sizes differ",
        ),
        (
            [(1, 8), (1, 8, 1)],
            lambda a, b: ops.concat([a, b]),
            "concat: cannot join 1×8, 1×8×1 along dimension 1: other sizes differ",
        ),
        (
            [(1, 8)],
            lambda x: ops.concat([x], dim=2),
            "concat: dimension 2 does not exist in a tensor of 2 dimensions",
        ),
        ([(2, 6)], lambda x: ops.reshape(x, (4, 4)), "reshape: cannot reshape 2×6 to (4, 4)"),
        ([(2, 6)], lambda x: ops.reshape(x, (5, -1)), "reshape: cannot reshape 2×6 to (5, -1)"),
        ([(2, 6)], lambda x: ops.reshape(x, (-1, -1)), "reshape: cannot reshape 2×6 to (-1, -1)"),
        (
            [(1, 2, 3)],
            lambda x: ops.permute(x, (0, 2, 2)),
            "permute: dims (0, 2, 2) is not a permutation of the dimensions of 1×2×3",
        ),
        (
            [(1, 10)],
            lambda x: ops.slice(x, 1, 4, 11),
            "slice: slice 4:11 is not inside dimension 1 of 1×10",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(
    shapes: list[Shape], call: Callable[..., Handle], words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        call(*given(*shapes))
    assert str(caught.value) == words


def test_an_impossible_shape_is_an_archcalc_error_and_a_value_error() -> None:
    assert issubclass(DefinitionError, ShapeError)
    assert issubclass(ShapeError, ArchcalcError)
    assert issubclass(ShapeError, ValueError)


def test_an_operator_is_declared_once() -> None:
    with pytest.raises(ValueError, match="operator 'conv2d' is declared twice"):
        ops.operator(
            "conv2d", "conv", window="pointwise", counters=counters.NOTHING, saves="nothing"
        )


@pytest.mark.parametrize("settings", [{"groups": 0}, {"groups": -1}, {"out_channels": 0}])
@pytest.mark.parametrize("convolution", [ops.conv2d, ops.conv_transpose2d])
def test_a_convolution_needs_channels_and_groups(convolution, settings: dict[str, int]) -> None:
    x = Builder().input((1, 8, 4, 4))
    with pytest.raises(ShapeError, match="must be at least 1"):
        convolution(x, **{"out_channels": 8, "kernel_size": 1, **settings})
