"""Check on random architectures, not only on registered ones, that all counters agree.

    python -m tests.pytorch.random_architectures --examples 10000

prints one line about the checks. If one fails, it prints the smallest such network and exits with
1.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections import Counter
from collections.abc import Callable
from math import gcd, prod

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archcalc import ops
from archcalc.analysis.profile import profile
from archcalc.graph import Builder, Graph, Handle
from archcalc.models.senet import squeeze_excite
from archcalc.models.sknet import selective_kernel
from archcalc.pytorch.build import Network, build
from archcalc.pytorch.export import export_python
from archcalc.pytorch.trace import trace
from archcalc.training_step import OPTIMIZERS, training_step

MATH = SDPBackend.MATH


LARGEST = 200_000
"""Most elements of an attention map, which keeps examples fast."""


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a valid network: two to five parts, a head and sometimes an auxiliary head."""
    builder = Builder()
    dims = draw(st.sampled_from([2, 2, 2, 2, 1, 3]))
    sides = {1: (4, 40), 2: (3, 20), 3: (3, 8)}[dims]
    size = tuple(draw(st.lists(st.integers(*sides), min_size=dims, max_size=dims)))
    x = builder.input((draw(st.integers(1, 3)), draw(st.integers(1, 12)), *size))
    outputs = {}
    for number in range(draw(st.integers(2, 5))):
        choices = [chain, chain, branches, residual, normal, squeeze, attention, scaled]
        choices += [resized, padded, tokens, centred]
        if dims == 2:
            choices += [selective, shuffled, layer_scaled]
        part = draw(st.sampled_from(choices))
        with x.scope(f"part{number}"):
            x = part(draw, x)
        if not outputs and draw(st.integers(0, 5)) == 0:
            outputs["aux"] = head(draw, x.in_training_only(), "aux")
    return builder.finish("random", {"output": head(draw, x, "head"), **outputs})


def chain(draw: st.DrawFn, x: Handle) -> Handle:
    """Add one to three layers in sequence."""
    for _ in range(draw(st.integers(1, 3))):
        x = layer(draw, x)
    return x


def layer(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a convolution, a transposed one, a pool, or a layer that keeps the shape."""
    return draw(st.sampled_from([conv, conv, conv, pool, normal, transposed]))(draw, x)


def conv(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a convolution with any valid kernel, stride, padding, dilation and groups."""
    dims = len(x.shape) - 2
    kernel, dilation, padding = [], [], []
    for side in x.shape[2:]:
        width = draw(st.integers(1, min(5, side)))
        kernel.append(width)
        dilation.append(draw(st.integers(1, 3)))
        # From the least padding with which the window fits to slightly more than "same".
        least = max(0, -(-(dilation[-1] * (width - 1) + 1 - side) // 2))
        padding.append(least + draw(st.integers(0, 2)))
    out = draw(st.integers(1, 12))
    common = gcd(x.channels, out)
    groups = draw(st.sampled_from([size for size in range(1, common + 1) if common % size == 0]))
    stride = tuple(draw(st.integers(1, 3)) for _ in kernel)
    same = all(step == 1 for step in stride) and draw(st.booleans())
    return getattr(ops, f"conv{dims}d")(
        x,
        out,
        tuple(kernel),
        stride,
        "same" if same else tuple(padding),
        tuple(dilation),
        groups,
        draw(st.booleans()),
    )


def transposed(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a transposed convolution if the map is small enough."""
    dims = len(x.shape) - 2
    if prod(x.shape) > LARGEST // 50:
        return conv(draw, x)
    stride = tuple(draw(st.integers(1, 2)) for _ in range(dims))
    out, common = (width := draw(st.integers(1, 8))), gcd(x.channels, width)
    groups = draw(st.sampled_from([size for size in range(1, common + 1) if common % size == 0]))
    return getattr(ops, f"conv_transpose{dims}d")(
        x,
        out,
        draw(st.integers(2, 4)),
        stride,
        0,
        tuple(draw(st.integers(0, step - 1)) for step in stride),
        groups,
        draw(st.booleans()),
    )


def pool(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a maximum or average pool with random ceil_mode and padding."""
    dims = len(x.shape) - 2
    kernel = tuple(draw(st.integers(1, min(4, side))) for side in x.shape[2:])
    stride = tuple(draw(st.integers(1, 3)) for _ in kernel)
    padding = tuple(draw(st.integers(0, width // 2)) for width in kernel)
    kind = draw(st.sampled_from(["max", "avg"]))
    return getattr(ops, f"{kind}_pool{dims}d")(
        x, kernel, stride, padding, ceil_mode=draw(st.booleans())
    )


def normal(draw: st.DrawFn, x: Handle) -> Handle:
    """Add normalisation, an activation or dropout, which keep the shape."""
    channels = x.channels
    groups = [size for size in range(1, channels + 1) if channels % size == 0]
    choices: list[Callable[[], Handle]] = [
        lambda: ops.relu(x),
        lambda: ops.relu(ops.batch_norm(x)),
        lambda: ops.batch_norm(x, affine=False),
        lambda: ops.group_norm(x, draw(st.sampled_from(groups))),
        lambda: ops.layer_norm(x, x.shape[2:]),
        lambda: ops.local_response_norm(x, draw(st.integers(1, 5))),
        lambda: ops.gelu(x),
        lambda: ops.silu(x),
        lambda: ops.hardswish(x),
        lambda: ops.tanh(x),
        lambda: ops.relu6(x),
        lambda: ops.leaky_relu(x, 0.2),
        lambda: ops.hardsigmoid(x),
        lambda: ops.dropout(x, 0.3),
        lambda: ops.softmax(x, 1),
    ]
    return draw(st.sampled_from(choices))()


def keeping(draw: st.DrawFn, x: Handle, out: int) -> Handle:
    """Add a convolution that keeps the spatial size."""
    dims = len(x.shape) - 2
    width, dilation = 2 * draw(st.integers(0, 2)) + 1, draw(st.integers(1, 2))
    padding = dilation * (width - 1) // 2
    return getattr(ops, f"conv{dims}d")(x, out, width, 1, padding, dilation)


def branches(draw: st.DrawFn, x: Handle) -> Handle:
    """Add two to four parallel branches, concatenated along the channels, as in Inception."""
    results = []
    for number in range(draw(st.integers(2, 4))):
        with x.scope(f"b{number}"):
            y = keeping(draw, x, draw(st.integers(1, 8)))
            if draw(st.booleans()):
                y = normal(draw, y)
            if draw(st.booleans()):
                y = keeping(draw, y, draw(st.integers(1, 8)))
            results.append(y)
    return ops.concat(results)


def residual(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a residual block with an identity or projection shortcut, as in ResNet."""
    project = draw(st.booleans())
    out = draw(st.integers(1, 12)) if project else x.channels
    y = keeping(draw, normal(draw, keeping(draw, x, draw(st.integers(1, 8)))), out)
    if draw(st.booleans()):
        y = squeeze(draw, y)
    return ops.relu(ops.add(y, keeping(draw, x, out) if project else x))


def squeeze(draw: st.DrawFn, x: Handle) -> Handle:
    """Add an SE block, the registry's own for images."""
    dims = len(x.shape) - 2
    reduction = draw(st.sampled_from([1, 2, 4]))
    if dims == 2:
        return squeeze_excite(x, reduction)
    pooled = ops.flatten(getattr(ops, f"adaptive_avg_pool{dims}d")(x))
    hidden = ops.relu(ops.linear(pooled, max(x.channels // reduction, 1)))
    scale = ops.sigmoid(ops.linear(hidden, x.channels))
    return ops.mul(x, ops.reshape(scale, (*x.shape[:2], *(1,) * dims)))


def selective(draw: st.DrawFn, x: Handle) -> Handle:
    """Add the registry's SK unit."""
    width = draw(st.integers(1, 3)) * 4
    x = ops.relu(ops.conv2d(x, width, 1))
    return selective_kernel(
        x,
        width,
        draw(st.integers(1, 2)),
        branches=draw(st.integers(2, 3)),
        groups=draw(st.sampled_from([1, 2, 4])),
        reduction=draw(st.sampled_from([2, 4])),
        least=draw(st.sampled_from([1, 8])),
    )


def attention(draw: st.DrawFn, x: Handle) -> Handle:
    """Add attention between all positions: two matrix products."""
    if prod(x.shape[2:]) ** 2 * x.shape[0] > LARGEST:
        return normal(draw, x)
    rows = ops.permute(ops.flatten(x, 2), (0, 2, 1))
    width = draw(st.integers(1, 8))
    q, k = ops.linear(rows, width, name="q"), ops.linear(rows, width, bias=False, name="k")
    weights = ops.softmax(ops.matmul(q, ops.permute(k, (0, 2, 1))), -1)
    mixed = ops.permute(ops.matmul(weights, rows), (0, 2, 1))
    return ops.add(x, ops.reshape(mixed, x.shape))


def resized(draw: st.DrawFn, x: Handle) -> Handle:
    """Resize by an integer factor or to another size."""
    dims = len(x.shape) - 2
    if prod(x.shape) > LARGEST // 50:
        return conv(draw, x)
    modes = {1: ["nearest", "linear"], 2: ["nearest", "bilinear", "bicubic"]}
    mode = draw(st.sampled_from(modes.get(dims, ["nearest", "trilinear"])))
    corners = mode not in ("nearest", "area") and draw(st.booleans())
    if draw(st.booleans()):
        factor = draw(st.integers(1, 2))
        return ops.interpolate(x, scale_factor=factor, mode=mode, align_corners=corners)
    size = tuple(draw(st.integers(1, 20 // dims)) for _ in range(dims))
    return ops.interpolate(x, size, mode=mode, align_corners=corners)


def padded(draw: st.DrawFn, x: Handle) -> Handle:
    """Pad with zeros, another number or a reflection."""
    if draw(st.booleans()):
        around = [draw(st.integers(0, 2)) for _ in range(2 * (len(x.shape) - 2))]
        return ops.pad(x, around, value=draw(st.sampled_from([0.0, 0.5])))
    reflected = [min(draw(st.integers(0, 2)), side - 1) for side in x.shape[2:] for _ in "ab"]
    return ops.pad(x, tuple(reversed(reflected)), mode="reflect")


def shuffled(draw: st.DrawFn, x: Handle) -> Handle:
    """Shuffle channels, or rearrange depth to space or space to depth."""
    factor = draw(st.integers(2, 3))
    if not x.shape[2] % factor and not x.shape[3] % factor and draw(st.booleans()):
        return ops.pixel_unshuffle(x, factor)
    if prod(x.shape) < LARGEST // 50 and draw(st.booleans()):
        return ops.pixel_shuffle(ops.conv2d(x, draw(st.integers(1, 3)) * factor**2, 1), factor)
    groups = [size for size in range(1, x.channels + 1) if not x.channels % size]
    return ops.channel_shuffle(x, draw(st.sampled_from(groups)))


def layer_scaled(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a residual branch with a weight per channel, as in ConvNeXt."""
    y = ops.conv2d(x, x.channels, 1)
    return ops.add(x, ops.mul(ops.parameter(x, (x.channels, 1, 1), fill=0.1, name="gamma"), y))


def tokens(draw: st.DrawFn, x: Handle) -> Handle:
    """Add a class token, positions and multi-head attention, as in ViT."""
    if prod(x.shape[2:]) ** 2 * x.shape[0] > LARGEST:
        return normal(draw, x)
    rows = ops.permute(ops.flatten(x, 2), (0, 2, 1))
    width = x.channels
    token = ops.parameter(x, (1, 1, width), name="token")
    rows = ops.concat([ops.expand(token, rows), rows])
    rows = ops.add(rows, ops.parameter(x, (1, rows.shape[1], width), std=0.02, name="position"))
    heads = draw(st.sampled_from([size for size in range(1, width + 1) if not width % size]))
    split = ops.split(ops.linear(rows, 3 * width, name="qkv"), (width,) * 3, dim=2)
    shape = (x.shape[0], rows.shape[1], heads, width // heads)
    q, k, v = (ops.permute(ops.reshape(part, shape), (0, 2, 1, 3)) for part in split)
    mixed = ops.scaled_dot_product_attention(q, k, v, is_causal=draw(st.booleans()))
    mixed = ops.reshape(ops.permute(mixed, (0, 2, 1, 3)), rows.shape)
    kept = ops.slice(mixed, 1, 1, rows.shape[1])
    return ops.reshape(ops.permute(kept, (0, 2, 1)), x.shape)


def centred(draw: st.DrawFn, x: Handle) -> Handle:
    """Subtract the mean over some dimensions, or divide by a sum that is never near zero."""
    dims = draw(st.sampled_from([1, 2, tuple(range(2, len(x.shape)))]))
    if draw(st.booleans()):
        return ops.sub(x, ops.mean(x, dims, keepdim=True))
    return ops.div(x, ops.sum(ops.sigmoid(x), dims, keepdim=True))


def scaled(draw: st.DrawFn, x: Handle) -> Handle:
    """Process a slice of the channels and concatenate it with the rest."""
    cut = draw(st.integers(1, x.channels))
    first = normal(draw, ops.slice(x, 1, 0, cut))
    if cut == x.channels:
        return ops.mul(first, x)
    return ops.concat([first, ops.slice(x, 1, cut, x.channels)])


def head(draw: st.DrawFn, x: Handle, name: str) -> Handle:
    """Add a classifier after global pooling or flattening."""
    dims = len(x.shape) - 2
    with x.scope(name):
        if draw(st.booleans()):
            kind = draw(st.sampled_from(["avg", "max"]))
            x = getattr(ops, f"adaptive_{kind}_pool{dims}d")(x, draw(st.integers(1, 3)))
        x = ops.flatten(x)
        if x.shape[1] > LARGEST // 40:
            x = ops.slice(x, 1, 0, LARGEST // 40)
        return ops.linear(x, draw(st.integers(1, 10)), draw(st.booleans()), name="fc")


def check(graph: Graph) -> None:
    """Check multiply-adds (declared == traced == FlopCounterMode / 2), shapes of a real run,
    torch's parameters, and the outputs of the exported file."""
    net = build(graph, seed=0)
    inputs = [torch.randn(node.output.shape) for node in graph.inputs]
    params = sum(weight.numel for weight in graph.weights)
    assert sum(p.numel() for p in net.parameters()) == params
    shapes = {name: value.shape for name, value in graph.outputs.items()}
    for mode in modes(graph):
        net.train(mode)
        declared = profile(graph.train(mode))
        traced_graph = trace(net, *[tuple(x.shape) for x in inputs], train=None)
        traced = profile(traced_graph)
        assert traced.macs == declared.macs
        assert traced.cost == declared.cost
        assert sum(weight.numel for weight in traced_graph.weights) == params
        # Unfused attention: torch 2.9's counter does not support the CPU's fused kernel.
        with torch.no_grad(), sdpa_kernel(MATH), FlopCounterMode(display=False) as counter:
            results = net(*inputs)
        assert counter.get_total_flops() == 2 * declared.macs
        wanted = list(shapes.values()) if mode else [graph.output.shape]
        assert [tuple(result.shape) for result in tuple_of(results)] == wanted
    if True in modes(graph):
        same_training_step(graph, [*OPTIMIZERS][len(graph) % len(OPTIMIZERS)])
    same_when_exported(graph, net, inputs)


def same_training_step(graph: Graph, optimizer: str = "") -> None:
    """Check that the operators' rules and torch's dispatcher count the same training step."""
    net = build(graph, device="meta").train()
    inputs = [
        torch.empty(node.output.shape, dtype=getattr(torch, node.output.dtype), device="meta")
        for node in graph.inputs
    ]
    traced = profile(trace(net, *inputs, train=True, optimizer=optimizer or None))
    declared = profile(training_step(graph, optimizer))
    assert not traced.not_counted
    assert declared.params == traced.params
    assert {phase.name: phase.cost for phase in declared.by_phase} == {
        phase.name: phase.cost for phase in traced.by_phase
    }


def modes(graph: Graph) -> list[bool]:
    """Include training unless a batch normalisation has only one value per channel."""
    sizes = [
        prod(node.output.shape) // node.output.shape[1] for node in graph if node.op == "batch_norm"
    ]
    return [False] if 1 in sizes else [True, False]


def same_when_exported(graph: Graph, net: Network, inputs: list[torch.Tensor]) -> None:
    text = export_python(graph)
    first = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    scope: dict[str, object] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), scope)
    other = scope[first.name]()  # type: ignore[operator]
    other.load_state_dict(net.state_dict(), strict=True)
    for mode in modes(graph):
        results = []
        for module in (net, other):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)  # equal dropout masks
                results.append(module.train(mode)(*inputs))
        torch.testing.assert_close(*map(tuple_of, results))


def tuple_of(results: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(results) if isinstance(results, tuple) else (results,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # the networks are tiny
    tally: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    begin = time.perf_counter()

    @seed(options.seed)
    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs())
    def every(graph: Graph) -> None:
        check(graph)
        tally["networks"] += 1
        tally["runs"] += len(modes(graph))
        tally["macs"] += profile(graph).macs
        operators.update(node.op for node in graph)

    every()
    say = sys.stdout.write
    say(
        f"{tally['networks']:,} random architectures (seed {options.seed}), "
        f"{sum(operators.values()):,} nodes of {len(operators)} operators, "
        f"{tally['runs']:,} runs in training and evaluation, {tally['macs']:,} multiply-adds: "
        "declared == traced == FlopCounterMode / 2, shapes == a real run's, "
        "parameters == torch's, training steps == traced steps, "
        "exported outputs == built outputs; 0 differences "
        f"in {time.perf_counter() - begin:,.0f} s, torch {torch.__version__}\n"
    )


if __name__ == "__main__":
    main()
