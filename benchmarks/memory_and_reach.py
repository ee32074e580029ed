"""Receptive fields and memory against what torch does, on networks that archcalc was not built for.

    python benchmarks/memory_and_reach.py reach     size, stride and offset against real gradients
    python benchmarks/memory_and_reach.py saved     kept for backward against saved_tensors_hooks
    python benchmarks/memory_and_reach.py peak      the eager peak against tensors alive on the CPU
    python benchmarks/memory_and_reach.py step      a training step's peak, the same way

Each command prints one line per network and then how many were tried, equal, explained and failed.
A name after the command runs the networks that contain it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import archcalc
from archcalc.analysis.receptive_field import Follower, Line, Unknown
from archcalc.graph import Graph

# -- receptive fields: the support of real gradients


class Linearised(TorchFunctionMode):
    """Runs a network with every operation replaced by a sum over what it reads, so that a gradient
    is positive exactly where there is a path: no zero of a ReLU, no sign, no cancellation."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        replaced = REPLACED.get(name) or REPLACED.get(name.removeprefix("r").removeprefix("i"))
        if replaced is None:
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return replaced(func, *args, **kwargs)


def _same(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x.clone()


def _sum(func: Any, a: Any, b: Any = 0, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(a, Tensor):
        a, b = b, a
    if not isinstance(a, Tensor) or not a.is_floating_point():
        return func(a, b, *args, **kwargs)
    return a + b if isinstance(b, Tensor) else a.clone()


def _weight(weight: Tensor, fan: int) -> Tensor:
    return torch.full_like(weight, 1 / fan, dtype=torch.float64, requires_grad=False)


def _convolution(func: Any, x: Tensor, weight: Tensor, bias: Any = None, *a: Any, **k: Any) -> Any:
    groups = k.get("groups", a[3] if len(a) > 3 else 1)
    return func(x, _weight(weight, weight.shape[0] // groups), None, *a, **k)


def _transposed(func: Any, x: Tensor, weight: Tensor, bias: Any = None, *a: Any, **k: Any) -> Any:
    return func(x, _weight(weight, weight.shape[1]), None, *a, **k)


def _linear(func: Any, x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    return func(x, _weight(weight, weight.shape[0]), None)


def _max_pool(
    func: Any, x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor:  # fmt: skip
    assert dilation in (1, (1, 1))
    return F.avg_pool2d(x, kernel, stride, padding, ceil_mode)


def _normalised(func: Any, x: Tensor, shape: Any, *args: Any, **kwargs: Any) -> Tensor:
    return x + x.mean(tuple(range(-len(shape), 0)), keepdim=True)


def _softmax(func: Any, x: Tensor, dim: int, *args: Any, **kwargs: Any) -> Tensor:
    return x + x.mean(dim, keepdim=True)


def _matmul(func: Any, a: Tensor, b: Tensor) -> Tensor:
    return a.mean(-1, keepdim=True) + b.mean(-2, keepdim=True)


def _attention(func: Any, q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return q.mean(-1, keepdim=True) + k.mean((-1, -2), keepdim=True) + v.mean(-2, keepdim=True)


def _grouped(func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x + x.mean(tuple(range(1, x.dim())), keepdim=True)


REPLACED: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(
        (
            *("relu", "relu6", "silu", "hardswish", "hardsigmoid", "sigmoid", "gelu", "tanh"),
            *("leaky_relu", "elu", "mish", "prelu", "hardtanh", "dropout", "batch_norm", "clamp"),
            *("relu_", "silu_", "sqrt", "rsqrt", "exp", "pow", "softplus", "celu", "selu"),
            *("local_response_norm", "clip", "log", "square", "abs"),
        ),
        _same,
    ),
    **dict.fromkeys(("mul", "div", "sub", "add", "maximum", "truediv", "multiply"), _sum),
    **{f"conv{n}d": _convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed for n in (1, 2, 3)},
    "linear": _linear,
    "max_pool2d": _max_pool,
    "layer_norm": _normalised,
    "rms_norm": _normalised,
    "softmax": _softmax,
    "matmul": _matmul,
    "bmm": _matmul,
    "scaled_dot_product_attention": _attention,
    "group_norm": _grouped,
}


def support(
    run: Callable[[Tensor], Tensor], shape: tuple[int, ...], places: list[tuple[int, ...]]
) -> list[list[tuple[int, int] | None]]:
    """For each output place, the first and last pixel along each axis with a gradient."""
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    with Linearised():
        out = run(x)
    found = []
    for place in places:
        (gradient,) = torch.autograd.grad(
            out[(0, slice(None), *place)].sum(), x, retain_graph=True, allow_unused=True
        )
        spans: list[tuple[int, int] | None] = []
        for axis in range(len(place)):
            others = [dim for dim in range(len(shape)) if dim != axis + 2]
            used = (
                gradient.abs().amax(others).nonzero().flatten().tolist()
                if gradient is not None
                else []
            )
            spans.append((used[0], used[-1]) if used else None)
        found.append(spans)
    return found


def predicted(graph: Graph, place: tuple[int, ...]) -> list[tuple[int, int] | None] | Unknown:
    """The same from archcalc: the largest window of a place, clipped to the input."""
    follower = Follower(graph)
    value = graph.output
    state = follower.states[value.source, value.port]
    if isinstance(state, Unknown):
        return state
    reach = follower.fields[graph.nodes[value.source].name]
    if isinstance(reach, Unknown):
        return reach
    spans: list[tuple[int, int] | None] = []
    for axis, size in enumerate(follower.places):
        if axis in state.everything:
            spans.append((0, size - 1))
            continue
        line = next(
            part.of for part in state.parts() if isinstance(part.of, Line) and part.of.axis == axis
        )
        span = line.large.at(place[axis])
        if span is not None:
            span = max(span[0], 0), min(span[1], size - 1)
            if span[0] > span[1]:
                span = None
        spans.append(span)
    return spans


class Maps(nn.Module):
    """A network up to its last feature map."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.model = model
        self.take = forward

    def forward(self, x: Tensor) -> Any:
        return self.take(self.model, x)


TALL = (1, 3, 768, 64)
"""Tall, so that the window of a deep network fits along one axis; narrow, to be cheap."""


def reach_networks() -> Iterator[tuple[str, Callable[[], nn.Module], tuple[int, ...]]]:
    import timm
    import torchvision.models as tv

    def features(name: str) -> Callable[[], nn.Module]:
        return lambda: Maps(tv.get_model(name, weights=None), lambda m, x: m.features(x))

    def resnet(name: str) -> Callable[[], nn.Module]:
        def forward(m: Any, x: Tensor) -> Tensor:
            x = m.maxpool(m.relu(m.bn1(m.conv1(x))))
            return m.layer4(m.layer3(m.layer2(m.layer1(x))))

        return lambda: Maps(tv.get_model(name, weights=None), forward)

    def shuffle(name: str) -> Callable[[], nn.Module]:
        def forward(m: Any, x: Tensor) -> Tensor:
            return m.conv5(m.stage4(m.stage3(m.stage2(m.maxpool(m.conv1(x))))))

        return lambda: Maps(tv.get_model(name, weights=None), forward)

    def dense(name: str) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            model = tv.get_model(name, weights=None, weights_backbone=None)
            return Maps(model, lambda m, x: m(x)["out"])

        return make

    def of_timm(name: str) -> Callable[[], nn.Module]:
        return lambda: Maps(timm.create_model(name), lambda m, x: m.forward_features(x))

    for name in (
        *("alexnet", "vgg11", "vgg16", "vgg19_bn", "densenet121", "squeezenet1_0"),
        *("squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"),
        "convnext_tiny",
    ):
        yield name, features(name), TALL
    for name in ("resnet18", "resnet34", "resnet50", "resnext50_32x4d"):
        yield name, resnet(name), TALL
    for name in ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0"):
        yield name, shuffle(name), TALL
    yield "mnasnet0_5", lambda: Maps(tv.mnasnet0_5(), lambda m, x: m.layers(x)), TALL
    for name in ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"):
        yield name, dense(name), (1, 3, 768, 64)
    for name in (
        *("darknet53", "cspdarknet53", "repvgg_a0", "ghostnet_100", "res2net50_26w_4s", "dla34"),
        *("hrnet_w18_small", "ese_vovnet19b_dw", "selecsls42", "mixnet_s", "convmixer_768_32"),
        *("poolformer_s12", "edgenext_xx_small", "inception_v3", "inception_resnet_v2", "xception"),
        *("legacy_seresnet18", "regnetx_002", "mobileone_s0", "tf_efficientnet_lite0"),
        *("resnet26d", "resnetv2_50", "semnasnet_050", "hardcorenas_a", "efficientvit_b0"),
    ):
        yield name, of_timm(name), TALL
    for name in ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s16_224"):
        yield name, of_timm(name), (1, 3, 224, 224)


def check_reach(
    graph: Graph, run: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> tuple[str, str]:
    """("equal" | "explained" | "failed", what was found)."""
    after = graph.output.shape
    follower = Follower(graph)
    reach = follower.fields[graph.nodes[graph.output.source].name]
    if isinstance(reach, Unknown):
        return "explained", f"unknown: {reach.why} at {reach.node}"
    ends = [(size // 2, size // 2 + 1, size // 3, 0, size - 1) for size in after[2:]]
    places = [tuple(min(max(p, 0), s - 1) for p, s in zip(place, after[2:], strict=True))
              for place in zip(*ends, strict=True)]  # fmt: skip
    measured = support(run, shape, places)
    for place, spans in zip(places, measured, strict=True):
        mine = predicted(graph, place)
        assert not isinstance(mine, Unknown)
        if reach.largest.is_global:
            for axis, span in enumerate(spans):
                if span is None or span[0] > 0 or shape[axis + 2] - 1 - span[1] > 31:
                    return "failed", f"global, but {place} sees {spans}"
        elif mine != spans:
            return "failed", f"{reach}: at {place} {mine}, measured {spans}"
    largest = reach.largest
    stride = "×".join(map(str, largest.stride))
    return "equal", f"{reach}, stride {stride}, offset {largest.offset}"


def reach_table(chosen: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, make, shape in reach_networks():
        if chosen in name:
            torch.manual_seed(0)
            model = make().eval()
            graph = archcalc.trace(model, shape, name=name)
            rows.append((name, *check_reach(graph, model.double(), shape)))
            print(*rows[-1], sep="\t", flush=True)
    return rows


def main(command: str = "reach", chosen: str = "") -> None:
    rows = COMMANDS[command](chosen)
    verdicts = [row[1] for row in rows]
    failed = [row[0] for row in rows if row[1] == "failed"]
    print(
        f"{command}: {len(rows)} tried, {verdicts.count('equal')} equal, "
        f"{verdicts.count('explained')} explained, {len(failed)} failed {' '.join(failed)}"
    )


COMMANDS: dict[str, Callable[[str], list[tuple[str, str, str]]]] = {"reach": reach_table}

if __name__ == "__main__":
    main(*sys.argv[1:])
