"""Models that counters get wrong, small enough to work out the expected number by hand.

Each case has a module, its input, and the multiply-adds of one forward pass as visible arithmetic.
``benchmarks/hard_cases.py`` compares them with other counters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archcalc import shape


@dataclass(frozen=True)
class Case:
    title: str
    build: Callable[[], nn.Module]
    macs: int
    inputs: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    """The expected number in words, for the table."""


class Run(nn.Module):
    """A function as a module, with the parameters that it closes over."""

    def __init__(self, function: Callable[..., Any], **modules: Any) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


class MyConvolution(nn.Conv2d):
    """A user's class derived from torch's layer."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class ConvertedData(nn.Module):
    """A class with "Conv" in its name but no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Tied(nn.Module):
    """An embedding whose table is also the output layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.head = nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embed(ids))


class Bare(nn.Module):
    """A module with its own parameter and no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(8, 4))
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w * self.scale


class Shared(nn.Module):
    """One layer, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.again = self.layer

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.layer(self.layer(x)))


class Unexecuted(nn.Module):
    """A module of which half never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(8, 4)
        self.auxiliary = nn.Linear(8, 100)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class Standardised(nn.Conv2d):
    """A convolution whose weight is computed in each pass."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias)


class Gated(nn.Module):
    """A module whose branch depends on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > -1e9:
            return self.layer(x)
        return x


class Keywords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, *, left: Tensor, batch: dict[str, Tensor]) -> dict[str, Any]:
        return {"sum": self.layer(left), "parts": [self.layer(batch["right"])]}


def encoder_layer(**settings: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, **settings)


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)


# (2 sequences, 5 long, 16 wide): in and out projections of 4·16 columns, scores and mixing.
ATTENTION = 2 * 5 * 16 * (4 * 16) + 2 * (2 * 5 * 5 * 16)
ENCODER = ATTENTION + 2 * (2 * 5 * 16 * 32)
X = (2, 3, 8, 8)
S = (2, 5, 16)

CASES = [
    # single products
    Case("x @ y", lambda: Run(lambda m, x, y: x @ y), 2 * 3 * 4, ((2, 3), (3, 4))),
    Case("matmul, broadcast", lambda: Run(lambda m, x, y: torch.matmul(x, y)),
         7 * 6 * 2 * 3 * 4, ((7, 1, 2, 3), (6, 3, 4))),
    Case("mm", lambda: Run(lambda m, x, y: torch.mm(x, y)), 2 * 3 * 4, ((2, 3), (3, 4))),
    Case("bmm", lambda: Run(lambda m, x, y: torch.bmm(x, y)), 5 * 2 * 3 * 4,
         ((5, 2, 3), (5, 3, 4))),
    Case("addmm", lambda: Run(lambda m, b, x, y: torch.addmm(b, x, y)), 2 * 3 * 4,
         ((4,), (2, 3), (3, 4))),
    Case("baddbmm", lambda: Run(lambda m, b, x, y: torch.baddbmm(b, x, y)), 5 * 2 * 3 * 4,
         ((5, 2, 4), (5, 2, 3), (5, 3, 4))),
    Case("addbmm", lambda: Run(lambda m, b, x, y: torch.addbmm(b, x, y)), 5 * 2 * 3 * 4,
         ((2, 4), (5, 2, 3), (5, 3, 4))),
    Case("mv", lambda: Run(lambda m, x, y: torch.mv(x, y)), 2 * 3, ((2, 3), (3,))),
    Case("addmv", lambda: Run(lambda m, b, x, y: torch.addmv(b, x, y)), 2 * 3,
         ((2,), (2, 3), (3,))),
    Case("dot", lambda: Run(lambda m, x, y: torch.dot(x, y)), 3, ((3,), (3,))),
    Case("outer", lambda: Run(lambda m, x, y: torch.outer(x, y)), 0, ((3,), (4,)),
         why="products, but no sum: 12 element-wise"),
    Case("einsum", lambda: Run(lambda m, x, y: torch.einsum("bnhd,bmhd->bhnm", x, y)),
         2 * 4 * 5 * 6 * 8, ((2, 5, 4, 8), (2, 6, 4, 8))),
    Case("tensordot", lambda: Run(lambda m, x, y: torch.tensordot(x, y, dims=2)),
         2 * (3 * 4) * 5, ((2, 3, 4), (3, 4, 5))),
    Case("functional.linear", lambda: Run(lambda m, x, w: F.linear(x, w)), 2 * 3 * 4,
         ((2, 3), (4, 3))),
    Case("functional.conv2d", lambda: Run(lambda m, x, w: F.conv2d(x, w)),
         2 * (6 * 6 * 4) * (3 * 3 * 3), (X, (4, 3, 3, 3))),
    Case("functional.bilinear", lambda: nn.Bilinear(3, 4, 5), 2 * 5 * (3 * 4 + 4),
         ((2, 3), (2, 4))),
    Case("products together",
         lambda: Run(lambda m, x: torch.einsum("ij,kj->ik", F.linear(x, m.l.weight) @ x, x),
                     l=nn.Linear(8, 8)),
         3 * 8**3, ((8, 8),)),
    # attention
    Case("scaled_dot_product_attention",
         lambda: Run(lambda m, q: F.scaled_dot_product_attention(q, q, q)),
         2 * (2 * 4 * 5 * 5 * 8), ((2, 4, 5, 8),)),
    Case("the same, causal",
         lambda: Run(lambda m, q: F.scaled_dot_product_attention(q, q, q, is_causal=True)),
         2 * (2 * 4 * 5 * 5 * 8), ((2, 4, 5, 8),), why="dense; the causal part is an attribute"),
    Case("the same, masked, grouped queries",
         lambda: Run(lambda m, q, k, mask: F.scaled_dot_product_attention(
             q, k, k, attn_mask=mask, enable_gqa=True)),
         2 * (2 * 4 * 5 * 6 * 8), ((2, 4, 5, 8), (2, 2, 6, 8), (5, 6))),
    Case("MultiheadAttention", lambda: Run(
        lambda m, x: m.a(x, x, x, need_weights=False)[0],
        a=nn.MultiheadAttention(16, 4, batch_first=True)), ATTENTION, (S,)),
    Case("MultiheadAttention with its weights", lambda: Run(
        lambda m, x: m.a(x, x, x), a=nn.MultiheadAttention(16, 4, batch_first=True)),
        ATTENTION, (S,)),
    Case("MultiheadAttention, frozen", lambda: frozen(Run(
        lambda m, x: m.a(x, x, x, need_weights=False)[0],
        a=nn.MultiheadAttention(16, 4, batch_first=True))), ATTENTION, (S,)),
    Case("MultiheadAttention across", lambda: Run(
        lambda m, x, y: m.a(x, y, y)[0],
        a=nn.MultiheadAttention(16, 4, kdim=8, vdim=8, batch_first=True)),
        2 * 5 * 16 * 16 * 2 + 2 * (2 * 7 * 8 * 16) + 2 * (2 * 5 * 7 * 16), (S, (2, 7, 8))),
    Case("TransformerEncoderLayer", encoder_layer, ENCODER, (S,)),
    Case("TransformerEncoderLayer, frozen", lambda: frozen(encoder_layer()), ENCODER, (S,),
         why="evaluation takes torch's fused path"),
    Case("TransformerEncoder, pre-norm, gelu", lambda: frozen(nn.TransformerEncoder(
        encoder_layer(norm_first=True, activation="gelu"), 2, enable_nested_tensor=False)),
        2 * ENCODER, (S,)),
    Case("fused attention, called by itself", lambda: Run(
        lambda m, x: torch._native_multi_head_attention(
            *(x, x, x, 16, 4, m.a.in_proj_weight, m.a.in_proj_bias),
            *(m.a.out_proj.weight, m.a.out_proj.bias), need_weights=False)[0],
        a=frozen(nn.MultiheadAttention(16, 4))), ATTENTION, (S,)),
    # recurrent
    Case("LSTM", lambda: nn.LSTM(8, 16), 5 * 2 * 4 * 16 * (8 + 16), ((5, 2, 8),)),
    Case("LSTM, stacked, bidirectional", lambda: nn.LSTM(8, 16, 2, bidirectional=True,
                                                         batch_first=True),
         2 * 5 * 2 * 4 * 16 * ((8 + 16) + (32 + 16)), ((2, 5, 8),)),
    Case("LSTM with projection", lambda: nn.LSTM(8, 16, proj_size=4),
         5 * 2 * (4 * 16 * (8 + 4) + 4 * 16), ((5, 2, 8),)),
    Case("GRU, bidirectional", lambda: nn.GRU(8, 16, bidirectional=True),
         2 * 5 * 2 * 3 * 16 * (8 + 16), ((5, 2, 8),)),
    Case("RNN", lambda: nn.RNN(8, 16, nonlinearity="relu"), 5 * 2 * 16 * (8 + 16), ((5, 2, 8),)),
    Case("LSTMCell", lambda: nn.LSTMCell(8, 16), 2 * 4 * 16 * (8 + 16), ((2, 8),)),
    Case("GRUCell", lambda: nn.GRUCell(8, 16), 2 * 3 * 16 * (8 + 16), ((2, 8),)),
    # convolutions
    Case("Conv1d", lambda: nn.Conv1d(3, 4, 3), (6 * 4) * (3 * 3), ((1, 3, 8),)),
    Case("Conv3d", lambda: nn.Conv3d(3, 4, 3), (2 * 6 * 6 * 4) * (27 * 3), ((1, 3, 4, 8, 8),)),
    Case("ConvTranspose2d", lambda: nn.ConvTranspose2d(3, 4, 2, stride=2),
         2 * (8 * 8 * 3) * (2 * 2 * 4), (X,), why="each input value meets the whole window"),
    Case("ConvTranspose1d, grouped", lambda: nn.ConvTranspose1d(4, 6, 3, groups=2, padding=1),
         (8 * 4) * (3 * 3), ((1, 4, 8),)),
    Case("Conv2d, grouped", lambda: nn.Conv2d(4, 6, 3, groups=2), (6 * 6 * 6) * (9 * 2),
         ((1, 4, 8, 8),)),
    Case("Conv2d, depthwise", lambda: nn.Conv2d(4, 8, 3, groups=4), (6 * 6 * 8) * 9,
         ((1, 4, 8, 8),)),
    Case("Conv2d, dilated, strided", lambda: nn.Conv2d(3, 4, 3, stride=2, dilation=2),
         2 * (2 * 2 * 4) * (9 * 3), (X,)),
    Case("Conv2d, padding='same'", lambda: nn.Conv2d(3, 4, (4, 3), padding="same"),
         2 * (8 * 8 * 4) * (12 * 3), (X,)),
    Case("Conv2d, circular padding", lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"),
         2 * (8 * 8 * 4) * (9 * 3), (X,)),
    Case("Conv2d without a batch", lambda: nn.Conv2d(3, 4, 3), (6 * 6 * 4) * (9 * 3), ((3, 8, 8),)),
    # who owns the weights
    Case("a bare layer as the root", lambda: nn.Linear(8, 4), 2 * 8 * 4, ((2, 8),)),
    Case("a layer derived from Conv2d", lambda: MyConvolution(3, 4, 3), 2 * (6 * 6 * 4) * 27, (X,)),
    Case("Conv in the name only", ConvertedData, 0, ((2, 8),)),
    Case("tied weights", Tied, 2 * 5 * 16 * 50, ("2,5:i64",)),
    Case("bare parameters", Bare, 2 * 8 * 4, ((2, 8),)),
    Case("a layer called three times", Shared, 3 * 2 * 8 * 8, ((2, 8),)),
    Case("a head that never runs", Unexecuted, 2 * 8 * 4, ((2, 8),)),
    Case("a weight computed in each pass", lambda: Standardised(3, 4, 3),
         2 * (6 * 6 * 4) * 27, (X,)),
    Case("layers in a plain list", lambda: Run(
        lambda m, x: m.hidden[0](x), hidden=[nn.Linear(8, 4)]), 2 * 8 * 4, ((2, 8),)),
    # the rest
    Case("Embedding", lambda: nn.Embedding(50, 16), 0, ("2,5:i64",), why="a look-up"),
    Case("EmbeddingBag", lambda: nn.EmbeddingBag(50, 16), 0, ("2,5:i64",), why="additions only"),
    Case("FFT", lambda: Run(lambda m, x: torch.fft.irfft2(torch.fft.rfft2(x))), 0, (X,),
         why="no matrix product"),
    Case("complex matmul", lambda: Run(lambda m, x, y: x @ y), 4 * (2 * 3 * 4),
         ("2,3:c64", "3,4:c64"), why="a complex multiply-add is four real ones"),
    Case("complex Linear", lambda: nn.Linear(8, 4, dtype=torch.complex64), 4 * 2 * 8 * 4,
         ("2,8:c64",)),
    Case("half precision", lambda: nn.Linear(8, 4, dtype=torch.float16), 2 * 8 * 4, ("2,8:f16",)),
    Case("keyword-only and dict inputs", Keywords, (2 + 3) * 8 * 4, (),
         {"left": (2, 8), "batch": {"right": shape(3, 8)}}),
    Case("a branch on the data", Gated, 2 * 8 * 8, ((2, 8),), why="run with real values"),
]  # fmt: skip
