"""The sums that lead from our multiply-adds to another tool's figure. That each figure is what the
installed tool says is held by tests/pytorch/test_crosscheck.py."""

import pytest

from archcalc import ops
from archcalc.analysis.conventions import CONVENTIONS, total
from archcalc.errors import UsageError
from archcalc.graph import Builder, Graph, Handle


def one(build, *shapes: tuple[int, ...], training: bool = False) -> Graph:
    """The graph of one function over handles."""
    builder = Builder()
    inputs = [builder.input(shape, f"x{index}") for index, shape in enumerate(shapes)]
    return builder.finish("one", {"output": build(*inputs)}, training=training)


def conv_bn_relu(x: Handle) -> Handle:
    return ops.relu(ops.batch_norm(ops.conv2d(x, 16, 3, padding=1)))


CONV = (8 * 8 * 16) * (3 * 3 * 4)
OUT = 8 * 8 * 16


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("paper", CONV),
        ("torch", CONV * 2),
        ("fvcore", CONV + 2 * OUT),
        ("torchinfo", CONV + OUT + (16 + 16)),  # biases, then BatchNorm's parameters
        ("thop", CONV + 4 * OUT),
        ("ptflops", CONV + OUT + 2 * OUT + 2 * OUT),  # biases, BatchNorm, ReLU twice
    ],
)
def test_convolution_with_bias_batch_norm_and_relu(convention: str, expected: int) -> None:
    result = total(one(conv_bn_relu, (1, 4, 8, 8)), convention)
    assert result.value == expected
    assert result.unit == CONVENTIONS[convention].unit


@pytest.mark.parametrize(
    ("convention", "build", "shape", "added"),
    [
        ("fvcore", ops.adaptive_avg_pool2d, (1, 4, 7, 7), 4 * 7 * 7),
        ("fvcore", ops.adaptive_avg_pool1d, (1, 4, 7), 0),  # it knows the 2d pool alone
        ("fvcore", lambda x: ops.batch_norm(x, affine=False), (1, 4, 7, 7), 4 * 7 * 7),
        ("fvcore", lambda x: ops.layer_norm(x, 4), (1, 7, 4), 5 * 7 * 4),
        ("fvcore", lambda x: ops.group_norm(x, 2, affine=False), (1, 4, 7), 4 * 4 * 7),
        ("torchinfo", lambda x: ops.embedding(x, 1000, 16), (2, 5), 2 * (1000 * 16)),
        ("torchinfo", lambda x: ops.layer_norm(x, 4), (2, 7, 4), 2 * (4 + 4)),
        ("thop", lambda x: ops.avg_pool2d(x, 2), (1, 4, 8, 8), 4 * 8 * 8 + 4 * 4 * 4),
        ("thop", ops.adaptive_avg_pool2d, (1, 4, 7, 7), 4 * 7 * 7 + 4),
        ("thop", lambda x: ops.softmax(x, 1), (2, 10), 2 * (10 + 9 + 10)),
        ("thop", ops.relu, (1, 10), 0),
        ("ptflops", lambda x: ops.max_pool2d(x, 2), (1, 4, 8, 8), 2 * (4 * 8 * 8)),
        ("ptflops", ops.gelu, (1, 10), 2 * 10),
        ("ptflops", ops.silu, (1, 10), 10),  # patched as a function, not hooked as a module
        ("ptflops", ops.sigmoid, (1, 10), 0),
        # Square, scale and shift, 4 × 8 × 8 each; average pool over 4 + 5 − 1 channels.
        (
            "ptflops",
            lambda x: ops.local_response_norm(x, 5),
            (1, 4, 8, 8),
            3 * (4 * 8 * 8) + 8 * 8 * 8,
        ),
    ],
)
def test_what_a_tool_adds_for_an_operator_without_multiply_adds(
    convention: str, build, shape: tuple[int, ...], added: int
) -> None:
    assert total(one(build, shape), convention).value == added


def test_average_pool_of_thop_reads_padding_only_where_it_is_averaged_in() -> None:
    # One dimension, 4 values, window 3, stride 2, padding 1: windows [-1, 2) and [1, 4).
    padded = one(lambda x: ops.avg_pool1d(x, 3, 2, 1), (1, 1, 4))
    inside = one(lambda x: ops.avg_pool1d(x, 3, 2, 1, count_include_pad=False), (1, 1, 4))
    assert total(padded, "thop").value == (3 + 3) + 2
    assert total(inside, "thop").value == (2 + 3) + 2


def test_fvcore_counts_batch_norm_with_five_in_training() -> None:
    graph = one(ops.batch_norm, (1, 4, 7, 7))
    assert total(graph, "fvcore").value == 2 * 4 * 7 * 7
    assert total(graph.train(), "fvcore").value == 5 * 4 * 7 * 7


def test_torchinfo_prices_a_transposed_convolution_by_its_output() -> None:
    graph = one(lambda x: ops.conv_transpose2d(x, 8, 2, stride=2, bias=False), (1, 4, 5, 5))
    macs, outputs = (5 * 5 * 4) * (2 * 2 * 8), 10 * 10
    assert [step.amount for step in total(graph, "torchinfo").steps] == [
        macs,
        (4 * 8 * 2 * 2) * outputs - macs,
    ]


def test_torchinfo_takes_a_linear_layer_once_for_each_first_index() -> None:
    graph = one(lambda x: ops.linear(x, 8, bias=False), (2, 7, 4))
    assert total(graph, "paper").value == (2 * 7 * 8) * 4
    assert total(graph, "torchinfo").value == 2 * (8 * 4)


def test_a_tool_that_does_not_see_matrix_products_says_so_in_its_steps() -> None:
    graph = one(ops.matmul, (1, 5, 4), (1, 4, 6))
    result = total(graph, "torchinfo")
    assert result.value == 0
    assert result.steps[1] == ("matmul, not counted: not a module with parameters", -(5 * 6) * 4)


def test_tools_that_switch_to_evaluation_leave_the_auxiliary_head_out() -> None:
    def with_head(x: Handle) -> Handle:
        ops.linear(x.in_training_only(), 3, bias=False, name="aux")
        return ops.linear(x, 5, bias=False)

    graph = one(with_head, (1, 4), training=True)
    assert total(graph, "paper").value == 4 * 5 + 4 * 3
    assert total(graph, "thop").value == 4 * 5
    assert total(graph, "thop").steps[1].amount == -4 * 3


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("training", [False, True])
def test_steps_begin_with_our_macs_and_add_up(convention: str, training: bool) -> None:
    result = total(one(conv_bn_relu, (2, 4, 8, 8), training=training), convention)
    assert result.steps[0] == ("multiply-adds", 2 * CONV)
    assert sum(step.amount for step in result.steps) == result.value
    assert len({step.label for step in result.steps}) == len(result.steps)
    assert all(step.amount for step in result.steps)


def test_an_unknown_convention_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="one of paper, torch, fvcore, torchinfo, thop, ptflops"):
        total(one(conv_bn_relu, (1, 4, 8, 8)), "deepspeed")
