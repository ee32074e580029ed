"""How other counters count each operator, as corrections to archcalc's multiply-adds.

Every rule follows the tool's own source code. Each operator has one rule per tool; operators of a
family share their rules. ``tests/pytorch/test_crosscheck.py`` compares the sums with the installed
tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import floor, prod
from typing import NamedTuple

from archcalc.graph import Node, numel
from archcalc.language import Message, mark
from archcalc.ops.window import adaptive_window


class Correction(NamedTuple):
    """One term of a sum."""

    label: str
    amount: int


class Run(NamedTuple):
    """The run that a node is part of, as far as a tool sees it."""

    training: bool
    batch: int
    """The length of the model's first input: ptflops divides its hooks' counts by it."""


Rule = Callable[[Node, int, Run], Iterator[Correction]]
"""(node, its multiply-adds, the run) -> the steps that the tool adds or leaves out."""


def nothing(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """The tool counts the multiply-adds and nothing else."""
    return iter(())


def uncounted(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """The tool has no rule for it."""
    yield Correction(Message("{op}, not counted", op=node.op), -macs)


def unmultiplied(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """The tool hooks only the layer, so it misses the multiply-adds of a call of the function."""
    if macs:
        yield from uncounted(node, macs, run)


def twice(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """torch's counter counts the multiplication and the addition."""
    yield Correction(mark("multiply and add counted separately"), macs)


def unseen(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """torchinfo counts only modules with parameters, and this is not one."""
    yield Correction(Message("{op}, not counted: not a module with parameters", op=node.op), -macs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One operator's rule in each tool."""

    torch: Rule
    """``torch.utils.flop_counter``: 2·m·n·k of mm, addmm, bmm, baddbmm, convolution, attention."""
    fvcore: Rule
    """``fvcore.nn.flop_count``: handlers by the name of the operation in a ``torch.jit`` trace."""
    torchinfo: Rule
    """``torchinfo.layer_info.calculate_macs``: for a leaf module with "Conv" in its class name, its
    parameters times batch and output positions; for any other, times the first output size only."""
    thop: Rule
    """``thop.vision.basic_hooks``, which have no rule for LRN and most activations."""
    ptflops: Rule
    """``ptflops.pytorch_engine``: hooks on modules, and patches on the functions that these modules
    call, so a ReLU or a pool counts twice. The hooks' counts are divided by the batch."""
    thop_function: Rule
    """thop's rule for a call of the function, outside any layer of ``torch.nn``."""
    ptflops_function: Rule
    """ptflops's rule for a call of the function, or by a subclass of torch's layer."""

    def with_rules(self, **rules: Rule) -> Counters:
        """The same with other rules for some tools."""
        return replace(self, **rules)


NOTHING = Counters(
    torch=nothing,
    fvcore=nothing,
    torchinfo=nothing,
    thop=nothing,
    ptflops=nothing,
    thop_function=unmultiplied,
    ptflops_function=unmultiplied,
)
"""No tool counts anything beyond multiply-adds. For operators without any."""
UNSEEN = NOTHING.with_rules(
    torch=twice, fvcore=uncounted, torchinfo=unseen, thop=uncounted, ptflops=uncounted
)
"""Multiply-adds that only torch's counter finds, below its decompositions."""
UNKNOWN = UNSEEN.with_rules(torch=uncounted)
"""Multiply-adds that no tool counts."""


# -- amounts that several tools use


def size(node: Node) -> int:
    return node.outputs[0].numel


def positions(shape: tuple[int, ...]) -> int:
    """The batch times the positions of an (N, C, *spatial) tensor."""
    return shape[0] * prod(shape[2:])


def parameters(node: Node) -> tuple[int, int]:
    """The sizes of weight and bias; they are inputs if one of them is computed."""
    weight, *bias = [numel(item.shape) for item in node.weights or node.inputs[1:]] or [0]
    return weight, sum(bias)


def each_output(label: str, count: int = 1, *, per_image: bool = False, **names: str) -> Rule:
    """``count`` operations per output element, of the whole batch or of one image. The label is a
    message with the values ``count`` and ``names``."""
    message = Message(label, count=count, **names)

    def rule(node: Node, macs: int, run: Run) -> Iterator[Correction]:
        amount = count * size(node)
        yield Correction(message, amount // run.batch if per_image else amount)

    return rule


def both(*rules: Rule) -> Rule:
    """All steps of several rules."""

    def rule(node: Node, macs: int, run: Run) -> Iterator[Correction]:
        for each in rules:
            yield from each(node, macs, run)

    return rule


# -- convolutions, linear layers, products


def fvcore_conv(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    if isinstance(node.attrs["padding"], str):
        # Traced as aten::_convolution_mode, for which fvcore has no handler.
        yield Correction(mark("convolutions with padding given by name, not counted"), -macs)


def torchinfo_conv(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    bias = parameters(node)[1]
    yield Correction(
        mark("1 per biased convolution output"), bias * positions(node.outputs[0].shape)
    )


def torchinfo_transposed(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    weight, bias = parameters(node)
    places = positions(node.outputs[0].shape)
    step = mark("transposed convolutions by output positions, not input positions")
    yield Correction(step, weight * places - macs)
    yield Correction(mark("1 per biased convolution output"), bias * places)


def torchinfo_linear(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    weight, bias = parameters(node)
    first = node.outputs[0].shape[0]
    yield Correction(mark("linear layers, by the first dimension only"), first * weight - macs)
    yield Correction(mark("1 per bias of a linear layer"), first * bias)


def torchinfo_embedding(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(
        mark("the whole table of an embedding"), node.outputs[0].shape[0] * parameters(node)[0]
    )


def ptflops_layer(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("per image, not per batch"), macs // run.batch - macs)
    biased = size(node) if len(node.weights) > 1 else 0
    yield Correction(mark("1 per biased output"), biased // run.batch)


def ptflops_deform(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """A convolution, and 24 operations (25 with a mask) per sampled position of each window."""
    places = positions(node.outputs[0].shape) * prod(node.attrs["kernel_size"])
    label = mark("24 per sampled place, 25 with a mask")
    yield from ptflops_layer(node, macs, run)
    yield Correction(label, (24 + node.attrs["use_mask"]) * places // run.batch)


def torch_matmul(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """torch's counter does not know ``mv`` and ``dot``, which run if the right operand is a vector,
    or if a vector is multiplied with a batch of matrices."""
    left, right = (len(value.shape) for value in node.inputs[:2])
    if right == 1 or (left == 1 and right > 2):
        yield from uncounted(node, macs, run)
    else:
        yield from twice(node, macs, run)


def fvcore_matmul(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """The size of the left operand times the columns of the right one, without broadcasting the
    left one."""
    seen = node.inputs[0].numel * node.inputs[1].shape[-1]
    yield Correction(mark("matrix products whose left side is broadcast"), seen - macs)


def ptflops_matmul(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("matrix products written a @ b, not counted"), -macs)


def fvcore_addmm(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """fvcore has a handler for addmm, but none for its variants with batches or vectors."""
    if any(len(value.shape) != 2 for value in node.inputs[1:3]):
        yield from uncounted(node, macs, run)


STACKS = frozenset(("abc,abd->acd", "abc,adc->adb"))
"""Equations that fvcore counts from shapes. For any other, it parses the number of operations,
rounded to four digits, from the text of ``numpy.einsum_path``."""


def fvcore_einsum(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    equation = node.attrs["equation"].replace(" ", "")
    letters = dict.fromkeys(filter(str.isalpha, equation))
    renamed = equation.translate({ord(each): 97 + at for at, each in enumerate(letters)})
    if renamed in STACKS:
        return
    operations = 2 * macs or size(node)
    seen = floor(float(f"{operations:.3e}") / 2)
    yield Correction(mark("einsum, rounded to four digits"), seen - macs)


LAYER = NOTHING.with_rules(
    torch=twice, torchinfo=torchinfo_linear, ptflops=ptflops_layer, thop_function=nothing
)
"""Rules for a linear layer."""
CONV = LAYER.with_rules(fvcore=fvcore_conv, torchinfo=torchinfo_conv, thop_function=unmultiplied)
DEFORM_CONV = CONV.with_rules(
    torch=uncounted, fvcore=uncounted, thop=uncounted, ptflops=ptflops_deform
)
CONV_TRANSPOSE = CONV.with_rules(fvcore=nothing, torchinfo=torchinfo_transposed)
MATMUL = UNSEEN.with_rules(
    torch=torch_matmul,
    fvcore=fvcore_matmul,
    thop=nothing,
    ptflops=ptflops_matmul,
    thop_function=nothing,
    ptflops_function=ptflops_matmul,
)
ADDMM = UNSEEN.with_rules(fvcore=fvcore_addmm)
EINSUM = UNSEEN.with_rules(fvcore=fvcore_einsum, thop=nothing, thop_function=nothing)
ATTENTION = UNSEEN.with_rules(thop=nothing, thop_function=nothing)
EMBEDDING = NOTHING.with_rules(torchinfo=torchinfo_embedding)


# -- normalisation


def scaled(node: Node) -> bool:
    """Whether it has a weight, as a parameter or computed."""
    return bool(node.weights) or len(node.inputs) > 1


def per_element(layer: str, count: int, weighted: bool) -> Message:
    step = Message("{count} per {layer} element", count=count, layer=layer)
    return step if weighted else Message("{step} without weights", step=step)


def fvcore_norm(layer: str, *, batch_statistics: bool = False) -> Rule:
    def rule(node: Node, macs: int, run: Run) -> Iterator[Correction]:
        weighted = scaled(node)
        if batch_statistics and not node.attrs.get("training", run.training):
            count = 2 if weighted else 1
            yield Correction(per_element(layer, count, weighted), count * size(node))
            return
        count = 5 if weighted else 4
        step = per_element(layer, count, weighted)
        if batch_statistics:
            step = Message("{step} in training", step=step)
        yield Correction(step, count * size(node))

    return rule


def torchinfo_batch_norm(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """torchinfo counts only modules without children. torch's own BatchNorm is one, and its node
    has the module's name. A module that also applies an activation is not counted."""
    if node.weights:
        module = node.weights[0].name.rpartition(".")[0]
        again = node.name.removeprefix(f"{module}_")  # the second call of a module has a number
        if not module or node.name == module or again.isdigit():
            yield from torchinfo_norm(node, macs, run)


def torchinfo_norm(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    first = node.outputs[0].shape[0]
    yield Correction(mark("1 per weight and bias of a normalisation or PReLU"), first * node.params)


def thop_norm(layer: str) -> Rule:
    def rule(node: Node, macs: int, run: Run) -> Iterator[Correction]:
        count = 4 if node.weights else 2
        yield Correction(per_element(layer, count, bool(node.weights)), count * size(node))

    return rule


def ptflops_norm(layer: str, weighted: int) -> Rule:
    def rule(node: Node, macs: int, run: Run) -> Iterator[Correction]:
        count = weighted if node.weights else 1
        yield Correction(
            per_element(layer, count, bool(node.weights)), count * size(node) // run.batch
        )

    return rule


def norm(layer: str, *, weighted: int, batch_statistics: bool = False) -> Counters:
    """A normalisation; ptflops counts ``weighted`` per element if it has parameters."""
    return NOTHING.with_rules(
        fvcore=fvcore_norm(layer, batch_statistics=batch_statistics),
        torchinfo=torchinfo_batch_norm if batch_statistics else torchinfo_norm,
        thop=thop_norm(layer),
        ptflops=ptflops_norm(layer, weighted),
    )


def ptflops_local_response(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """Three element-wise products and sums, and an average pool over padded channels."""
    n, channels, *places = node.outputs[0].shape
    padded = n * (channels + node.attrs["size"] - 1) * prod(places)
    yield Correction(mark("3 per LRN element"), 3 * size(node))
    yield Correction(mark("1 per input value of the average pool inside LRN"), padded)


LOCAL_RESPONSE = NOTHING.with_rules(
    ptflops=ptflops_local_response, ptflops_function=ptflops_local_response
)


# -- activations


def thop_softmax(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    out = node.outputs[0]
    rows = out.numel // out.shape[node.attrs["dim"]]
    yield Correction(mark("exp, add and divide of Softmax, minus 1 per row"), 3 * out.numel - rows)


def rectifier(layer: str) -> Counters:
    """ptflops counts the module and, if it calls a patched function, the function too."""
    module = each_output("{count} per {layer} output", per_image=True, layer=layer)
    function = each_output("{count} per {layer} output again, by its function", layer=layer)
    return NOTHING.with_rules(ptflops=both(module, function), ptflops_function=function)


def by_function(layer: str) -> Counters:
    """ptflops counts only the function, in any caller."""
    rule = each_output("{count} per {layer} element, by its function", layer=layer)
    return NOTHING.with_rules(ptflops=rule, ptflops_function=rule)


SILU = by_function("SiLU")
SOFTMAX = by_function("Softmax").with_rules(thop=thop_softmax)


# -- pools, sampling


def values_read(node: Node) -> int:
    """The number of values that all windows of an average pool read. Padding is included if it is
    averaged."""
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
    """The number of positions that ``count`` windows have beyond one edge: ``most`` for the
    outermost window, and ``stride`` fewer for each next one."""
    total = 0
    while most > 0 and count > 0:
        total += most
        most -= stride
        count -= 1
    return total


def thop_avg_pool(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("1 per value that an AvgPool window reads"), values_read(node))
    yield Correction(mark("1 per AvgPool output"), size(node))


def thop_adaptive(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    out = node.outputs[0].shape
    windows = map(adaptive_window, node.inputs[0].shape[2:], out[2:])
    values = prod(out[:2]) * prod(windows)
    yield Correction(mark("1 per value that an AdaptiveAvgPool window reads"), values)
    yield Correction(mark("1 per AdaptiveAvgPool output"), size(node))


def fvcore_adaptive(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("1 per AdaptiveAvgPool2d input element"), node.inputs[0].numel)


def ptflops_pool(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("1 per pool input"), node.inputs[0].numel // run.batch)


def ptflops_pool_function(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    yield Correction(mark("1 per pool input again, by its function"), node.inputs[0].numel)


MAX_POOL = NOTHING.with_rules(
    ptflops=both(ptflops_pool, ptflops_pool_function), ptflops_function=ptflops_pool_function
)
AVG_POOL = MAX_POOL.with_rules(thop=thop_avg_pool)
ADAPTIVE_AVG_POOL = MAX_POOL.with_rules(thop=thop_adaptive)
ADAPTIVE_AVG_POOL_2D = ADAPTIVE_AVG_POOL.with_rules(fvcore=fvcore_adaptive)


def fvcore_nearest(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    if len(node.outputs[0].shape) == 4:
        yield Correction(mark("1 per nearest Upsample output"), size(node))


def ptflops_upsample(node: Node, macs: int, run: Run) -> Iterator[Correction]:
    """Its hook divides by the batch twice: it mistakes the first image for the whole batch."""
    yield Correction(mark("1 per Upsample output"), size(node) // run.batch // run.batch)


RESIZED = each_output("{count} per {layer} output again, by its function", layer="Upsample")
UPSAMPLE = NOTHING.with_rules(ptflops=both(ptflops_upsample, RESIZED), ptflops_function=RESIZED)
NEAREST = UPSAMPLE.with_rules(fvcore=fvcore_nearest)


def upsample(mode: str, thop: int) -> Counters:
    """An interpolation, for which thop counts this much per output element."""
    return UPSAMPLE.with_rules(
        thop=each_output("{count} per {layer} output", thop, layer=f"{mode} Upsample")
    )


BILINEAR = upsample("bilinear", 11).with_rules(
    fvcore=each_output("{count} per {layer} output", 4, layer="bilinear Upsample")
)
GRID_SAMPLE = NOTHING.with_rules(
    fvcore=each_output("{count} per {layer} output", 4, layer="grid_sample")
)
