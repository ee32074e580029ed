"""Training memory equals what autograd packs, to the byte, for all registered networks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

import archcalc
from archcalc.analysis.memory import saved_for_backward
from archcalc.lookup import registry

SMALL = {
    "alexnet": "227x227x3",
    "alexnet-torchvision": "96x96x3",
    "convnext-tiny": "64x64x3",
    "densenet121": "64x64x3",
    "efficientnet-b0": "64x64x3",
    "googlenet": "96x96x3",
    "googlenet-bn": "96x96x3",
    "mobilenet-v1": "64x64x3",
    "mobilenet-v2": "64x64x3",
    "mobilenet-v3-large": "64x64x3",
    "mobilenet-v3-small": "64x64x3",
    "nin-mnist-v0": "112x112x1",
    "nin-mnist-v1": "112x112x1",
    "nin-mnist-v2": "112x112x1",
    "resnet18": "64x64x3",
    "resnet34": "64x64x3",
    "resnet50": "64x64x3",
    "resnet101": "64x64x3",
    "resnet152": "64x64x3",
    "resnext50": "64x64x3",
    "se-resnet50": "64x64x3",
    "shufflenet-v2": "64x64x3",
    "sknet50": "64x64x3",
    "squeezenet": "64x64x3",
    "unet": "188x188x1",
    "vgg16": "32x32x3",
    "vit-b-16": "64x64x3",
}


def packed_bytes(model: torch.nn.Module, x: torch.Tensor) -> int:
    """Return the bytes that autograd packs in one forward pass, excluding the model's own."""
    own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    storages: dict[int, int] = {}
    alive = []  # keeps tensors alive, so that addresses stay unique

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(storages.values())


@pytest.mark.parametrize("name", registry.names())
def test_autograd_keeps_what_the_analyzer_predicts(name: str) -> None:
    graph = archcalc.graph(name, input=SMALL.get(name), batch=2, training=True)
    model = archcalc.build(graph).train()
    counted = graph.profile().memory.saved_bytes
    assert packed_bytes(model, torch.rand(graph.inputs[0].output.shape)) == counted


class Attention(torch.nn.Module):
    """Self-attention with four heads on non-contiguous projections."""

    def __init__(self, fused: bool, biased: bool) -> None:
        super().__init__()
        self.fused = fused
        self.qkv = torch.nn.Linear(16, 48)
        self.out = torch.nn.Linear(16, 16)
        self.bias = torch.nn.Parameter(torch.zeros(1, 4, 9, 9)) if biased else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).reshape(2, 9, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
        else:
            scores = (q * 0.5) @ k.transpose(-2, -1)
            if self.bias is not None:
                scores = scores + self.bias
            y = scores.softmax(-1) @ v
        out: torch.Tensor = self.out(y.transpose(1, 2).reshape(2, 9, 16))
        return out


CALLS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu6 in place": lambda x: F.relu6(x, inplace=True),
    "silu in place": lambda x: F.silu(x, inplace=True),
    "hardswish in place": lambda x: F.hardswish(x, inplace=True),
    "leaky_relu in place": lambda x: F.leaky_relu(x, inplace=True),
    "relu6": F.relu6,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "sub": lambda x: x - x.flatten()[0],
    "div": lambda x: x / (x + 1),
    "div by a number": lambda x: x / 3,
    "mul by a number": lambda x: x * 3,
    "mul by an input": lambda x: x * torch.ones(2, 8, 6, 6),
    "maximum": lambda x: torch.maximum(x, -x),
    "exp": torch.exp,
    "log": torch.log,
    "abs": torch.abs,
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "topk": lambda x: x.topk(2, dim=1).values,
    "sort": lambda x: x.sort(dim=1).values,
    "amax": lambda x: x.amax(1),
    "dropout of nothing": lambda x: F.dropout(x, 0.0, training=True),
    "dropout": lambda x: F.dropout(x, 0.5, training=True),
    "interpolate": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "a gate": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "log_softmax": lambda x: x.log_softmax(1),
    "a copy of a transpose": lambda x: x.transpose(1, 2).reshape(2, -1).exp(),
}


class After(torch.nn.Module):
    """A call after a convolution, whose output nothing else keeps."""

    def __init__(self, call: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 1)
        self.call = call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(self.conv(x))


def counted_bytes(model: torch.nn.Module, shape: tuple[int, ...]) -> int:
    graph = archcalc.trace(model, shape, train=None)
    return sum(row.nbytes for row in saved_for_backward(graph))


@pytest.mark.parametrize("name", CALLS)
def test_autograd_keeps_for_each_call_what_its_row_predicts(name: str) -> None:
    model = After(CALLS[name]).train()
    assert counted_bytes(model, (2, 3, 6, 6)) == packed_bytes(model, torch.rand(2, 3, 6, 6))


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_attention_keeps_what_its_kernel_needs(fused: bool, biased: bool) -> None:
    model = Attention(fused, biased).train()
    assert counted_bytes(model, (2, 9, 16)) == packed_bytes(model, torch.rand(2, 9, 16))


class Alive(TorchDispatchMode):
    """Records the most bytes alive after any operation, excluding weights and buffers."""

    def __init__(self, model: torch.nn.Module, *given: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.own = {e.untyped_storage()._cdata for e in (*model.parameters(), *model.buffers())}
        self.storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0
        for tensor in given:
            self.add(tensor)

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own:
            self.storages[storage._cdata] = StorageWeakRef(storage), storage.nbytes()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        for name in [name for name, (ref, _) in self.storages.items() if ref.expired()]:
            del self.storages[name]
        self.peak = max(self.peak, sum(size for _, size in self.storages.values()))
        return out


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "squeezenet1_1"])
def test_the_eager_peak_is_the_largest_live_memory(name: str) -> None:
    model = torchvision.models.get_model(name, weights=None).eval()
    mine = archcalc.trace(model, (2, 3, 64, 64)).profile().memory.eager_peak_bytes
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad(), Alive(model, x) as alive:
        model(x)
    assert mine == alive.peak


class WindowedAttention(torch.nn.Module):
    """Attention inside windows; torch has no fused kernel for five dimensions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, windows, tokens, width = x.shape
        q, k, v = x.view(n, windows, tokens, 3, 2, width // 6).permute(3, 0, 1, 4, 2, 5).unbind()
        return F.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("tokens", [4, 16, 64])
def test_the_eager_peak_includes_the_scores_of_unfused_attention(tokens: int) -> None:
    model, shape = WindowedAttention(), (2, 3, tokens, 96)
    mine = archcalc.trace(model, shape).profile().memory.eager_peak_bytes
    x = torch.rand(shape)
    with torch.no_grad(), Alive(model, x) as alive:
        model(x)
    assert mine == alive.peak


def test_a_directly_used_parameter_is_not_an_activation() -> None:
    class Shifted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(1, 16, 4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.shift

    memory = archcalc.trace(Shifted(), (1, 16, 4, 4)).profile().memory
    kibibyte = 4 * 16 * 4 * 4
    assert memory.weight_bytes == kibibyte
    assert memory.peak_bytes == 2 * kibibyte  # the input and the sum
