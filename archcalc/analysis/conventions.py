"""What other counters report for the same graph, as sums that start from our multiply-adds.

Every convention here was read off the tool's own source and is checked against the installed tool,
to the integer, on every operator and every registered model (``tests/pytorch/test_crosscheck.py``).
The totals are those that a tool gives for a network of ``torch.nn`` layers, ``+`` and ``*``, as
``archcalc.build`` makes it. Three of the tools look at modules, so the same network written with
functions can give them another number (:attr:`Convention.by_module`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from archcalc.errors import UsageError
from archcalc.graph import Graph, Node, numel
from archcalc.ops import TABLE
from archcalc.ops.window import adaptive_window


class Step(NamedTuple):
    """One term of a sum."""

    label: str
    amount: int


@dataclass(frozen=True, slots=True)
class ConventionTotal:
    """What one counter reports, and the way there from our multiply-adds."""

    convention: str
    value: int
    unit: str
    steps: tuple[Step, ...]
    """The first is our multiply-adds; they add up to ``value``."""


Rule = Callable[[Node, int, bool], Iterator[Step]]
"""(node, its multiply-adds, training) -> what the tool adds to them, or leaves out."""


@dataclass(frozen=True, slots=True)
class Convention:
    """One counter's way of counting."""

    name: str
    tool: str
    """Who counts so, and the release whose source was read."""
    unit: str
    describes: str
    """The whole convention in a sentence."""
    rule: Rule
    by_module: bool = False
    """The tool looks at modules: where a traced network computes with functions or with modules of
    its own, what the tool says of it can be another number."""
    evaluation_only: bool = False
    """The tool puts the model into evaluation mode, whatever mode it was in."""


def total(graph: Graph, convention: str = "paper") -> ConventionTotal:
    """The figure of one counter for this graph, with the steps from our multiply-adds to it.

    >>> import archcalc
    >>> for label, amount in total(archcalc.graph("inception-5x5"), "torchinfo").steps:
    ...     print(f"{amount:11,} {label}")
    120,422,400 multiply-adds
         25,088 1 per biased convolution output

    Raises UsageError for a convention that is not in :data:`CONVENTIONS`.
    """
    if convention not in CONVENTIONS:
        raise UsageError(f"unknown convention {convention!r}: one of {', '.join(CONVENTIONS)}")
    chosen = CONVENTIONS[convention]
    run = graph.eval() if chosen.evaluation_only else graph
    amounts = {"multiply-adds": sum(map(_macs, graph.executed))}
    if len(run.executed) < len(graph.executed):
        skipped = amounts["multiply-adds"] - sum(map(_macs, run.executed))
        amounts["training only, which this tool does not run"] = -skipped
    for node in run.executed:
        for label, amount in chosen.rule(node, _macs(node), run.training):
            amounts[label] = amounts.get(label, 0) + amount
    first, *rest = (Step(label, amount) for label, amount in amounts.items())
    steps = (first, *(step for step in rest if step.amount))
    return ConventionTotal(convention, sum(step.amount for step in steps), chosen.unit, steps)


def _macs(node: Node) -> int:
    return TABLE[node.op].cost(node).macs if node.op in TABLE else 0


def _paper(node: Node, macs: int, training: bool) -> Iterator[Step]:
    return iter(())


def _torch(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """``torch.utils.flop_counter``: 2·m·n·k of mm, addmm, bmm, baddbmm, convolution, attention."""
    yield Step("multiply and add counted apart", macs)


def _fvcore(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """``fvcore.nn.flop_count``: handles by the name of the operation in a ``torch.jit`` trace."""
    match node.op:
        case "conv1d" | "conv2d" | "conv3d" if isinstance(node.attrs["padding"], str):
            # Traced as aten::_convolution_mode, for which fvcore has no handle.
            yield Step("convolutions with padding by name, not counted", -macs)
        case "matmul":
            # The left operand's size times the right one's columns: no broadcasting to the left.
            left, right = node.inputs[0], node.inputs[1].shape
            seen = left.numel * right[-1]
            yield Step("matrix products whose left side is broadcast", seen - macs)
        case "batch_norm" if not _training(node, training):
            count = 2 if node.weights else 1
            yield Step(f"{count} per BatchNorm element{_bare(node)}", count * _size(node))
        case "batch_norm" | "layer_norm" | "group_norm":
            count = 5 if node.weights else 4
            mode = " in training" if node.op == "batch_norm" else ""
            yield Step(
                f"{count} per {LAYER[node.op]} element{_bare(node)}{mode}", count * _size(node)
            )
        case "adaptive_avg_pool2d":
            yield Step("1 per AdaptiveAvgPool2d input element", node.inputs[0].numel)
        case "upsample_nearest" if len(node.outputs[0].shape) == 4:
            yield Step("1 per nearest Upsample output", _size(node))
        case "upsample_bilinear":
            yield Step("4 per bilinear Upsample output", 4 * _size(node))
        case _ if macs and node.op not in DENSE:
            yield Step(f"{node.op}, not counted", -macs)


def _torchinfo(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """``torchinfo.layer_info.calculate_macs``: of a leaf module whose class is named "Conv", its
    parameters times batch and output positions; of any other, times the first output size alone."""
    out = node.outputs[0].shape
    weight, *bias = (numel(item.shape) for item in node.weights) if node.weights else (0,)
    match node.op:
        case "conv1d" | "conv2d" | "conv3d":
            yield Step("1 per biased convolution output", sum(bias) * _positions(out))
        case "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d":
            step = "transposed convolutions by output positions, not input's"
            yield Step(step, weight * _positions(out) - macs)
            yield Step("1 per biased convolution output", sum(bias) * _positions(out))
        case "linear":
            yield Step("linear layers, once for each first index alone", out[0] * weight - macs)
            yield Step("1 per bias of a linear layer", out[0] * sum(bias))
        case "embedding":
            yield Step("the whole table of an embedding", out[0] * weight)
        case "batch_norm" | "layer_norm" | "group_norm":
            yield Step("1 per weight and bias of a normalisation", out[0] * node.params)
        case _ if macs:
            yield Step(f"{node.op}, not seen: no module with parameters", -macs)


def _thop(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """``thop.vision.basic_hooks``; LRN and most activations have no rule there."""
    out = node.outputs[0]
    match node.op:
        case "batch_norm" | "layer_norm" | "group_norm":
            count = 4 if node.weights else 2
            yield Step(f"{count} per {LAYER[node.op]} element{_bare(node)}", count * _size(node))
        case "avg_pool1d" | "avg_pool2d" | "avg_pool3d":
            yield Step("1 per value that an AvgPool window reads", _values_read(node))
            yield Step("1 per AvgPool output", out.numel)
        case "adaptive_avg_pool1d" | "adaptive_avg_pool2d" | "adaptive_avg_pool3d":
            windows = map(adaptive_window, node.inputs[0].shape[2:], out.shape[2:])
            values = prod(out.shape[:2]) * prod(windows)
            yield Step("1 per value that an AdaptiveAvgPool window reads", values)
            yield Step("1 per AdaptiveAvgPool output", out.numel)
        case "softmax":
            rows = out.numel // out.shape[node.attrs["dim"]]
            yield Step(
                "exp, add and divide of Softmax, an addition less each row", 3 * out.numel - rows
            )
        case "upsample_linear" | "upsample_bilinear" | "upsample_bicubic" | "upsample_trilinear":
            mode = node.op.removeprefix("upsample_")
            count = {"linear": 5, "bilinear": 11, "bicubic": 259, "trilinear": 31}[mode]
            yield Step(f"{count} per {mode} Upsample output", count * out.numel)
        case _ if macs and node.op not in (*DENSE, "scaled_dot_product_attention"):
            yield Step(f"{node.op}, not counted", -macs)


def _ptflops(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """``ptflops.pytorch_engine``: hooks on modules, and patches on the functions that these modules
    call, so that a ReLU or a pool counts twice. What hooks count is divided by the batch."""
    size, batch = node.outputs[0].numel, node.inputs[0].shape[0] if node.inputs else 1
    match node.op:
        case "matmul":
            yield Step("matrix products written a @ b, not seen", -macs)
        case _ if macs and node.op not in DENSE:
            yield Step(f"{node.op}, not counted", -macs)
        case _ if macs:
            yield Step("per image, not per batch", macs // batch - macs)
            biased = size if len(node.weights) > 1 else 0
            yield Step("1 per biased output", biased // batch)
        case "batch_norm" | "group_norm" if node.weights:
            yield Step(f"2 per {LAYER[node.op]} element", 2 * size // batch)
        case "batch_norm" | "group_norm" | "layer_norm":
            yield Step(f"1 per {LAYER[node.op]} element{_bare(node)}", size // batch)
        case "relu" | "gelu":
            yield Step(f"1 per {LAYER[node.op]} output", size // batch)
            yield Step(f"1 per {LAYER[node.op]} output again, by its function", size)
        case "relu6" | "leaky_relu":
            yield Step(f"1 per {LAYER[node.op]} output", size // batch)
        case _ if node.op.startswith("upsample_"):
            # Its hook takes the first image for the whole batch.
            yield Step("1 per Upsample output", size // batch // batch)
            yield Step("1 per Upsample output again, by its function", size)
        case "silu" | "softmax":
            yield Step(f"1 per {LAYER[node.op]} element", size)
        case "local_response_norm":
            # Three products and sums element by element, and an average pool over padded channels.
            n, channels, *positions = node.outputs[0].shape
            padded = n * (channels + node.attrs["size"] - 1) * prod(positions)
            yield Step("3 per LRN element", 3 * size)
            yield Step("1 per value that the average pool inside LRN is given", padded)
        case _ if "_pool" in node.op and node.op in TABLE:
            given = node.inputs[0].numel
            yield Step("1 per pool input", given // batch)
            yield Step("1 per pool input again, by its function", given)


DENSE = frozenset(
    (
        *(f"conv{dims}d" for dims in (1, 2, 3)),
        *(f"conv_transpose{dims}d" for dims in (1, 2, 3)),
        "linear",
        "matmul",
    )
)
"""The operators that every tool here prices as multiply-adds."""


LAYER: Mapping[str, str] = {
    "batch_norm": "BatchNorm",
    "layer_norm": "LayerNorm",
    "group_norm": "GroupNorm",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "softmax": "Softmax",
}
"""torch's class of an operator, without its dimensions."""


def _values_read(node: Node) -> int:
    """What the windows of an average pool read, summed; padding is read where it is averaged in."""
    attrs = node.attrs
    windows = 1
    for axis, (size, count) in enumerate(
        zip(node.inputs[0].shape[2:], node.outputs[0].shape[2:], strict=True)
    ):
        kernel, stride, pad = (attrs[key][axis] for key in ("kernel_size", "stride", "padding"))
        low, high = (-pad, size + pad) if attrs["count_include_pad"] else (0, size)
        windows *= sum(
            max(min(start + kernel, high) - max(start, low), 0)
            for start in range(-pad, count * stride - pad, stride)
        )
    return prod(node.outputs[0].shape[:2]) * windows


def _positions(shape: tuple[int, ...]) -> int:
    """The batch times the places of an (N, C, *places) tensor."""
    return shape[0] * prod(shape[2:])


def _size(node: Node) -> int:
    return node.outputs[0].numel


def _bare(node: Node) -> str:
    return "" if node.weights else " without weights"


def _training(node: Node, training: bool) -> bool:
    return bool(node.attrs.get("training", training))


CONVENTIONS: Mapping[str, Convention] = {
    item.name: item
    for item in (
        Convention(
            "paper",
            "archcalc and the papers",
            "MACs",
            "multiply-adds of convolutions, linear layers and matrix products, nothing else",
            _paper,
        ),
        Convention(
            "torch",
            "torch.utils.flop_counter.FlopCounterMode (torch 2.14)",
            "FLOPs",
            "2 per multiply-add, nothing else",
            _torch,
        ),
        Convention(
            "fvcore",
            "fvcore.nn.FlopCountAnalysis (fvcore 0.1.5.post20221221)",
            "fvcore flops",
            "1 per multiply-add, 2 per BatchNorm element (5 in training), 5 per LayerNorm or "
            "GroupNorm element, 1 per AdaptiveAvgPool2d input element",
            _fvcore,
        ),
        Convention(
            "torchinfo",
            "torchinfo.summary (torchinfo 1.8.0)",
            "torchinfo mult-adds",
            "parameters times output positions of each layer, so biases and the parameters of "
            "normalisation are in and matrix products are not",
            _torchinfo,
            by_module=True,
        ),
        Convention(
            "thop",
            "thop.profile (ultralytics-thop 2.2.3)",
            "thop MACs",
            "1 per multiply-add, 4 per normalised element, 1 per value that an average pool reads "
            "and 1 per value that it gives",
            _thop,
            by_module=True,
            evaluation_only=True,
        ),
        Convention(
            "ptflops",
            "ptflops.get_model_complexity_info (ptflops 0.7.5, its pytorch backend)",
            "ptflops MACs",
            "1 per multiply-add and per biased output, 2 per BatchNorm element, 2 per ReLU output "
            "and per pool input",
            _ptflops,
            by_module=True,
            evaluation_only=True,
        ),
    )
}
"""Every convention by name, ours first."""
