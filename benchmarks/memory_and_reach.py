"""Compare receptive fields and memory with measurements in torch, on networks outside the test
suite.

    python benchmarks/memory_and_reach.py reach     receptive fields, with gradients
    python benchmarks/memory_and_reach.py saved     saved bytes, with saved_tensors_hooks
    python benchmarks/memory_and_reach.py peak      peak of inference, with tensors alive on the CPU
    python benchmarks/memory_and_reach.py step      peak of a training step, in the same way

Each command prints one line per network, then the number of networks that were tried, equal, within
5 %, explained and failed. A text after the command selects the networks whose names contain it;
``step`` takes an optimizer after that. ``--out FILE`` appends the lines to a file, and ``table
FILE`` prints docs/memory-and-reach.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import archcalc
from archcalc.analysis.memory import eager_liveness, saved_for_backward, training_step
from archcalc.analysis.receptive_field import Field, Follower, Reach, Unknown
from archcalc.analysis.receptive_field.spans import Spans
from archcalc.analysis.receptive_field.state import Line, State, refined
from archcalc.graph import Graph
from archcalc.pytorch.trace.training import OPTIMIZERS

# -- receptive fields: the support of real gradients


class Linearised(TorchFunctionMode):
    """Replaces every operation by a sum over the values that it reads. A gradient is then positive
    if and only if there is a path: nothing cancels, and no ReLU yields 0."""

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


Hull = tuple[int, int] | None


def support(
    run: Callable[[Tensor], Tensor], shape: tuple[int, ...], places: list[tuple[int, ...]]
) -> list[list[Hull]]:
    """For each output position, the first and last pixel with a gradient along each axis."""
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    with Linearised():
        out = run(x)
    found = []
    for place in places:
        one = out[(0, slice(None), *place)].sum()
        (gradient,) = torch.autograd.grad(one, x, retain_graph=True)
        spans: list[Hull] = []
        for axis in range(2, len(shape)):
            others = [dim for dim in range(len(shape)) if dim != axis]
            used = gradient.abs().amax(others).nonzero().flatten().tolist()
            spans.append((used[0], used[-1]) if used else None)
        found.append(spans)
    return found


class Maps(nn.Module):
    """A network that ends with its last feature map."""

    def __init__(self, model: nn.Module, forward: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.model = model
        self.take = forward

    def forward(self, x: Tensor) -> Any:
        return self.take(self.model, x)


class UNet(nn.Module):
    """Three levels of two 3×3 convolutions, with 3×3 convolutions of stride 2 between them."""

    def __init__(self, up: Callable[[], nn.Module]) -> None:
        super().__init__()

        def pair(channels: int) -> nn.Module:
            return nn.Sequential(
                *(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU()),
                *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
            )

        self.down = nn.ModuleList(pair(channels) for channels in (3, 8, 8))
        self.halve = nn.ModuleList(nn.Conv2d(8, 8, 3, 2, 1) for _ in range(3))
        self.bottom = pair(8)
        self.up = nn.ModuleList(up() for _ in range(3))
        self.meet = nn.ModuleList(pair(16) for _ in range(3))
        self.head = nn.Conv2d(8, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for pair, halve in zip(self.down, self.halve, strict=True):
            x = pair(x)
            skips.append(x)
            x = halve(x)
        x = self.bottom(x)
        for up, meet in zip(self.up, self.meet, strict=True):
            x = meet(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


TALL = (1, 3, 768, 64)
"""The input with which the window is found. Measurements use an input that is long enough for the
window along one axis."""


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
        *("fbnetc_100", "spnasnet_100", "cspresnet50", "dpn48b", "res2next50"),
    ):
        wide = (1, 3, 768, 128) if name.startswith("inception") else TALL
        yield name, of_timm(name), wide
    for name, up in {
        "unet, bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        "unet, nearest": lambda: nn.Upsample(scale_factor=2),
        "unet, transposed 2×2": lambda: nn.ConvTranspose2d(8, 8, 2, 2),
        "unet, transposed 4×4": lambda: nn.ConvTranspose2d(8, 8, 4, 2, 1),
        "unet, pixel shuffle": lambda: nn.Sequential(nn.Conv2d(8, 32, 1), nn.PixelShuffle(2)),
    }.items():
        yield name, lambda up=up: UNet(up), TALL
    for name in ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s16_224"):
        yield name, of_timm(name), (1, 3, 224, 224)


def check_reach(model: nn.Module, shape: tuple[int, ...], name: str = "") -> tuple[str, str]:
    """(verdict, details), where the verdict is "equal", "explained" or "failed"."""
    follower, graph = followed(model, shape, name)
    reach = follower.fields[graph.nodes[graph.output.source].name]
    if isinstance(reach, Unknown):
        return "explained", f"unknown: {reach.why} at {reach.node}"
    if reach.largest.is_global:
        return check_global(model, shape, graph)
    rows = [check_axis(model, shape, axis) for axis in range(2)]
    verdict = "equal" if all(equal for equal, _ in rows) else "failed"
    return verdict, "; ".join(dict.fromkeys(found for _, found in rows))


def followed(model: nn.Module, shape: tuple[int, ...], name: str = "") -> tuple[Follower, Graph]:
    graph = archcalc.trace(model.float(), shape, name=name)
    return Follower(graph), graph


def check_global(model: nn.Module, shape: tuple[int, ...], graph: Graph) -> tuple[str, str]:
    """Check that every position sees the whole image, except for remaining pixels of a stride."""
    after = graph.output.shape[2:]
    places = [tuple(size // 2 for size in after), (0,) * len(after)]
    for place, spans in zip(places, support(model.double(), shape, places), strict=True):
        for span, size in zip(spans, shape[2:], strict=True):
            if span is None or span[0] > 0 or size - 1 - span[1] > 31:
                return "failed", f"global, but {place} sees {spans}"
    return "equal", "global"


def check_axis(model: nn.Module, shape: tuple[int, ...], axis: int) -> tuple[bool, str]:
    """Whether size, stride and offset along one axis are equal to the measurement, with details.

    Along this axis, the image is long enough to contain the windows of a whole period.
    """
    long = list(shape)
    long[2:] = [min(shape[2:])] * 2
    long[axis + 2] = max(shape[2:])
    follower, graph = followed(model, tuple(long))
    field = largest_of(follower, graph)
    step = field.stride[axis]
    line = line_along(follower, graph, axis)
    period = len(line.spans)
    first = (ceil(-field.offset[axis] / step) // period + 2) * period
    while (line.at(first) or (0, 0))[0] < 0:
        first += period
    needed = max((line.at(first + i) or (0, 0))[1] for i in range(period + 1)) + 1
    long[axis + 2] = max(-(-needed // 64) * 64, min(shape[2:]))
    follower, graph = followed(model, tuple(long))
    again = largest_of(follower, graph)
    if again.size[axis] != field.size[axis] or again.offset[axis] != field.offset[axis]:
        return False, f"{field} becomes {again} where the image is {long}"
    after = graph.output.shape[2:]
    places = []
    for i in [*range(first, first + period + 1), 0, after[axis] - 1]:
        place = [size // 2 for size in after]
        place[axis] = i
        places.append(tuple(place))
    spans = [each[axis] for each in support(model.double(), tuple(long), places)]
    *inner, start, end = spans
    seen = [span for span in inner if span]
    if not inner[0] or not inner[-1]:
        return False, f"nothing seen at {places}"
    size = max(last - at + 1 for at, last in seen)
    stride = Fraction(inner[-1][0] - inner[0][0], period)
    offset = inner[0][0] - first * stride
    measured = size, stride, offset
    expected = field.size[axis], step, field.offset[axis]
    if measured != expected:
        return False, f"{expected} along axis {axis}, measured {measured}"
    if inner != [line.at(first + i) for i in range(period + 1)]:
        return False, f"windows along axis {axis} measured {inner}"
    for i, span in ((0, start), (after[axis] - 1, end)):
        mine = line.at(i)
        if span and (mine is None or span[0] < mine[0] or span[1] > mine[1]):
            return False, f"place {i} at the border of axis {axis} sees {span}, not {mine}"
    return True, f"size {size}, stride {stride}, offset {offset}"


def largest_of(follower: Follower, graph: Graph) -> Field:
    reach = follower.fields[graph.nodes[graph.output.source].name]
    assert isinstance(reach, Reach)
    return reach.largest


def line_along(follower: Follower, graph: Graph, axis: int) -> Spans:
    """The windows of the output positions along an axis."""
    state = follower.states[graph.output.source, graph.output.port]
    assert isinstance(state, State)
    (line,) = [
        part.of.large
        for parts in state.dims
        for part in refined(parts)
        if isinstance(part.of, Line) and part.of.axis == axis
    ]
    return line


def reach_table(chosen: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, make, shape in reach_networks():
        if any(part in name for part in chosen.split(",")):
            torch.manual_seed(0)
            model = make().eval()
            rows.append((name, *check_reach(model, shape, name)))
            print(*rows[-1], sep="\t", flush=True)
    return rows


# -- bytes saved for the backward pass, with saved_tensors_hooks


CONVOLUTIONAL = (
    *("alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "densenet121"),
    *("squeezenet1_1", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "mnasnet0_5", "shufflenet_v2_x0_5", "efficientnet_b0"),
    *("efficientnet_v2_s", "regnet_y_400mf", "convnext_tiny"),
)
TRANSFORMERS = (
    *("vit_tiny_patch16_224", "deit_tiny_patch16_224", "cait_xxs24_224", "xcit_nano_12_p16_224"),
    *("swin_tiny_patch4_window7_224", "mixer_s16_224", "beit_base_patch16_224"),
    *("pit_ti_224", "levit_128s", "maxvit_tiny_rw_224", "vit_tiny_r_s16_p8_224"),
    *("coat_lite_tiny", "twins_svt_small", "eva02_tiny_patch14_224", "mobilevit_xs"),
)


def memory_networks() -> Iterator[tuple[str, Callable[[], nn.Module], tuple[int, ...]]]:
    import timm
    import torchvision.models as tv

    def of_timm(name: str, fused: bool) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            timm.layers.set_fused_attn(fused)
            return timm.create_model(name)

        return make

    for name in CONVOLUTIONAL:
        size = 299 if name == "inception_v3" else 224
        yield name, lambda name=name: tv.get_model(name, weights=None), (2, 3, size, size)
    for name in ("vit_b_16", "swin_t"):
        yield name, lambda name=name: tv.get_model(name, weights=None), (2, 3, 224, 224)
    for name in TRANSFORMERS:
        for way, fused in (("sdpa", True), ("eager", False)):
            yield f"{name}, {way}", of_timm(name, fused), (2, 3, 224, 224)


def kept_by_autograd(model: nn.Module, x: Tensor) -> int:
    """Bytes of the storages that autograd saves, without those of the model."""
    own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


def saved_table(chosen: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, make, shape in memory_networks():
        if any(part in name for part in chosen.split(",")):
            torch.manual_seed(0)
            model = make().train()
            mine = sum(
                row.nbytes for row in saved_for_backward(archcalc.trace(model, shape, train=None))
            )
            measured = kept_by_autograd(model, torch.randn(shape))
            verdict = "equal" if mine == measured else "failed"
            rows.append((name, verdict, f"{mine:,} of {measured:,}: {mine / measured:.5f}"))
            print(*rows[-1], sep="\t", flush=True)
    return rows


# -- the peak, with storages alive while torch runs


class Alive(TorchDispatchMode):
    """Records the peak of the storages that are alive after each operation."""

    def __init__(self, model: nn.Module, *given: Tensor) -> None:
        super().__init__()
        self.own = {e.untyped_storage()._cdata for e in (*model.parameters(), *model.buffers())}
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0
        for tensor in given:
            self.add(tensor)

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own:
            self.storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor):
                self.add(tensor)
        dead = [name for name, (ref, _) in self.storages.items() if ref.expired()]
        for name in dead:
            del self.storages[name]
        self.peak = max(self.peak, sum(size for _, size in self.storages.values()))
        return out


def within(mine: int, measured: int) -> tuple[str, str]:
    ratio = mine / measured
    verdict = "equal" if mine == measured else "within 5 %" if abs(ratio - 1) <= 0.05 else "failed"
    return verdict, f"{mine:,} of {measured:,}: {ratio:.5f}"


def peak_table(chosen: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, make, shape in memory_networks():
        if any(part in name for part in chosen.split(",")):
            torch.manual_seed(0)
            model = make().eval()
            mine = max(eager_liveness(archcalc.trace(model, shape)))
            x = torch.randn(shape)
            with torch.no_grad(), Alive(model, x) as alive:
                model(x)
            rows.append((name, *within(mine, alive.peak)))
            print(*rows[-1], sep="\t", flush=True)
    return rows


def step_table(chosen: str, optimizer: str = "adam") -> list[tuple[str, str, str]]:
    rows = []
    for name, make, shape in memory_networks():
        if any(part in name for part in chosen.split(",")):
            torch.manual_seed(0)
            model = make().train()
            graph = archcalc.trace(model, shape, train=None)
            step = training_step(graph, optimizer=optimizer)
            running = OPTIMIZERS[optimizer](model.parameters())
            x = torch.randn(shape)
            peak = 0
            for _ in range(2):  # in the second step, the state of the optimizer exists
                running.zero_grad(set_to_none=True)
                state = [t for s in running.state.values() for t in s.values()]
                with Alive(model, x, *state) as alive:
                    out = model(x)
                    outs = [t for t in (out if isinstance(out, tuple) else (out,)) if t is not None]
                    torch.autograd.backward(outs, [torch.ones_like(each) for each in outs])
                    running.step()
                peak = alive.peak
                del out, outs
            verdict, found = within(step.peak - step.weights, peak)
            rows.append((name, verdict, f"{found}, in {step.peak_phase}"))
            print(*rows[-1], sep="\t", flush=True)
    return rows


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=[*COMMANDS, "table"])
    parser.add_argument(
        "chosen", nargs="*", help="part of a name, and an optimizer; for table a file"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "table":
        (source,) = options.chosen
        sys.stdout.write(page([json.loads(line) for line in Path(source).read_text().splitlines()]))
        return
    rows = COMMANDS[options.command](*(options.chosen or [""]))
    if options.out is not None:
        with options.out.open("a") as file:
            for name, verdict, found in rows:
                line = {"check": options.command, "network": name, "verdict": verdict}
                file.write(json.dumps({**line, "found": found}, ensure_ascii=False) + "\n")
    print(f"{options.command}: {tried([verdict for _, verdict, _ in rows])}")


VERDICTS = "equal", "within 5 %", "explained", "failed"


def tried(verdicts: Sequence[str]) -> str:
    return f"{len(verdicts)} tried, " + ", ".join(
        f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS
    )


COMMANDS: dict[str, Callable[..., list[tuple[str, str, str]]]] = {
    "reach": reach_table,
    "saved": saved_table,
    "peak": peak_table,
    "step": step_table,
}
TITLES = {
    "reach": """## Receptive fields

Size, stride and offset of the largest window of the last feature map, along both axes, compared
with the support of gradients. Every operation is replaced by a sum over the values that it reads,
so that no gradient is zero by chance. The image is long enough to contain the windows of a whole
period. At the border, the gradient is nonzero only inside the window. *Global*: every position sees
the whole image.""",
    "saved": """## Kept for backward

Bytes that archcalc counts, compared with the unique storages that `saved_tensors_hooks` sees in one
training pass of two images, without parameters and buffers.""",
    "peak": """## The peak of inference in eager torch

Bytes that archcalc counts, compared with the storages alive on the CPU after each operation, for
two images.""",
    "step": """## The peak of a training step with Adam

The same for the forward pass, the backward pass and the optimizer of the second step, without the
weights. The measured peak includes the gradient of the output, which a loss would free: 8,000 bytes
in most rows.""",
}


def page(lines: Sequence[dict[str, str]]) -> str:
    """The page of the docs."""
    parts = [
        """# Receptive fields and memory, checked

The results of `archcalc receptive-field` and `archcalc memory`, compared with measurements in
torch. A receptive field is either exact or unknown, with the reason.
`tests/pytorch/test_reach_of_operators.py` checks the operators one by one.

    for check in reach saved peak step; do
        python benchmarks/memory_and_reach.py $check --out checked.jsonl
    done
    python benchmarks/memory_and_reach.py table checked.jsonl > docs/memory-and-reach.md
"""
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm"))
    parts.append(f"Packages: {versions}.\n\n| check | tried | " + " | ".join(VERDICTS) + " |")
    parts.append("| --- |" + " ---: |" * (len(VERDICTS) + 1))
    for check in COMMANDS:
        verdicts = [line["verdict"] for line in lines if line["check"] == check]
        counts = [len(verdicts), *(verdicts.count(verdict) for verdict in VERDICTS)]
        parts.append(f"| {check} | " + " | ".join(map(str, counts)) + " |")
    for check, title in TITLES.items():
        parts.append(f"\n{title}\n\n| network | verdict | found |\n| --- | --- | --- |")
        parts += [
            f"| {line['network']} | {line['verdict']} | {line['found']} |"
            for line in lines
            if line["check"] == check
        ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
