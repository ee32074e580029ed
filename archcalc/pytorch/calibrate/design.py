"""Sample the networks that a calibration times.

An operator's time depends on where its inputs are in memory and on the operators before it, so it
is timed inside a network. Each network is a chain of common blocks, not a copy of a known model.
Each block's sizes are a point of a Sobol sequence, which covers the space of sizes evenly for any
number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import exp, log
from typing import TypeVar

from scipy.stats import qmc

from archcalc import ops
from archcalc.analysis.profile import profile
from archcalc.errors import ArchcalcError
from archcalc.graph import Attributes, Builder, Graph, Handle
from archcalc.ops import TABLE

T = TypeVar("T")

AXES = 12
"""Coordinates of a block's point."""
LARGEST = 1.5e10
"""Most multiply-adds of a network; a larger one would take the time of many."""
ENOUGH = 1e9
"""Multiply-adds at which a network gets no more blocks; ten large operators teach no more than
one."""
MOST_WEIGHTS = 64e6
MOST_ELEMENTS = 200e6
"""Most elements of all activations of a network."""
LARGEST_OUTPUT = 24e6
"""Most elements of one activation, far more than an allocator keeps for the next call."""
IN_PLACE = ("relu", "relu6", "silu", "hardswish", "hardsigmoid", "leaky_relu")
"""Activations whose layer can overwrite its input."""


class Draw:
    """Draws choices from the coordinates of one point, in order."""

    def __init__(self, point: Sequence[float]) -> None:
        self.point = list(point)
        self.used = 0

    def share(self) -> float:
        """Return the next coordinate, from 0 to 1. After the last they repeat, shifted."""
        turn, place = divmod(self.used, len(self.point))
        self.used += 1
        return float((self.point[place] + 0.6180339887 * turn) % 1)

    def of(self, choices: Sequence[T]) -> T:
        return choices[min(int(self.share() * len(choices)), len(choices) - 1)]

    def size(self, least: float, most: float, towards: float = 1.0) -> int:
        """Return an integer with a uniform logarithm; ``towards`` below 1 favours the upper end."""
        return round(exp(log(least) + self.share() ** towards * (log(most) - log(least))))

    def channels(self, least: float, most: float) -> int:
        """Return a typical number of channels: often a multiple of 64, sometimes any number."""
        found = self.size(least, most)
        step = self.of((1, 4, 8, 8, 16, 32, 64, 64))
        return max(step, round(found / step) * step) if step <= found else max(1, found)

    def chance(self, share: float) -> bool:
        return self.share() < share


def networks(count: int, seed: int = 0) -> Iterator[Graph]:
    """Yield ``count`` different networks, which depend only on ``seed``."""
    heads = qmc.Sobol(AXES, seed=seed)
    blocks = qmc.Sobol(AXES, seed=seed + 1)
    made = 0
    while made < count:
        head = Draw(heads.random(1)[0])
        family = FAMILIES[made % len(FAMILIES)]
        builder = Builder()
        try:
            graph = family(builder, head, lambda: Draw(blocks.random(1)[0]), f"design-{made}")
        except ArchcalcError:  # a window is larger than its input
            continue
        if fits(graph):
            made += 1
            yield overwritten(graph, head.share())


def fits(graph: Graph) -> bool:
    """Whether the network is small enough to be timed many times."""
    elements = sum(value.numel for node in graph for value in node.outputs)
    weights = sum(weight.numel for weight in graph.weights)
    return profile(graph).macs <= LARGEST and elements <= MOST_ELEMENTS and weights <= MOST_WEIGHTS


def overwritten(graph: Graph, share: float) -> Graph:
    """Make activations in-place where nothing else reads their input, as libraries do.

    If ``share`` is below 0.5, the graph is unchanged.
    """
    readers: dict[int, int] = {}
    for node in graph:
        for value in node.inputs:
            readers[value.source] = readers.get(value.source, 0) + 1
    nodes = []
    for node in graph:
        alone = node.op in IN_PLACE and readers[node.inputs[0].source] == 1
        made = graph.nodes[node.inputs[0].source].op if node.inputs else ""
        if share >= 0.5 and alone and made != "input" and not TABLE[made].view:
            node = node._replace(attrs=Attributes(node.attrs, inplace=True))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def macs_of(builder: Builder) -> int:
    """Return the multiply-adds declared so far."""
    return sum(TABLE[node.op].cost(node).macs for node in builder.nodes)


Points = Callable[[], Draw]
"""Returns the next point of the blocks' sequence."""


def chain(builder: Builder, head: Draw, points: Points, name: str) -> Graph:
    """Declare a convolutional network: a stem, then blocks that mostly shrink and widen."""
    side = head.size(12, 300, 0.5)
    batch = head.of((1, 1, 1, 2, 4, 8, 8, 16, 32))
    width = head.channels(12, 192)
    x = builder.input((batch, head.of((1, 3, 3, 3)), side, side))
    if side >= 64:
        x = stem(x, width, points())
    largest = head.size(2e5, LARGEST_OUTPUT, 0.5) / batch
    for number in range(head.size(3, 7)):
        if macs_of(builder) > ENOUGH:
            break
        draw = points()
        block = draw.of(BLOCKS)
        with x.scope(f"block{number}"):
            widest = max(24.0, min(2048.0, largest / (x.shape[2] * x.shape[3]), 4.0 * x.channels))
            x = block(x, draw.channels(min(widest, max(24.0, 0.7 * x.channels)), widest), draw)
        if x.shape[2] > 7 and draw.chance(0.25):
            x = pool(x, draw)
    return builder.finish(name, {"output": classify(x, head)})


def large(builder: Builder, head: Draw, points: Points, name: str) -> Graph:
    """Declare a few convolutions of up to 10^10 multiply-adds each, as in a large batch.

    Their outputs are often larger than the blocks that the C library's allocator keeps.
    """
    batch, side = head.of((4, 8, 8, 16, 32)), head.size(7, 120)
    most = min(512.0, LARGEST_OUTPUT / 2 / (batch * side**2))
    x = builder.input((batch, head.channels(min(most, 16.0), most), side, side))
    for number in range(head.of((1, 2, 2, 3))):
        draw = points()
        window, groups = draw.of((1, 1, 3, 3, 3, 5)), draw.of((1, 1, 1, 1, 1, 2))
        places = batch * x.shape[2] * x.shape[3]
        most = draw.size(6e8, 1.2e10) / (places * x.channels * window**2 / groups)
        most = min(1024.0, LARGEST_OUTPUT / places, most)
        with x.scope(f"block{number}"):
            y = conv(x, draw.channels(0.7 * most, max(8.0, most)), window, draw, groups=groups)
            x = activation(ops.add(y, x), draw) if y.shape == x.shape else y
        if x.shape[2] > 7 and draw.chance(0.4):
            x = pool(x, draw)
    return builder.finish(name, {"output": classify(x, head)})


def small(builder: Builder, head: Draw, points: Points, name: str) -> Graph:
    """Declare a network for small images, in which call overhead matters as much as work."""
    side, width = head.size(6, 40), head.size(4, 48)
    x = builder.input((head.of((1, 1, 2, 8, 32)), head.of((1, 3, 8, 16)), side, side))
    for number in range(head.size(3, 7)):
        draw = points()
        with x.scope(f"block{number}"):
            x = draw.of(BLOCKS)(x, draw.channels(4, max(8.0, 2.0 * width)), draw)
        if x.shape[2] > 3 and draw.chance(0.3):
            x = pool(x, draw)
    return builder.finish(name, {"output": classify(x, head)})


def transformer(builder: Builder, head: Draw, points: Points, name: str) -> Graph:
    """Declare a vision transformer with encoder blocks of varied attention and MLP widths."""
    patch = head.of((4, 8, 14, 16, 32))
    cells = head.size(5, 20, 0.8)
    batch = head.of((1, 1, 2, 4, 8))
    heads = head.size(3, 16, 0.7)
    width = heads * head.of((16, 24, 32, 48, 64, 64))
    x = builder.input((batch, 3, patch * cells, patch * cells))
    x = ops.conv2d(x, width, patch, stride=patch, name="patches")
    x = ops.permute(ops.flatten(x, 2), (0, 2, 1))
    if head.chance(0.5):
        token = ops.parameter(x, (1, 1, width), name="token")
        x = ops.concat([ops.expand(token, x), x])
    x = ops.add(x, ops.parameter(x, (1, x.shape[1], width), std=0.02, name="positions"))
    for number in range(head.size(2, 4)):
        if macs_of(builder) > ENOUGH:
            break
        draw = points()
        with x.scope(f"block{number}"):
            x = ops.add(x, attention(ops.layer_norm(x, width), heads, draw))
            y = ops.linear(ops.layer_norm(x, width), width * draw.of((1, 2, 3, 4, 4)), name="fc1")
            x = ops.add(x, ops.linear(activation(y, draw, ops.gelu), width, name="fc2"))
    x = ops.layer_norm(x, width, name="norm")
    x = ops.mean(x, 1) if head.chance(0.5) else ops.flatten(ops.slice(x, 1, 0, 1))
    return builder.finish(name, {"output": ops.linear(x, 1000, name="head")})


def layers(builder: Builder, head: Draw, points: Points, name: str) -> Graph:
    """Declare linear layers, as in MLPs and at the end of older networks."""
    batch = head.of((1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 784, 1568))
    width = head.channels(32, 8192)
    x = builder.input((batch, width))
    for number in range(head.size(3, 6)):
        draw = points()
        with x.scope(f"layer{number}"):
            most = min(8192.0, MOST_WEIGHTS / 6 / x.channels, 2e9 / batch / x.channels)
            y = ops.linear(x, draw.channels(16, max(17.0, most)), bias=draw.chance(0.9))
            if draw.chance(0.2):
                y = ops.layer_norm(y, y.channels)
            x = activation(y, draw)
            if draw.chance(0.3):
                x = ops.dropout(x)
    return builder.finish(name, {"output": ops.softmax(x, 1) if head.chance(0.3) else x})


FAMILIES = (chain, small, transformer, chain, large, layers, chain, small, chain, transformer)
"""The families in rotation. Most are convolutional, because convolutions have the most sizes."""


def stem(x: Handle, width: int, draw: Draw) -> Handle:
    window = draw.of((3, 3, 7, 11, 4, 5))
    stride = 4 if window in (4, 11) else draw.of((1, 2, 2))
    x = conv(x, width, window, draw, stride=stride)
    return ops.max_pool2d(x, 3, 2, 1) if draw.chance(0.5) else x


def plain(x: Handle, width: int, draw: Draw) -> Handle:
    """Add one or two convolutions with any window."""
    window = draw.of((1, 1, 3, 3, 3, 5, 7))
    x = conv(x, width, window, draw, stride=draw.of((1, 1, 2)), groups=draw.of((1, 1, 1, 2)))
    return conv(x, width, draw.of((1, 3)), draw) if draw.chance(0.5) else x


def asymmetric(x: Handle, width: int, draw: Draw) -> Handle:
    """Add 1×n and n×1 convolutions, sometimes followed by a dilated one."""
    n = draw.of((3, 7))
    x = ops.relu(ops.conv2d(x, width, (1, n), padding=(0, n // 2)))
    x = ops.relu(ops.conv2d(x, width, (n, 1), padding=(n // 2, 0)))
    if draw.chance(0.4):
        x = ops.relu(ops.conv2d(x, width, 3, padding=2, dilation=2))
    return x


def residual(x: Handle, width: int, draw: Draw) -> Handle:
    """Add two 3×3 convolutions, or a bottleneck with groups, with a shortcut."""
    stride = draw.of((1, 1, 2))
    if draw.chance(0.4):
        y = conv(x, width, 3, draw, stride=stride)
        y = norm(ops.conv2d(y, width, 3, padding=1, bias=False, name="last"), draw)
    else:
        inner = max(8, width // draw.of((1, 2, 4)) // 8 * 8)
        y = conv(x, inner, 1, draw)
        groups = draw.of((1, 1, inner // 8, max(1, inner // 64), 2))
        y = conv(y, inner, 3, draw, stride=stride, groups=groups)
        y = norm(ops.conv2d(y, width, 1, bias=False, name="last"), draw)
    if y.shape != x.shape:
        x = ops.batch_norm(ops.conv2d(x, width, 1, stride=stride, bias=False, name="shortcut"))
    return activation(ops.add(y, x), draw)


def inverted(x: Handle, width: int, draw: Draw) -> Handle:
    """Add an inverted bottleneck with a depthwise convolution and squeeze-and-excitation."""
    width = max(8, width // 2)
    inner = max(8, min(2048, round(x.channels * draw.of((1, 2, 3, 4, 6)))))
    kind = draw.of((ops.relu, ops.relu6, ops.hardswish, ops.silu, ops.silu))
    y = kind(ops.batch_norm(ops.conv2d(x, inner, 1, bias=False, name="expand")))
    window, stride = draw.of((3, 3, 5, 7)), draw.of((1, 1, 2))
    y = ops.conv2d(
        y, inner, window, stride=stride, padding=window // 2, groups=inner, bias=False, name="dw"
    )
    y = kind(ops.batch_norm(y))
    if draw.chance(0.5):
        y = excite(y, draw)
    y = ops.batch_norm(ops.conv2d(y, width, 1, bias=False, name="project"))
    return ops.add(x, y) if y.shape == x.shape else y


def excite(x: Handle, draw: Draw) -> Handle:
    """Add squeeze-and-excitation: scale channels by weights computed from their means."""
    pooled = (
        ops.mean(x, (2, 3), keepdim=True) if draw.chance(0.4) else ops.adaptive_avg_pool2d(x, 1)
    )
    gate = ops.relu(ops.conv2d(pooled, max(4, x.channels // draw.of((4, 16))), 1, name="squeeze"))
    gate = ops.conv2d(gate, x.channels, 1, name="excite")
    return ops.mul(x, draw.of((ops.sigmoid, ops.hardsigmoid))(gate))


def dense(x: Handle, width: int, draw: Draw) -> Handle:
    """Add dense layers, each of which takes all earlier outputs."""
    growth = draw.of((12, 16, 32, 32, 48))
    made = [x]
    for _ in range(draw.of((2, 3, 4))):
        y = ops.concat(made) if len(made) > 1 else made[0]
        y = conv(ops.relu(ops.batch_norm(y)), 4 * growth, 1, draw)
        made.append(ops.conv2d(y, growth, 3, padding=1, bias=False))
    x = ops.relu(ops.batch_norm(ops.concat(made)))
    return ops.conv2d(x, width, 1, bias=False, name="transition")


def inception(x: Handle, width: int, draw: Draw) -> Handle:
    """Add parallel branches with different windows."""
    part = max(4, width // 4)
    norms = draw.chance(0.5)

    def unit(y: Handle, size: int, window: int) -> Handle:
        y = ops.conv2d(y, size, window, padding=window // 2, bias=not norms)
        return ops.relu(ops.batch_norm(y) if norms else y)

    narrow = max(4, part // draw.of((2, 4, 8)))
    pooled = (ops.max_pool2d if draw.chance(0.5) else ops.avg_pool2d)(x, 3, 1, 1)
    return ops.concat(
        [
            unit(x, part, 1),
            unit(unit(x, max(4, part // 2), 1), part, 3),
            unit(unit(x, narrow, 1), part, 5),
            unit(pooled, part, 1),
        ]
    )


def shuffled(x: Handle, width: int, draw: Draw) -> Handle:
    """Send half of the channels through a depthwise branch, then shuffle."""
    if x.channels % 2:
        return plain(x, width, draw)
    half = x.channels // 2
    left, right = ops.slice(x, 1, 0, half), ops.slice(x, 1, half, x.channels)
    right = conv(right, half, 1, draw)
    right = ops.batch_norm(ops.conv2d(right, half, 3, padding=1, groups=half, bias=False))
    right = conv(right, half, 1, draw)
    return ops.channel_shuffle(ops.concat([left, right]), 2)


def patches(x: Handle, width: int, draw: Draw) -> Handle:
    """Add a wide depthwise convolution, then linear layers over the channels."""
    window, size = draw.of((3, 5, 7, 7)), x.channels
    y = ops.conv2d(x, size, window, padding=window // 2, groups=size, name="dw")
    if draw.chance(0.6):
        y = ops.layer_norm(ops.permute(y, (0, 2, 3, 1)), size)
        y = ops.linear(ops.gelu(ops.linear(y, 4 * size, name="fc1")), size, name="fc2")
        if draw.chance(0.5):
            y = ops.mul(y, ops.parameter(y, (size,), name="scale"))
        y = ops.permute(y, (0, 3, 1, 2))
    else:
        y = ops.gelu(ops.conv2d(ops.group_norm(y, 1), 2 * size, 1, name="fc1"))
        y = ops.conv2d(y, size, 1, name="fc2")
    x = ops.add(x, y)
    if width > size:
        x = ops.conv2d(x, width, 2, stride=2, name="down")
    return x


def resized(x: Handle, width: int, draw: Draw) -> Handle:
    """Downsample, upsample and concatenate with the input."""
    y = conv(ops.max_pool2d(x, 2), width, 3, draw)
    if draw.chance(0.5):
        y = ops.conv_transpose2d(y, max(1, width // 2), 2, stride=2)
    else:
        y = ops.interpolate(y, scale_factor=2, mode=draw.of(("nearest", "bilinear")))
    if y.shape[2:] != x.shape[2:]:
        return y
    return conv(ops.concat([x, y]), width, draw.of((1, 3)), draw)


BLOCKS = (
    plain,
    plain,
    residual,
    residual,
    inverted,
    inverted,
    dense,
    inception,
    shuffled,
    patches,
    asymmetric,
    resized,
)


def conv(
    x: Handle, width: int, window: int, draw: Draw, *, stride: int = 1, groups: int = 1
) -> Handle:
    """Add a convolution with the usual normalisation and activation."""
    if x.channels % groups or width % groups:
        groups = 1
    bias = draw.chance(0.4)
    y = ops.conv2d(x, width, window, stride=stride, padding=window // 2, groups=groups, bias=bias)
    if not bias:
        y = norm(y, draw)
    return activation(y, draw) if draw.chance(0.9) else y


def norm(x: Handle, draw: Draw) -> Handle:
    choice = draw.share()
    if choice > 0.95 and x.channels % 8 == 0:
        return ops.group_norm(x, 8)
    if choice < 0.06 and x.shape[2] * x.shape[3] < 8192:
        return ops.local_response_norm(x, 5)
    return ops.batch_norm(x)


def activation(x: Handle, draw: Draw, usual: Callable[..., Handle] = ops.relu) -> Handle:
    others = (ops.relu, ops.gelu, ops.silu, ops.hardswish, ops.relu6, ops.leaky_relu, ops.tanh)
    return usual(x) if draw.chance(0.7) else draw.of(others)(x)


def pool(x: Handle, draw: Draw) -> Handle:
    choice = draw.share()
    if choice < 0.4:
        return ops.max_pool2d(x, 3, 2, 1)
    if choice < 0.7:
        return ops.max_pool2d(x, 2)
    return ops.avg_pool2d(x, 2) if choice < 0.9 else ops.avg_pool2d(x, 3, 2, 1)


def classify(x: Handle, draw: Draw) -> Handle:
    """Add a classifier: hidden linear layers as in older networks, or global pooling."""
    if draw.chance(0.25) and x.channels * x.shape[2] * x.shape[3] < 30_000:
        x = ops.flatten(x)
        hidden = draw.size(64, max(65, min(4096, int(40e6 / x.channels))))
        x = ops.dropout(ops.relu(ops.linear(x, hidden, name="hidden")))
        return ops.linear(x, draw.of((10, 100, 1000)), name="head")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, 1))
    return ops.linear(x, draw.of((10, 100, 1000, 1000)), name="head")


def attention(x: Handle, heads: int, draw: Draw) -> Handle:
    """Add fused or unfused attention, with one projection or three."""
    batch, length, width = x.shape
    if draw.chance(0.6):
        qkv = ops.linear(x, 3 * width, name="qkv")
        parts = ops.split(qkv, (width, width, width), dim=2)
    else:
        parts = tuple(ops.linear(x, width, name=name) for name in ("query", "key", "value"))
    q, k, v = (
        ops.permute(ops.reshape(part, (batch, length, heads, width // heads)), (0, 2, 1, 3))
        for part in parts
    )
    if draw.chance(0.6):
        y = ops.scaled_dot_product_attention(q, k, v)
    else:
        scores = ops.matmul(q, ops.permute(k, (0, 1, 3, 2)), name="scores")
        if draw.chance(0.5):
            bias = ops.parameter(scores, (1, heads, length, length), name="bias")
            scores = ops.add(scores, bias)
        y = ops.matmul(ops.softmax(scores, 3), v, name="weighted")
    y = ops.reshape(ops.permute(y, (0, 2, 1, 3)), (batch, length, width))
    return ops.linear(y, width, name="out")
