"""The conventions of torch and fvcore, which count calls, on models that use functions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.ops import DeformConv2d

from archcalc.analysis.conventions import total
from archcalc.pytorch.crosscheck import TOOLS
from archcalc.pytorch.trace import trace

MATH = SDPBackend.MATH


class Written(nn.Module):
    """A model of one function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function
        self.gain = nn.Parameter(torch.ones(6))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def standardised(x: Tensor, weight: Tensor, gain: Tensor) -> Tensor:
    """A convolution whose weight is normalised, as in NFNets."""
    flat = F.batch_norm(weight.reshape(1, len(weight), -1), None, None, gain * 2, training=True)
    return F.conv2d(x, flat.reshape_as(weight))


X, M, V, B = torch.rand(2, 6, 9, 9), torch.rand(6, 7), torch.rand(7), torch.rand(3, 5, 7)
MODELS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "einsum": (lambda a, b: torch.einsum("bij,kj->bik", a, b), (B, M)),
    "einsum of stacks": (lambda a, b: torch.einsum("n c t, n c p -> n t p", a, b), (B, B)),
    "einsum transposed": (lambda a, b: torch.einsum("xyz,xtz->xty", a, b), (B, B)),
    "einsum without a sum": (lambda a, b: torch.einsum("i,j->ij", a, b), (V, M[:, 0])),
    "einsum of many digits": (
        lambda a, b: torch.einsum("bij,kj->bik", a, b),
        (torch.rand(7, 13, 37), torch.rand(41, 37)),
    ),
    "batch norm of a weight": (standardised, (X, torch.rand(6, 6, 3, 3), torch.rand(6))),
    "batch norm, bare": (lambda x: F.batch_norm(x, V[:6], V[:6]), (X,)),
    "batch norm, computed": (lambda x: F.batch_norm(x, V[:6], V[:6], x[0, :, 0, 0]), (X,)),
    "layer norm, computed": (lambda x, m: F.layer_norm(m, (7,), x[0, 0, 0, :7]), (X, M)),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2.0), (X,)),
    "bilinear": (lambda x: F.interpolate(x, (5, 5), mode="bilinear"), (X,)),
    "grid_sample": (
        lambda x, grid: F.grid_sample(x, grid, align_corners=False),
        (X, torch.rand(2, 4, 4, 2)),
    ),
    "addmm": (lambda a, b: torch.addmm(b[0], a, b), (torch.rand(5, 6), M)),
    "baddbmm": (lambda a, b: torch.baddbmm(a @ b, a, b), (B, B.mT.contiguous())),
    "broadcast product": (lambda a, b: a @ b, (B, M.T.contiguous())),
    "attention": (F.scaled_dot_product_attention, (B[None], B[None], B[None])),
}


@pytest.mark.parametrize("tool", ["torch", "fvcore"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_a_function_counts_as_the_tool_counts_it(name: str, tool: str) -> None:
    function, inputs = MODELS[name]
    model = Written(function).eval()
    graph = trace(model, *inputs)
    # Unfused attention: torch 2.9's counter does not support the CPU's fused kernel.
    with torch.no_grad(), sdpa_kernel(MATH) if tool == "torch" else nullcontext():
        reported, _ = TOOLS[tool].ask(model, inputs)
    assert total(graph, tool).value == reported


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda a, v: a @ v, (M, V)),
        (lambda a, v: a @ v, (B, V)),
        (lambda v, a: v @ a, (V, M.T)),
        (lambda v, a: v @ a, (V, B.mT)),
        (torch.dot, (V, V)),
        (lambda a, b, w: F.bilinear(a, b, w), (M, M, torch.rand(4, 7, 7))),
        (lambda a, b: torch.einsum("bij,kj->bik", a, b), (B, M)),
    ],
)
def test_torchs_own_counter_does_not_see_products_with_a_vector(
    function: Callable[..., Tensor], inputs: tuple[Tensor, ...]
) -> None:
    reported, _ = TOOLS["torch"].ask(Written(function), inputs)
    assert total(trace(function, *inputs), "torch").value == reported


class Own(nn.Conv2d):
    """A layer derived from torch's, as in networks that pad inputs or scale weights."""


class Mixed(nn.Module):
    """A model with functions, layers, a derived layer, and more rows than images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.own = nn.Conv2d(3, 4, 3), Own(4, 4, 3)
        self.act, self.last = nn.Sequential(nn.ReLU6(), nn.ELU(), nn.PReLU()), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.own(F.relu(self.conv(x))))
        x = F.conv2d(F.interpolate(x, scale_factor=2.0), torch.ones(4, 4, 1, 1))
        x = F.linear(F.adaptive_avg_pool2d(x, 4), torch.ones(4, 4))
        out: Tensor = self.last(F.silu(x).flatten(0, 2))  # 2 images, 2·4·4 rows
        return out.softmax(-1).reshape(2, -1).relu() + F.softmax(out, -1).reshape(2, -1)


@pytest.mark.parametrize("tool", ["torch", "fvcore", "thop", "ptflops"])
@pytest.mark.filterwarnings("ignore")
def test_tools_that_count_modules_are_explained_on_functions_and_derived_layers(
    tool: str,
) -> None:
    model, x = Mixed().eval(), torch.zeros(2, 3, 12, 12)
    graph = trace(model, x)
    assert TOOLS[tool].ask(model, (x,))[0] == total(graph, tool).value


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "ReLU6": nn.ReLU6,
    "Hardtanh": nn.Hardtanh,
    "ELU": nn.ELU,
    "PReLU": lambda: nn.PReLU(3),
    "LeakyReLU": nn.LeakyReLU,
    "LogSoftmax": lambda: nn.LogSoftmax(-1),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(3, affine=True),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.filterwarnings("ignore")
def test_a_layer_counts_as_each_tool_counts_it(name: str, tool: str) -> None:
    device = TOOLS[tool].device
    model = nn.Sequential(LAYERS[name](), nn.Conv2d(3, 4, 1)).eval().to(device)
    x = torch.zeros(2, 3, 4, 4, device=device)
    assert total(trace(model, x), tool).value == TOOLS[tool].ask(model, (x,))[0]


class Deformed(nn.Module):
    def __init__(self, bias: bool, masked: bool) -> None:
        super().__init__()
        self.conv = DeformConv2d(4, 6, 3, padding=1, bias=bias, groups=2)
        self.given = [torch.zeros(2, 18, 8, 8), *([torch.zeros(2, 9, 8, 8)] if masked else [])]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x, *self.given)
        return out


@pytest.mark.parametrize(("bias", "masked"), [(True, True), (False, False)])
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.filterwarnings("ignore")
def test_a_deformable_convolution_counts_as_each_tool_counts_it(
    tool: str, bias: bool, masked: bool
) -> None:
    model, x = Deformed(bias, masked).eval(), torch.zeros(2, 4, 8, 8)
    assert total(trace(model, x), tool).value == TOOLS[tool].ask(model, (x,))[0]
