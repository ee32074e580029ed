"""Handlers for recurrent layers and for torch's fused attention, which is expanded into calls."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archcalc.graph import Attributes, Shape
from archcalc.pytorch.trace.layers import answers
from archcalc.pytorch.trace.tracer import ESSENTIAL, NUMPY_NAMES, Tracer, UnusualCallError

SETTINGS = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
PADDED = ("input", *SETTINGS, "batch_first")
PACKED = ("data", "batch_sizes", *SETTINGS)
"""The arguments of a layer on a padded tensor and on a packed sequence."""


def recurrent(op: str, gates: int, states: int) -> None:
    @answers(op)
    def layer(t: Tracer, *args: Any, **kwargs: Any) -> Any:
        packed = "batch_sizes" in kwargs or (len(args) > 3 and isinstance(args[3], (list, tuple)))
        given = dict(zip(PACKED if packed else PADDED, args, strict=False))
        given |= {NUMPY_NAMES.get(key, key): each for key, each in kwargs.items()}
        x = t.value(given["data" if packed else "input"])
        operands = t.operands(*given["params"])
        matrices = [each.shape for each in operands[0] or operands[1] if len(each.shape) == 2]
        hidden = matrices[0][0] // gates
        projected = matrices[1][1] if matrices[1][1] != hidden else 0
        directions = 1 + given["bidirectional"]
        attrs = Attributes(
            num_layers=given["num_layers"],
            bidirectional=given["bidirectional"],
            proj_size=projected,
            bias=given["has_biases"],
            training=given["train"],
        )
        first: Shape = (*x.shape[:-1], directions * (projected or hidden))
        initial = [t.value(each).shape for each in (given["hx"] if states == 2 else [given["hx"]])]
        outputs = [(shape, x.dtype) for shape in (first, *initial)]
        return t.emit_many(op, (x, *operands[1]), outputs, attrs, operands[0])

    @answers(f"{op}_cell")
    def cell(
        t: Tracer,
        input: Tensor,
        hx: Any,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Any:
        x = t.value(input)
        operands = t.operands(w_ih, w_hh, b_ih, b_hh)
        shapes = [t.value(each).shape for each in (hx if states == 2 else [hx])]
        outputs = [(shape, x.dtype) for shape in shapes]
        if states == 1:
            return t.emit(f"{op}_cell", (x, *operands[1]), *outputs[0], weights=operands[0])
        return t.emit_many(f"{op}_cell", (x, *operands[1]), outputs, weights=operands[0])


recurrent("lstm", 4, 2)
recurrent("gru", 3, 1)
recurrent("rnn_tanh", 1, 1)
recurrent("rnn_relu", 1, 1)


@answers("_native_multi_head_attention")
def fused_attention(
    t: Tracer,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_head: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    mask: Tensor | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Expand torch's fused evaluation path on (batch, length, features) into its calls."""
    if query is not key or key is not value:
        raise UnusualCallError
    with t.mode:
        batch, length, _ = query.shape
        q, k, v = F.linear(query, qkv_weight, qkv_bias).chunk(3, dim=-1)
        heads = [
            each.reshape(batch, length, num_head, embed_dim // num_head).transpose(1, 2)
            for each in (q, k, v)
        ]
        weights = None
        if need_weights:
            scores = torch.softmax(torch.matmul(heads[0], heads[1].transpose(-2, -1)), -1)
            mixed = torch.matmul(scores, heads[2])
            weights = scores.mean(1) if average_attn_weights else scores
        else:
            mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        mixed = mixed.transpose(1, 2).reshape(batch, length, embed_dim)
        return F.linear(mixed, proj_weight, proj_bias), weights


@answers("_transformer_encoder_layer_fwd")
def fused_encoder_layer(
    t: Tracer,
    src: Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Tensor,
    norm_bias_1: Tensor,
    norm_weight_2: Tensor,
    norm_bias_2: Tensor,
    ffn_weight_1: Tensor,
    ffn_bias_1: Tensor,
    ffn_weight_2: Tensor,
    ffn_bias_2: Tensor,
    mask: Tensor | None = None,
    mask_type: int | None = None,
) -> Tensor:
    """Expand torch's fused encoder layer into its calls."""

    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.layer_norm(x, (embed_dim,), weight, bias, eps)

    def attend(x: Tensor) -> Tensor:
        return torch._native_multi_head_attention(
            *(x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias),
            mask,
            need_weights=False,
            mask_type=mask_type,
        )[0]

    def feed(x: Tensor) -> Tensor:
        hidden = F.linear(x, ffn_weight_1, ffn_bias_1)
        hidden = F.gelu(hidden) if use_gelu else F.relu(hidden)
        return F.linear(hidden, ffn_weight_2, ffn_bias_2)

    with t.mode:
        if norm_first:
            x = src + attend(norm(src, norm_weight_1, norm_bias_1))
            return x + feed(norm(x, norm_weight_2, norm_bias_2))
        x = norm(src + attend(src), norm_weight_1, norm_bias_1)
        return norm(x + feed(x), norm_weight_2, norm_bias_2)


ESSENTIAL.update((fused_attention, fused_encoder_layer))
