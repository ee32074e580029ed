"""Every form of every call with a handler gives the same node and shape as torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archcalc
from archcalc.errors import DefinitionError
from archcalc.ops import TABLE
from archcalc.pytorch.trace import Way, trace
from archcalc.pytorch.trace.inputs import walk

SHAPES = {
    "x": "2,3,4,6:f32",
    "y": "2,3,4,6:f32",
    "m": "4,6:f32",
    "n": "6,5:f32",
    "v": "6:f32",
    "b": "2,5,6:f32",
    "c": "2,6,3:f32",
    "i": "2,3:i64",
    "k": "4,6:bool",
    "h": "4,6:f16",
    "z": "4,6:c64",
    "r": "8,5:f32",
    "s": "8,2:f32",
    "u": "1,6,2:f32",
}
CALLS = """
x + y; x + 1; 1 + x; x + 1.5; x - y; 2 - x; x * v; x / 3; 3 / x; x ** 2; 2 ** x; -x; abs(x); i + 1
i + 1.5; i / 2; i // 2; i % 2; x > 0; i == 1; 1 < x; x != y; h + m; k + 1; i * m[0, 0]
torch.add(x, y, alpha=2); x.add(y); x.add_(1); x.mul_(y); x.clone().div_(2.0); x.sub(v)
torch.sub(x, y, alpha=2); torch.rsub(x, y, alpha=2); torch.subtract(x, 3, alpha=2)
torch.maximum(x, y); torch.minimum(x, y); torch.where(x > 0, x, y); x.masked_fill(k, 0.0); x.exp()
torch.sqrt(x); x.rsqrt(); x.pow(3); i.float().log(); torch.sin(i); x.square(); z.abs(); z * z
z + 1; z @ n.to(torch.complex64); z.real; z.conj(); torch.view_as_real(z); x.clamp(0)
x.clamp(min=0, max=1); torch.clamp(i, 0); x.clamp_min(0.5); x.clip(0, 1); m @ n; m.matmul(v)
v @ n; b @ c; b @ n; torch.mm(m, n); torch.bmm(b, c); torch.mv(m, v); torch.dot(v, v)
torch.outer(v, v); torch.addmm(n[0], m, n); torch.addmm(n[0], m, n, beta=2)
torch.baddbmm(b[:, :, :3], b, c); torch.addbmm(b[0, :, :3], b, c); torch.addmv(m[:, 0], m, v)
torch.einsum("ij,jk->ik", m, n); torch.einsum("bij,bjk->bik", b, c); torch.einsum("ij->j", m)
torch.einsum("ij,ij->ij", m, m); torch.einsum("ij,ik", m, m); torch.einsum("bij,kj->bik", b, m)
torch.einsum("ij,k->ijk", m, v); torch.einsum("ii->i", b[:, :2, :2][0]); torch.tensordot(m, n, 1)
F.linear(x, m); F.linear(v, m); F.linear(b, m, m[:, 0]); torch.chain_matmul(m, n, n.t()); x.sum()
x.sum(1); x.sum((0, 1), keepdim=True); torch.mean(x, -1); x.mean(dim=(2, 3)); i.sum()
x.mean(1, True); x.amax(1); x.amin((1, 2)); x.max(); x.max(1)[0]; x.argmax(1); x.var(1); x.std()
x.norm(); x.norm(dim=1); torch.linalg.vector_norm(x, dim=-1, keepdim=True); F.normalize(x, dim=1)
x.prod(); x.cumsum(1); x.any(); x.all(1); torch.logsumexp(x, 1); x.sum(dtype=torch.float64)
x.view(6, -1); x.view(2, 12, 6); x.reshape(-1); x.reshape((3, -1)); x.flatten(1); x.flatten()
torch.flatten(x, 1, 2); x.view_as(y); x.unflatten(3, (2, 3)); x.unflatten(3, (2, -1)); x.ravel()
x.squeeze(); x[:, :1].squeeze(1); x.squeeze(1); x.unsqueeze(0); x.unsqueeze(-1); x[None]
x.permute(0, 2, 3, 1); x.permute((3, 2, 1, 0)); torch.permute(x, (0, 1, 3, 2)); x.transpose(1, -1)
x.swapaxes(0, 1); m.t(); m.T; m.mT; x.mT; m.H; x.movedim(1, 3); x.swapdims(1, 2); v.expand(4, 6)
v[None].expand(3, -1, 6); v.expand_as(m); v.expand((2, 6)); v.repeat(2, 1); v.tile(3)
x.narrow(1, 0, 2); x.select(1, -1); x[0]; x[:, 1]; x[..., 0]; x[:, ::2]; x[0, :, 1:3]
x[-1, ..., -1]; x[:, None, 1]; x[i]; m[i]; x[:, i[0]]; x[i[0], 1]; m[i, i]; x[[0, 1]]; m[k]
m[:, torch.arange(3)]; x.split(2, 1); x.split([1, 2], 1); torch.split(x, 4, dim=3); x.chunk(2, 1)
x.chunk(4, -1); x.unbind(1); torch.cat([x, y]); torch.cat((x, y), 1); torch.cat([x, y], dim=-1)
torch.concat([m, h]); i.tolist(); torch.stack([x, y]); torch.stack([v, v], -1)
torch.hstack([x, y]); torch.vstack([m, m]); x.to(torch.float16); x.half(); x.double(); x.to(y)
x.to("cpu"); x.float(); i.to(x); x.type_as(h); x.long(); x.bool(); x.type(torch.int32)
x.to(torch.float64, copy=True); x.cpu(); x.to(device="cpu"); x.clone(); x.contiguous(); x.detach()
x.roll(1, 2); torch.roll(x, (1, 2), (2, 3)); x.flip(1); torch.zeros(3) + m[0, 0]
torch.arange(6) + v; x.new_zeros(6) + v; torch.full((6,), 2.0) * v; torch.ones_like(x) * x
torch.tensor([1.0]) + x; torch.empty(6).fill_(1) + v; torch.rand(6) * v
torch.linspace(0, 1, 6) + v; torch.eye(6) @ v; torch.as_tensor(v) + 1; torch.zeros_like(i) + i
F.relu(x); F.relu(x, True); torch.relu_(x.clone()); x.relu(); torch.sigmoid(x); x.tanh()
F.gelu(x); F.gelu(x, approximate="tanh"); F.silu(x); F.hardswish(x); F.hardsigmoid(x)
F.leaky_relu(x, 0.1); F.elu(x); F.relu6(x); F.hardtanh(x, -1, 1); F.softplus(x); F.mish(x)
F.logsigmoid(x); F.glu(x, 2); F.softmax(x, -1); x.softmax(1); torch.softmax(x, dim=1)
F.log_softmax(x, 1); F.softmin(x, 1); F.softmax(x, 1, dtype=torch.float64)
F.dropout(x, 0.5, False); F.dropout2d(x); F.alpha_dropout(x); F.prelu(x, m[0, :3])
F.threshold(x, 0.1, 20); F.softsign(x); F.tanhshrink(x); F.celu(x); F.selu(x)
F.batch_norm(x, None, None, training=True); F.layer_norm(x, (6,)); F.layer_norm(x, [4, 6], m, m)
F.group_norm(x, 3); F.instance_norm(x); F.local_response_norm(x, 3); F.rms_norm(x, (6,), v)
F.max_pool2d(x, 2); F.max_pool2d(x, (2, 3), 1, 1); F.max_pool2d(x, 2, return_indices=True)[0]
F.max_pool2d(x, 2, ceil_mode=True); F.max_pool2d(x[0], 2); F.avg_pool2d(x, 2)
F.lp_pool2d(x, 2, 2); F.avg_pool2d(x, [2, 2], stride=[1, 2], padding=1, count_include_pad=False)
F.max_pool1d(b, 2); F.avg_pool1d(b, 2); F.adaptive_avg_pool2d(x, 1)
F.adaptive_avg_pool2d(x, (None, 3)); F.avg_pool3d(x, 2); F.adaptive_max_pool2d(x, (2, 2))
F.adaptive_avg_pool1d(b, 2); F.max_pool3d(x[None], 2); F.conv1d(b, b[:, :, :2])
F.conv2d(x, x[:, :, :2, :2])
F.conv2d(x, x[:, :1, :2, :2].repeat(3, 1, 1, 1), groups=3, padding="same")
F.conv2d(x, x[:, :, :2, :2], stride=[2, 1], padding=[1, 0]); F.conv2d(x[0], x[:, :, :1, :1])
F.conv_transpose2d(x, x[:, :, :2, :2].reshape(3, 2, 2, 2), stride=2, output_padding=1)
F.embedding(i, m); F.embedding(i, m, padding_idx=0); F.one_hot(i, 5); F.embedding_bag(i, m)
F.scaled_dot_product_attention(x, y, y); F.scaled_dot_product_attention(b, b, b, is_causal=True)
F.scaled_dot_product_attention(x, x, y, attn_mask=k[:, :4])
F.bilinear(v, v, b.repeat(1, 2, 1)[:, :6]); F.pad(x, (1, 2))
F.pad(x, (1, 1, 1, 1), mode="reflect"); F.pad(x, (0, -1)); F.pad(x, (1, 1), value=2)
F.interpolate(x, scale_factor=2); F.interpolate(x, (5, 5), mode="bilinear")
F.pixel_shuffle(x.reshape(1, 12, 2, 6), 2); F.unfold(x, 2); F.cosine_similarity(x, y)
F.mse_loss(x, y); F.cross_entropy(m, i[:, 0].repeat(2)); torch.fft.fft(x); torch.fft.rfft2(x)
torch.fft.ifft(z); torch.cdist(b, b); x.topk(2); x.sort(1); torch.triu(m); m.tril()
torch.gather(m, 1, torch.zeros(2, 2, dtype=torch.int64)); x.index_select(1, i[0])
torch.cross(x[:, :, :, :3], y[:, :, :, :3], dim=3); torch.diagonal(m)
torch.meshgrid(v, v, indexing="ij"); torch.broadcast_tensors(v, m); torch.atleast_2d(v); x.size()
x.shape[0] * x; x.numel() + v; len(x) + v; torch.lerp(x, y, 0.5); torch.addcmul(x, x, y)
torch.logical_and(k, k); ~k; k & k; x.isnan(); x.isfinite(); x.isinf(); x.sign()
torch.linalg.svdvals(m); torch.linalg.eigvalsh(m[:, :4])
x.eq(y); x.eq_(1); x.ge(y); x.ge_(1); x.gt_(1); x.le(y); x.le_(1); x.lt(y); x.lt_(1); x.ne_(1)
torch.multiply(x, y); x.clone().multiply_(y); torch.subtract(x, y); x.clone().sub_(y)
x.clone().subtract_(1); torch.divide(x, y); x.clone().divide_(2); torch.true_divide(x, y)
x.clone().true_divide_(y); torch.rsub(x, y); torch.vdot(v, v); torch.ger(v, v); x.clamp_max(1)
x.cos(); x.erf(); x.log1p(); x.reciprocal(); x.reshape_as(y); x.split_with_sizes([1, 2], 1)
torch.concatenate([x, y]); v.clone().zero_(); v.clone().uniform_(0, 1); v.clone().random_(0, 2)
v.clone().normal_(0, 1); v.clone().exponential_(1.0); v.clone().bernoulli_(0.5)
F.hardshrink(x); F.softshrink(x); torch.threshold(x, 0.1, 20)
F.threshold_(x.clone(), 0.1, 20); F.leaky_relu_(x.clone(), 0.1)
torch.sigmoid_(x.clone()); x.clone().tanh_(); F.elu_(x.clone()); F.selu_(x.clone())
torch.celu_(x.clone()); F.hardtanh_(x.clone(), -1, 1); torch._C._nn.gelu_(x.clone())
torch._C._nn.silu_(x.clone()); torch._C._nn.mish_(x.clone()); torch._C._nn.relu6_(x.clone())
torch._C._nn.hardswish_(x.clone()); torch._C._nn.hardsigmoid_(x.clone())
torch.dropout_(x.clone(), 0.5, True); torch.feature_dropout(x, 0.5, True); F.dropout1d(b)
torch.feature_dropout_(x.clone(), 0.5, True); torch.alpha_dropout_(x.clone(), 0.5, True)
F.dropout3d(x[None]); F.feature_alpha_dropout(x); torch.feature_alpha_dropout_(x.clone(), 0.5, True)
F.adaptive_avg_pool3d(x, 2); F.adaptive_max_pool1d(b, 2); F.adaptive_max_pool3d(x, 2)
F.conv3d(x[None], x[None, :, :2, :2, :2]); F.conv_transpose1d(b, b.mT[:1, :5].reshape(5, 5, 1))
F.conv_transpose3d(x[None], x[None, :, :2, :2, :2].transpose(0, 1))
torch.lstm(b.mT, (u, u), [r, s], False, 1, 0.0, False, False, False)
torch.gru(b.mT, u, [r[:6], s[:6]], False, 1, 0.0, False, False, False)
torch.rnn_tanh(b.mT, u, [r[:2], s[:2]], False, 1, 0.0, False, False, False)
torch.rnn_relu(b.mT, u, [r[:2], s[:2]], False, 1, 0.0, False, False, False)
torch.lstm_cell(r, (s, s), r, s); torch.gru_cell(r, s, r[:6], s[:6])
torch.rnn_tanh_cell(r, s, r[:2], s[:2]); torch.rnn_relu_cell(r, s, r[:2], s[:2])
"""
EXPRESSIONS = [part.strip() for part in CALLS.replace("\n", ";").split(";") if part.strip()]


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    result = {}
    for name, text in SHAPES.items():
        sizes, _, kind = text.partition(":")
        shape = tuple(map(int, sizes.split(",")))
        values = torch.rand(shape, generator=generator)
        if kind == "i64":
            result[name] = (values * 2).long()
        elif kind == "bool":
            result[name] = values > 0.5
        else:
            dtype = {"f32": torch.float32, "f16": torch.float16, "c64": torch.complex64}[kind]
            result[name] = values.to(dtype)
    return result


def evaluate(expression: str, given: dict[str, Tensor]) -> Any:
    return eval(expression, {"torch": torch, "F": F}, given)


@pytest.mark.parametrize(
    ("expression", "operations"),
    [
        # One sum or difference per element, and one product if alpha is not 1.
        ("torch.add(a, b, alpha=2)", 2 * 6),
        ("torch.sub(a, b, alpha=2)", 2 * 6),
        ("torch.rsub(a, b, alpha=2)", 2 * 6),
        ("a.sub_(b, alpha=2)", 2 * 6),
        ("torch.sub(a, b, alpha=1)", 6),
        ("torch._foreach_add([a, b], [b, a], alpha=2)", 2 * 2 * 6),
        # (2, 3) by (3, 3), then the sum with b.
        ("torch.addmm(b, a, a.new_ones(3, 3))", 6),
        ("torch.addmm(b, a, a.new_ones(3, 3), alpha=2)", 2 * 6),
        ("torch.addmm(b, a, a.new_ones(3, 3), beta=2, alpha=2)", 3 * 6),
        ("torch.addmm(b, a, a.new_ones(3, 3), beta=0)", 0),
    ],
)
@pytest.mark.parametrize("way", ["fast", "exact", "dispatch"])
def test_a_factor_of_a_sum_is_one_operation_per_element(
    expression: str, operations: int, way: Way
) -> None:
    def model(a: Tensor, b: Tensor) -> Any:
        return evaluate(expression, {"a": a, "b": b})

    graph = trace(model, (2, 3), (2, 3), way=way)
    assert graph.profile().cost.elementwise == operations


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_handlers_result_equals_torchs(expression: str) -> None:
    def model(**given: Tensor) -> Any:
        return evaluate(expression, given)

    expected = evaluate(expression, {name: each.clone() for name, each in tensors().items()})
    fast = trace(model, **tensors())
    exact = trace(model, way="exact", **tensors())
    assert fast.nodes == exact.nodes
    assert all(node.op in TABLE for node in fast)
    outs = [(tuple(each.shape), str(each.dtype)[6:]) for _, each in walk(expected, "output")]
    assert [(value.shape, value.dtype) for value in fast.outputs.values()] == outs
    for node in fast:
        TABLE[node.op].cost(node)


def test_a_convolution_larger_than_its_input_is_refused_on_every_torch() -> None:
    """On meta torch 2.9 returns an image of 0 rows, which its kernels reject."""
    with pytest.raises(DefinitionError, match="Conv2d on 1×3×2×9: "):
        archcalc.trace(nn.Conv2d(3, 4, 3), (1, 3, 2, 9))
