"""Rules that find likely mistakes and missed savings in an architecture.

Every rule reads only the graph. A warning marks something that probably does not do what its author
expects, or costs without any effect: a bias that batch normalisation cancels, "global" pooling that
is not global. A note marks something that may be intended: widths that tensor cores pad, heads that
run only in training, one layer with most of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal, NamedTuple

from archcalc.analysis.profile import Layer, Profile, profile
from archcalc.analysis.record import Record
from archcalc.graph import Graph, Node, Shape, Value, times
from archcalc.language import Message, mark
from archcalc.ops import TABLE
from archcalc.ops.window import Slides, Window

Severity = Literal["warning", "note"]

TENSOR_CORE = 8
"""Channels that a tensor core processes at once in half precision; other widths are padded."""

MOST, LITTLE = 0.5, 0.1
"""Shares of the total that count as most and as little, for parameters and work."""

MANY = 3
"""Fewest layers with weights for which one layer can be called lopsided."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found at one node."""

    rule: str
    severity: Severity
    node: str
    """The name of the node, of the head, or of the weight that no node reads."""
    reason: Message
    remedy: Message
    """The change to make, and what it saves."""
    params: int = 0
    """Parameters that the remedy saves or, if it saves none, that the finding concerns."""
    macs: int = 0
    """Multiply-adds that the remedy saves or that the finding concerns."""


@dataclass(frozen=True, repr=False)
class Lint(Record):
    """The findings of one model: warnings first, each group in the order of the graph."""

    spec: str
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(found for found in self.findings if found.severity == "warning")

    def rows(self) -> list[dict[str, Any]]:
        return [{"model": self.spec, **asdict(found)} for found in self.findings]


def lint(graph: Graph) -> Lint:
    """Every rule of :data:`RULES` over the graph's evaluation pass.

    >>> import archcalc
    >>> for found in lint(archcalc.graph("nin-mnist-v0")).warnings:
    ...     print(found.rule, found.node)
    relu-on-logits group3.relu_2
    global-pooling avg_pool
    """
    view = View(graph.eval())
    found = [finding for rule in RULES for finding in rule(view)]
    order = {node.name: index for index, node in enumerate(graph.nodes)}
    found.sort(key=lambda each: (each.severity == "note", order.get(each.node, len(order))))
    return Lint(graph.spec, tuple(found))


class View:
    """A graph with the lookups that the rules share: who reads a value, what a node costs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = [node for node in graph.nodes if node.phase == "forward"]

    @cached_property
    def profile(self) -> Profile:
        return profile(self.graph)

    @cached_property
    def readers(self) -> dict[tuple[int, int], list[Node]]:
        found: dict[tuple[int, int], list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault((value.source, value.port), []).append(node)
        return found

    @cached_property
    def outputs(self) -> set[tuple[int, int]]:
        return {(value.source, value.port) for value in self.graph.outputs.values()}

    def maker(self, value: Value) -> Node:
        return self.graph.nodes[value.source]

    def only_reader(self, node: Node) -> Node | None:
        """The one node that reads this node's one output; None for an output of the graph."""
        if len(node.outputs) != 1 or (node.output.source, node.output.port) in self.outputs:
            return None
        readers = self.readers.get((node.output.source, node.output.port), [])
        return readers[0] if len(readers) == 1 else None

    def back(self, value: Value, through: Callable[[Node], bool]) -> Node:
        """The first node, going back from a value, that is something else than ``through``."""
        node = self.maker(value)
        while node.inputs and through(node):
            node = self.maker(node.inputs[0])
        return node

    @property
    def classifies(self) -> bool:
        """Whether the main output is a row of numbers for each image."""
        return bool(self.graph.outputs) and len(self.graph.output.shape) == 2

    @cached_property
    def last_layers(self) -> set[str]:
        """The layers whose weights make an output: nothing with weights comes after them."""
        found: set[str] = set()
        waiting = list(self.graph.outputs.values())
        seen: set[int] = set()
        while waiting:
            value = waiting.pop()
            node = self.maker(value)
            if node.name in found or value.source in seen:
                continue
            seen.add(value.source)
            if is_layer(node):
                found.add(node.name)
            else:
                waiting += node.inputs
        return found


class Pair(NamedTuple):
    """Two linear layers with no nonlinearity between them."""

    first: Node
    second: Node


def is_layer(node: Node) -> bool:
    """Whether a node is a convolution or linear layer that has its own weights."""
    return node.op in TABLE and TABLE[node.op].kind in ("conv", "linear") and bool(node.weights)


def is_view(node: Node) -> bool:
    return node.op in TABLE and TABLE[node.op].passes_through(node, training=False)


def is_pooling(node: Node) -> bool:
    return node.op in TABLE and bool(TABLE[node.op].pools)


def is_average(node: Node) -> bool:
    return node.op in TABLE and TABLE[node.op].pools == "average"


def is_batch_norm(node: Node) -> bool:
    return node.op in TABLE and TABLE[node.op].normalises == "batch"


def global_pooling(view: View) -> Iterator[Finding]:
    """Logits that are flattened windows, where averaging should leave one number per channel."""
    if not view.classifies:
        return
    node = view.back(view.graph.output, is_view)
    if not is_average(node) or len(node.output.shape) < 3:
        return
    left = node.output.shape[2:]
    if prod(left) == 1:
        return
    channels, logits = node.output.shape[1], view.graph.output.shape[1]
    yield Finding(
        "global-pooling",
        "warning",
        node.name,
        Message(
            "the pool reduces a {before} map to {after}, so {channels} channels become {logits} "
            "logits, which cross entropy accepts silently",
            before=times(node.inputs[0].shape[2:]),
            after=times(left),
            channels=channels,
            logits=logits,
        ),
        Message(
            "adaptive_avg_pool2d(x, 1): {channels} logits instead of {logits}",
            channels=channels,
            logits=logits,
        ),
    )


def relu_on_logits(view: View) -> Iterator[Finding]:
    """A rectifier after the last layer: no logit is below 0."""
    if not view.classifies:
        return
    node = view.back(view.graph.output, lambda each: is_view(each) or is_pooling(each))
    if node.op not in TABLE or not TABLE[node.op].rectifies:
        return
    before = view.back(node.inputs[0], is_batch_norm)
    if not is_layer(before):
        return
    yield Finding(
        "relu-on-logits",
        "warning",
        node.name,
        Message("the logits cannot be negative, and no gradient flows where they are 0"),
        Message("remove it: {saved:,} fewer comparisons", saved=prod(node.output.shape)),
    )


def bias_before_norm(view: View) -> Iterator[Finding]:
    """Batch normalisation subtracts the mean, and any bias with it."""
    for node in view.nodes:
        if not is_layer(node) or len(node.weights) < 2:
            continue
        reader = view.only_reader(node)
        if reader is None or not is_batch_norm(reader):
            continue
        bias = node.weights[1].numel
        yield Finding(
            "bias-before-norm",
            "warning",
            node.name,
            Message("{norm} subtracts the mean, which cancels this bias", norm=reader.name),
            Message(
                "bias=False: {params:,} fewer parameters, {additions:,} fewer additions",
                params=bias,
                additions=prod(node.output.shape),
            ),
            params=bias,
        )


def linear_in_a_row(view: View) -> Iterator[Finding]:
    """Two linear layers with no nonlinearity between them are one layer, written as a product."""
    bends = any(
        node.op in TABLE and TABLE[node.op].kind == "activation" and TABLE[node.op].evaluates
        for node in view.nodes
    )
    for first, second in _pairs(view):
        if first.attrs.get("groups", 1) != 1 or second.attrs.get("groups", 1) != 1:
            continue  # depthwise and pointwise: an intended factorisation
        given, middle = _width(first, 1), _width(first, 0)
        made = _width(second, 0)
        merged = _merged(first, second)
        now = first.weights[0].numel + second.weights[0].numel
        saved = now - merged if merged is not None else 0
        narrow = middle < min(given, made) or (
            _is_pointwise(first) and _is_pointwise(second) and middle == given < made
        )
        if saved > 0:
            remedy = Message(
                "a ReLU between them, or one layer with {saved:,} fewer parameters", saved=saved
            )
        else:
            remedy = Message("a ReLU between them; it has no parameters")
        reason = Message(
            "there is no nonlinearity after {first}: together they are one linear map "
            "{given}→{made}",
            first=first.name,
            given=given,
            made=made,
        )
        if narrow:
            reason = Message("{reason}, through {middle}", reason=reason, middle=middle)
        yield Finding(
            "linear-in-a-row",
            # A narrow middle, with nonlinearities elsewhere, is a linear bottleneck, as in
            # MobileNetV2: it saves what one layer would cost.
            "note" if narrow and bends else "warning",
            second.name,
            reason,
            remedy,
            params=max(saved, 0),
        )


def _pairs(view: View) -> Iterator[Pair]:
    for node in view.nodes:
        if not is_layer(node):
            continue
        reader = view.only_reader(node)
        while reader is not None and (is_view(reader) or is_batch_norm(reader)):
            reader = view.only_reader(reader)
        if reader is not None and is_layer(reader):
            yield Pair(node, reader)


def _is_pointwise(node: Node) -> bool:
    return prod(node.weights[0].shape[2:]) == 1


def _width(node: Node, side: int) -> int:
    """Channels out (0) or in (1) of a layer without groups."""
    shape = node.weights[0].shape
    return shape[1 - side] if TABLE[node.op].transposed else shape[side]


def _merged(first: Node, second: Node) -> int | None:
    """Number of weights of one layer that replaces both; None if it is not easily computed."""
    if first.op != second.op or TABLE[first.op].transposed:
        return None
    if TABLE[first.op].kind == "conv":
        plain = first.attrs["stride"], first.attrs["dilation"], second.attrs["dilation"]
        if any(size != 1 for sizes in plain for size in sizes):
            return None
    kernels = zip(first.weights[0].shape[2:], second.weights[0].shape[2:], strict=True)
    return _width(first, 1) * _width(second, 0) * prod(a + b - 1 for a, b in kernels)


def rows_dropped(view: View) -> Iterator[Finding]:
    """A window and stride that do not divide the input evenly never read the last rows."""
    for node in view.nodes:
        if node.op not in TABLE or TABLE[node.op].kind not in ("conv", "pooling"):
            continue
        row = TABLE[node.op].window
        if not isinstance(row, Slides) or not node.inputs:
            continue
        if is_layer(node) is False and TABLE[node.op].kind == "conv":
            continue  # computed weights: the node does not have the window
        windows = [each for each in row.windows(node) if isinstance(each, Window)]
        if not windows:
            continue
        span, stride = (
            tuple([getattr(each, part) for each in windows]) for part in ("span", "stride")
        )
        padding = tuple([each.padding for each in windows])
        left = _unread(node.inputs[0].shape[2:], node.output.shape[2:], span, stride, padding)
        if not any(left):
            continue
        remedy = Message("another input size or padding")
        if TABLE[node.op].kind == "pooling":
            remedy = Message("another input size or padding, or ceil_mode")
        yield Finding(
            "rows-dropped",
            "warning",
            node.name,
            Message(
                "the last {rows} of {size} are never read: a {span} window at stride {stride} does "
                "not divide them evenly",
                rows=_rows(left),
                size=times(node.inputs[0].shape[2:]),
                span=times(span),
                stride=times(stride),
            ),
            remedy,
        )


def _rows(left: Shape) -> Message:
    """The rows and columns at the end of the last axes."""
    *_before, rows, columns = (0, *left)
    if len(left) == 1:
        rows, columns = columns, 0
    parts = [
        Message(one if count == 1 else many, count=count)
        for count, one, many in (
            (rows, mark("{count} row"), mark("{count} rows")),
            (columns, mark("{count} column"), mark("{count} columns")),
        )
        if count
    ]
    return (
        parts[0] if len(parts) == 1 else Message("{one} and {other}", one=parts[0], other=parts[1])
    )


def _unread(before: Shape, after: Shape, span: Shape, stride: Shape, left: Shape) -> Shape:
    """Number of positions at the end of each axis that no window reads. A stride longer than the
    window skips positions at every size; those are not counted."""
    return tuple(
        max(size - ((count - 1) * step - pad + reach), 0) if step <= reach else 0
        for size, count, reach, step, pad in zip(before, after, span, stride, left, strict=True)
    )


def padded_channels(view: View) -> Iterator[Finding]:
    """Widths that tensor cores pad, except the channels of the image and the classes."""
    classes = {_width(node, 0) for node in view.nodes if node.name in view.last_layers}
    for node in view.nodes:
        if not is_layer(node) or node.attrs.get("groups", 1) != 1:
            continue
        width = _width(node, 0)
        if width % TENSOR_CORE == 0 or width in classes:
            continue
        full = -(-width // TENSOR_CORE) * TENSOR_CORE
        yield Finding(
            "channels",
            "note",
            node.name,
            Message(
                "{width} channels are not a multiple of {unit}: in half precision, tensor cores "
                "pad them to {full}",
                width=width,
                unit=TENSOR_CORE,
                full=full,
            ),
            Message(
                "{full} or {less} channels; now {share:.0f} % of that work is padding",
                full=full,
                less=full - TENSOR_CORE,
                share=100 * (full - width) / full,
            ),
        )


def auxiliary_heads(view: View) -> Iterator[Finding]:
    """Parts of the model that evaluation does not use."""
    training = profile(view.graph.train())
    for name, value in view.graph.outputs.items():
        if not view.maker(value).training_only:
            continue
        layers = [
            layer
            for layer in training.layers
            if layer.node.training_only and layer.name.startswith(f"{name}.")
        ] or [layer for layer in training.layers if layer.node.training_only]
        params = sum(layer.params for layer in layers)
        macs = sum(layer.macs or 0 for layer in layers)
        yield Finding(
            "auxiliary-heads",
            "note",
            name,
            Message(
                "a head that runs only in training: evaluation does not use its {params:,} "
                "parameters and {macs:,} MACs",
                params=params,
                macs=macs,
            ),
            Message("state whether quoted figures include it; aux=false leaves it out"),
            params=params,
            macs=macs,
        )
    modules: dict[str, int] = {}
    for weight in view.graph.unused:
        key = weight.name.partition(".")[0]
        modules[key] = modules.get(key, 0) + weight.numel
    for name, params in modules.items():
        yield Finding(
            "unused-parameters",
            "note",
            name,
            Message("{params:,} parameters that this pass does not read", params=params),
            Message("check whether this is an auxiliary head or a forgotten layer"),
            params=params,
        )


def lopsided(view: View) -> Iterator[Finding]:
    """One layer with most of the parameters and little of the work, or the reverse."""
    found = view.profile
    layers = [layer for layer in found.layers if is_layer(layer.node)]
    if len(layers) < MANY or not found.macs or not found.params_executed:
        return
    for layer in layers:
        params = layer.params / found.params_executed
        macs = (layer.macs or 0) / found.macs
        if params > MOST and macs < LITTLE:
            most = mark(
                "most of the parameters in one layer: {params:.0f} % of the parameters, "
                "{macs:.0f} % of the MACs"
            )
            yield _lopsided(layer, params, macs, most, _smaller(layer))
        elif macs > MOST and params < LITTLE:
            most = mark(
                "most of the work in one layer: {params:.0f} % of the parameters, {macs:.0f} % of "
                "the MACs"
            )
            remedy = Message("a stride or a pool before it, or fewer channels")
            yield _lopsided(layer, params, macs, most, remedy)


def _lopsided(layer: Layer, params: float, macs: float, most: str, remedy: Message) -> Finding:
    return Finding(
        "lopsided",
        "note",
        layer.name,
        Message(most, params=100 * params, macs=100 * macs),
        remedy,
        params=layer.params,
        macs=layer.macs or 0,
    )


def _smaller(layer: Layer) -> Message:
    if TABLE[layer.op].kind == "linear":
        return Message("global average pooling in front of it, as in NiN")
    return Message("a 1×1 reduction in front of it")


RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (
    global_pooling,
    relu_on_logits,
    bias_before_norm,
    linear_in_a_row,
    rows_dropped,
    padded_channels,
    auxiliary_heads,
    lopsided,
)
