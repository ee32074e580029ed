"""What other counters say about an operator, as corrections to our multiply-adds.

Every rule was read off the tool's own source. A row has one rule for each tool; families of rows
share theirs. That the sums are what the installed tools say is held by
``tests/pytorch/test_crosscheck.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import floor, prod
from typing import NamedTuple

from archcalc.graph import Node, numel
from archcalc.ops.window import adaptive_window


class Step(NamedTuple):
    """One term of a sum."""

    label: str
    amount: int


Rule = Callable[[Node, int, bool], Iterator[Step]]
"""(node, its multiply-adds, training) -> what the tool adds to them, or leaves out."""


def nothing(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """The tool counts the multiply-adds and nothing else."""
    return iter(())


def uncounted(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """The tool has no rule for it."""
    yield Step(f"{node.op}, not counted", -macs)


def twice(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """torch's counter: the multiplication and the addition."""
    yield Step("multiply and add counted apart", macs)


def unseen(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """torchinfo: it is not a module with parameters."""
    yield Step(f"{node.op}, not seen: no module with parameters", -macs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One operator's rule in each tool."""

    torch: Rule
    """``torch.utils.flop_counter``: 2·m·n·k of mm, addmm, bmm, baddbmm, convolution, attention."""
    fvcore: Rule
    """``fvcore.nn.flop_count``: handles by the name of the operation in a ``torch.jit`` trace."""
    torchinfo: Rule
    """``torchinfo.layer_info.calculate_macs``: of a leaf module whose class is named "Conv", its
    parameters times batch and output positions; of any other, times the first output size alone."""
    thop: Rule
    """``thop.vision.basic_hooks``; LRN and most activations have no rule there."""
    ptflops: Rule
    """``ptflops.pytorch_engine``: hooks on modules, and patches on the functions that these modules
    call, so that a ReLU or a pool counts twice. What hooks count is divided by the batch."""

    def but(self, **rules: Rule) -> Counters:
        """The same with other rules for some tools."""
        return replace(self, **rules)


NOTHING = Counters(torch=nothing, fvcore=nothing, torchinfo=nothing, thop=nothing, ptflops=nothing)
"""No tool counts anything: for operators without multiply-adds."""
UNSEEN = Counters(
    torch=twice, fvcore=uncounted, torchinfo=unseen, thop=uncounted, ptflops=uncounted
)
"""Multiply-adds that torch's counter alone finds, below its decompositions."""
UNKNOWN = UNSEEN.but(torch=uncounted)
"""Multiply-adds that no tool counts."""


# -- what several tools measure


def size(node: Node) -> int:
    return node.outputs[0].numel


def batch(node: Node) -> int:
    return node.inputs[0].shape[0]


def positions(shape: tuple[int, ...]) -> int:
    """The batch times the places of an (N, C, *places) tensor."""
    return shape[0] * prod(shape[2:])


def parameters(node: Node) -> tuple[int, int]:
    """The sizes of weight and bias, which are inputs where one of them is computed."""
    weight, *bias = [numel(item.shape) for item in node.weights or node.inputs[1:]] or [0]
    return weight, sum(bias)


def bare(node: Node) -> str:
    return "" if node.weights else " without weights"


def per_output(label: str, count: int = 1, *, per_image: bool = False) -> Rule:
    """So much for each output element, or for each of one image."""

    def rule(node: Node, macs: int, training: bool) -> Iterator[Step]:
        amount = count * size(node)
        yield Step(f"{count} per {label}", amount // batch(node) if per_image else amount)

    return rule


def both(*rules: Rule) -> Rule:
    def rule(node: Node, macs: int, training: bool) -> Iterator[Step]:
        for each in rules:
            yield from each(node, macs, training)

    return rule


# -- convolutions, linear layers, products


def fvcore_conv(node: Node, macs: int, training: bool) -> Iterator[Step]:
    if isinstance(node.attrs["padding"], str):
        # Traced as aten::_convolution_mode, for which fvcore has no handle.
        yield Step("convolutions with padding by name, not counted", -macs)


def torchinfo_conv(node: Node, macs: int, training: bool) -> Iterator[Step]:
    bias = parameters(node)[1]
    yield Step("1 per biased convolution output", bias * positions(node.outputs[0].shape))


def torchinfo_transposed(node: Node, macs: int, training: bool) -> Iterator[Step]:
    weight, bias = parameters(node)
    places = positions(node.outputs[0].shape)
    step = "transposed convolutions by output positions, not input's"
    yield Step(step, weight * places - macs)
    yield Step("1 per biased convolution output", bias * places)


def torchinfo_linear(node: Node, macs: int, training: bool) -> Iterator[Step]:
    weight, bias = parameters(node)
    first = node.outputs[0].shape[0]
    yield Step("linear layers, once for each first index alone", first * weight - macs)
    yield Step("1 per bias of a linear layer", first * bias)


def torchinfo_embedding(node: Node, macs: int, training: bool) -> Iterator[Step]:
    yield Step("the whole table of an embedding", node.outputs[0].shape[0] * parameters(node)[0])


def ptflops_layer(node: Node, macs: int, training: bool) -> Iterator[Step]:
    yield Step("per image, not per batch", macs // batch(node) - macs)
    biased = size(node) if len(node.weights) > 1 else 0
    yield Step("1 per biased output", biased // batch(node))


def ptflops_deform(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """A convolution; 24 for each place of each window to find its value, 25 with a mask."""
    places = positions(node.outputs[0].shape) * prod(node.attrs["kernel_size"])
    label = "24 per sampled place, 25 with a mask"
    yield from ptflops_layer(node, macs, training)
    yield Step(label, (24 + node.attrs["use_mask"]) * places // batch(node))


def torch_matmul(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """A vector on the right makes it ``mv`` or ``dot``, which torch's counter does not know; so
    does a vector on the left of a stack of matrices."""
    left, right = (len(value.shape) for value in node.inputs[:2])
    if right == 1 or (left == 1 and right > 2):
        yield from uncounted(node, macs, training)
    else:
        yield from twice(node, macs, training)


def fvcore_matmul(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """The left operand's size times the right one's columns: no broadcasting to the left."""
    seen = node.inputs[0].numel * node.inputs[1].shape[-1]
    yield Step("matrix products whose left side is broadcast", seen - macs)


def ptflops_matmul(node: Node, macs: int, training: bool) -> Iterator[Step]:
    yield Step("matrix products written a @ b, not seen", -macs)


def fvcore_addmm(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """addmm has a handle, its relatives with stacks and vectors have none."""
    if any(len(value.shape) != 2 for value in node.inputs[1:3]):
        yield from uncounted(node, macs, training)


STACKS = frozenset(("abc,abd->acd", "abc,adc->adb"))
"""Equations that fvcore counts by shapes. For any other it reads the number of operations, rounded
to four digits, from what ``numpy.einsum_path`` prints."""


def fvcore_einsum(node: Node, macs: int, training: bool) -> Iterator[Step]:
    equation = node.attrs["equation"].replace(" ", "")
    letters = dict.fromkeys(filter(str.isalpha, equation))
    renamed = equation.translate({ord(each): 97 + at for at, each in enumerate(letters)})
    if renamed in STACKS:
        return
    operations = 2 * macs or size(node)
    seen = floor(float(f"{operations:.3e}") / 2)
    yield Step("einsum, rounded to four digits", seen - macs)


LAYER = Counters(
    torch=twice,
    fvcore=nothing,
    torchinfo=torchinfo_linear,
    thop=nothing,
    ptflops=ptflops_layer,
)
"""A linear layer."""
CONV = LAYER.but(fvcore=fvcore_conv, torchinfo=torchinfo_conv)
DEFORM_CONV = CONV.but(torch=uncounted, fvcore=uncounted, thop=uncounted, ptflops=ptflops_deform)
CONV_TRANSPOSE = LAYER.but(torchinfo=torchinfo_transposed)
MATMUL = UNSEEN.but(torch=torch_matmul, fvcore=fvcore_matmul, thop=nothing, ptflops=ptflops_matmul)
ADDMM = UNSEEN.but(fvcore=fvcore_addmm)
EINSUM = UNSEEN.but(fvcore=fvcore_einsum)
ATTENTION = UNSEEN.but(thop=nothing)
EMBEDDING = NOTHING.but(torchinfo=torchinfo_embedding)


# -- normalisation


def scaled(node: Node) -> bool:
    """Whether it has a weight, be it a parameter or computed."""
    return bool(node.weights) or len(node.inputs) > 1


def fvcore_norm(layer: str, *, batch_statistics: bool = False) -> Rule:
    def rule(node: Node, macs: int, training: bool) -> Iterator[Step]:
        weighted = scaled(node)
        plain = "" if weighted else " without weights"
        if batch_statistics and not node.attrs.get("training", training):
            count = 2 if weighted else 1
            yield Step(f"{count} per {layer} element{plain}", count * size(node))
        else:
            count = 5 if weighted else 4
            mode = " in training" if batch_statistics else ""
            yield Step(f"{count} per {layer} element{plain}{mode}", count * size(node))

    return rule


def torchinfo_batch_norm(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """torchinfo looks at modules without children. torch's own is one and calls the function alone,
    so that the node has the module's name; a module that adds an activation is not looked at."""
    if node.weights:
        module = node.weights[0].name.rpartition(".")[0]
        again = node.name.removeprefix(f"{module}_")  # the second call of a module has a number
        if not module or node.name == module or again.isdigit():
            yield from torchinfo_norm(node, macs, training)


def torchinfo_norm(node: Node, macs: int, training: bool) -> Iterator[Step]:
    first = node.outputs[0].shape[0]
    yield Step("1 per weight and bias of a normalisation", first * node.params)


def thop_norm(layer: str) -> Rule:
    def rule(node: Node, macs: int, training: bool) -> Iterator[Step]:
        count = 4 if node.weights else 2
        yield Step(f"{count} per {layer} element{bare(node)}", count * size(node))

    return rule


def ptflops_norm(layer: str, weighted: int) -> Rule:
    def rule(node: Node, macs: int, training: bool) -> Iterator[Step]:
        count = weighted if node.weights else 1
        yield Step(f"{count} per {layer} element{bare(node)}", count * size(node) // batch(node))

    return rule


def norm(layer: str, *, weighted: int, batch_statistics: bool = False) -> Counters:
    """A normalisation; ptflops counts ``weighted`` an element where it has parameters."""
    return Counters(
        torch=nothing,
        fvcore=fvcore_norm(layer, batch_statistics=batch_statistics),
        torchinfo=torchinfo_batch_norm if batch_statistics else torchinfo_norm,
        thop=thop_norm(layer),
        ptflops=ptflops_norm(layer, weighted),
    )


def ptflops_local_response(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """Three products and sums element by element, and an average pool over padded channels."""
    n, channels, *places = node.outputs[0].shape
    padded = n * (channels + node.attrs["size"] - 1) * prod(places)
    yield Step("3 per LRN element", 3 * size(node))
    yield Step("1 per value that the average pool inside LRN is given", padded)


LOCAL_RESPONSE = NOTHING.but(ptflops=ptflops_local_response)


# -- activations


def thop_softmax(node: Node, macs: int, training: bool) -> Iterator[Step]:
    out = node.outputs[0]
    rows = out.numel // out.shape[node.attrs["dim"]]
    yield Step("exp, add and divide of Softmax, an addition less each row", 3 * out.numel - rows)


def rectifier(layer: str) -> Counters:
    """ptflops counts the module and, where that calls a function it patches, the function too."""
    module = per_output(f"{layer} output", per_image=True)
    function = per_output(f"{layer} output again, by its function")
    return NOTHING.but(ptflops=both(module, function))


SILU = NOTHING.but(ptflops=per_output("SiLU element"))
SOFTMAX = NOTHING.but(thop=thop_softmax, ptflops=per_output("Softmax element"))


# -- pools, sampling


def values_read(node: Node) -> int:
    """What the windows of an average pool read, summed; padding is read where it is averaged in."""
    attrs = node.attrs
    read = prod(node.outputs[0].shape[:2])
    for axis, (length, count) in enumerate(
        zip(node.inputs[0].shape[2:], node.outputs[0].shape[2:], strict=True)
    ):
        kernel, stride, pad = (attrs[key][axis] for key in ("kernel_size", "stride", "padding"))
        left, right = (0, pad) if attrs["count_include_pad"] else (pad, 0)
        last = (count - 1) * stride + kernel - pad  # where the last window ends
        outside = past_edge(left, stride, count) + past_edge(last - length - right, stride, count)
        read *= count * kernel - outside
    return read


def past_edge(most: int, stride: int, count: int) -> int:
    """What ``count`` windows have beyond one edge: ``most`` of the outermost, ``stride`` less of
    each one further in."""
    total = 0
    while most > 0 and count > 0:
        total += most
        most -= stride
        count -= 1
    return total


def thop_avg_pool(node: Node, macs: int, training: bool) -> Iterator[Step]:
    yield Step("1 per value that an AvgPool window reads", values_read(node))
    yield Step("1 per AvgPool output", size(node))


def thop_adaptive(node: Node, macs: int, training: bool) -> Iterator[Step]:
    out = node.outputs[0].shape
    windows = map(adaptive_window, node.inputs[0].shape[2:], out[2:])
    values = prod(out[:2]) * prod(windows)
    yield Step("1 per value that an AdaptiveAvgPool window reads", values)
    yield Step("1 per AdaptiveAvgPool output", size(node))


def fvcore_adaptive(node: Node, macs: int, training: bool) -> Iterator[Step]:
    yield Step("1 per AdaptiveAvgPool2d input element", node.inputs[0].numel)


def ptflops_pool(node: Node, macs: int, training: bool) -> Iterator[Step]:
    given = node.inputs[0].numel
    yield Step("1 per pool input", given // batch(node))
    yield Step("1 per pool input again, by its function", given)


MAX_POOL = NOTHING.but(ptflops=ptflops_pool)
AVG_POOL = MAX_POOL.but(thop=thop_avg_pool)
ADAPTIVE_AVG_POOL = MAX_POOL.but(thop=thop_adaptive)
ADAPTIVE_AVG_POOL_2D = ADAPTIVE_AVG_POOL.but(fvcore=fvcore_adaptive)


def fvcore_nearest(node: Node, macs: int, training: bool) -> Iterator[Step]:
    if len(node.outputs[0].shape) == 4:
        yield Step("1 per nearest Upsample output", size(node))


def ptflops_upsample(node: Node, macs: int, training: bool) -> Iterator[Step]:
    """Its hook takes the first image for the whole batch."""
    yield Step("1 per Upsample output", size(node) // batch(node) // batch(node))
    yield Step("1 per Upsample output again, by its function", size(node))


UPSAMPLE = NOTHING.but(ptflops=ptflops_upsample)
NEAREST = UPSAMPLE.but(fvcore=fvcore_nearest)


def upsample(mode: str, thop: int) -> Counters:
    """An interpolation, for which thop counts so much an output element."""
    return UPSAMPLE.but(thop=per_output(f"{mode} Upsample output", thop))


BILINEAR = upsample("bilinear", 11).but(fvcore=per_output("bilinear Upsample output", 4))
GRID_SAMPLE = NOTHING.but(fvcore=per_output("grid_sample output", 4))
