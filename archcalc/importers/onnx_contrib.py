"""Operators of com.microsoft, onnxruntime's own domain, as rows of the operator table.

onnx has no schema for them, so each has its shape rule here beside its row. A fused operator
becomes a node for each of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archcalc.graph import DTYPES, Shape, Value, numel
from archcalc.importers.onnx_nodes import Rule, matmul

if TYPE_CHECKING:
    from archcalc.importers.onnx import Call

Shapes = Sequence[Shape | None]
ShapeRule = Callable[[Shapes, Mapping[str, Any]], "list[Shape | None]"]


def heads_apart(value: Value, heads: int) -> Value:
    """(batch, length, heads·width) as (batch, heads, length, width)."""
    if len(value.shape) != 3:
        return value
    batch, length, width = value.shape
    return value._replace(shape=(batch, heads, length, width // heads))


def longer(value: Value, past: int) -> Value:
    """Keys or values after those of earlier steps."""
    *batch, length, width = value.shape
    return value._replace(shape=(*batch, length + past, width))


def attend(call: Call, q: Value, k: Value, v: Value, mask: str = "") -> None:
    masks = [call.value(mask)] if mask else []
    call.add("scaled_dot_product_attention", [q, k, v, *masks], attrs={"dropout_p": 0.0})


def project_and_attend(call: Call) -> None:
    """``Attention``: one matrix makes queries, keys and values."""
    x = call.value(call.input(0))
    sizes = _projected(call.shape(call.input(1)), call.attrs)
    heads = call.attrs["num_heads"]
    weights = [call.weight(name) for name in (call.input(1), call.input(2)) if name]
    weights[0] = weights[0]._replace(shape=weights[0].shape[::-1])
    made = call.inner("qkv", "linear", [x], (*x.shape[:-1], sum(sizes)), weights=weights)
    q, k, v = (heads_apart(made._replace(shape=(*x.shape[:-1], size)), heads) for size in sizes)
    past = call.shape(call.input(4))[-2] if call.input(4) else 0
    attend(call, q, longer(k, past), longer(v, past), call.input(5))


def multi_head(call: Call) -> None:
    """``MultiHeadAttention``, also with keys and values packed beside the queries."""
    heads = call.attrs["num_heads"]
    first = call.value(call.input(0))
    if len(first.shape) == 5:  # (batch, length, heads, 3, width)
        batch, length, _, _, width = first.shape
        q = k = v = first._replace(shape=(batch, heads, length, width))
    elif len(second := call.value(call.input(1)).shape) == 5:  # (batch, length, heads, 2, width)
        batch, length, _, _, width = second
        q = heads_apart(first, heads)
        k = v = first._replace(shape=(batch, heads, length, width))
    else:
        q, k, v = (heads_apart(call.value(call.input(at)), heads) for at in range(3))
    past = call.shape(call.input(6))[-2] if call.input(6) else 0
    attend(call, q, longer(k, past), longer(v, past), call.input(5))


def grouped_query(call: Call) -> None:
    """``GroupQueryAttention``: several heads share keys and values; rotary embedding first."""
    heads, kv_heads = call.attrs["num_heads"], call.attrs["kv_num_heads"]
    q = call.value(call.input(0))
    if call.input(1):
        k, v = (heads_apart(call.value(call.input(at)), kv_heads) for at in (1, 2))
        q = heads_apart(q, heads)
    else:
        batch, length, packed = q.shape
        width = packed // (heads + 2 * kv_heads)
        k = v = q._replace(shape=(batch, kv_heads, length, width))
        q = q._replace(shape=(batch, heads, length, width))
    if call.attrs.get("do_rotary", 0):
        for name, value in (("rotary_q", q), ("rotary_k", k)):
            parts = _rotated(call, name, value)
            call.inner(name, "add", parts, value.shape)
    past = call.shape(call.input(3))[-2] if call.input(3) else 0
    attend(call, q, longer(k, past), longer(v, past))


def _rotated(call: Call, name: str, value: Value) -> list[Value]:
    """The products with sines and cosines; their sum is the rotation."""
    return [call.inner(name, "mul", [value], value.shape) for _ in range(2)]


def rotary(call: Call) -> None:
    call.add("add", _rotated(call, "product", call.value(call.input(0))))


def skip_norm(call: Call) -> None:
    """``SkipLayerNormalization`` and the one without a mean: the sum, then the norm."""
    names = [call.input(at) for at in range(5)]
    simplified = "Simplified" in call.node.op_type
    gamma, beta, bias = names[2], "" if simplified else names[3], names[3 if simplified else 4]
    added = [call.value(name) for name in (names[0], names[1])]
    total = call.inner("add", "add", added, added[0].shape)
    if bias:
        total = call.inner("bias", "add", [total, call.value(bias)], total.shape)
    weights = [call.weight(name) for name in (gamma, beta) if name]
    attrs = {"normalized_shape": total.shape[-1:], "eps": call.attrs.get("epsilon", 1e-5)}
    call.add("rms_norm" if simplified else "layer_norm", [total], attrs=attrs, weights=weights)
    if len(call.node.output) > 3 and call.node.output[3]:
        call.reader.values[call.node.output[3]] = total


def simplified_norm(call: Call) -> None:
    x = call.shape(call.input(0))
    attrs = {"normalized_shape": x[-1:], "eps": call.attrs.get("epsilon", 1e-5)}
    call.layer("rms_norm", call.input(0), [call.input(1)], attrs)


def biased(row: str) -> Rule:
    """An activation after an optional bias."""

    def rule(call: Call) -> None:
        x = call.value(call.input(0))
        if call.input(1):
            x = call.inner("bias", "add", [x, call.value(call.input(1))], x.shape)
        call.add(row, [x])

    return rule


def packed_matmul(call: Call) -> None:
    """``MatMulNBits``: blocks of packed weights, each with a scale."""
    n, k, bits = (call.attrs[key] for key in ("N", "K", "bits"))
    if f"uint{bits}" not in DTYPES or n < 1 or k != call.shape(call.input(0))[-1]:
        call.not_counted()
        return
    packed = call.weight(call.input(1))._replace(shape=(n, k), dtype=f"uint{bits}")
    rest = [call.input(at) for at in (2, 3) if call.input(at)]
    biases = [call.weight(call.input(5))] if call.input(5) else []
    scales = [call.weight(name) for name in rest]
    x = call.value(call.input(0))
    if biases:
        made = call.inner("matmul", "linear", [x], (*x.shape[:-1], n), weights=[packed])
        call.add("add", [made, call.value(call.input(5))])
    else:
        call.add("linear", [x], weights=[packed])
    for scale in scales:
        call.inner("scales", "parameter", [], scale.shape, dtype=scale.dtype, weights=[scale])


def quantised_elementwise(row: str, operands: Sequence[int]) -> Rule:
    """``QLinearAdd`` and the like: a row of the table on quantised tensors."""

    def rule(call: Call) -> None:
        call.add(row, [call.value(call.input(at)) for at in operands])

    return rule


def quantised_gemm(call: Call) -> None:
    """``QGemm``: A, its scale and zero point, B with the same, C."""
    weight = call.weight(call.input(3))
    if not call.attrs.get("transB", 0):
        weight = weight._replace(shape=weight.shape[::-1])
    biases = [call.weight(call.input(6))] if call.input(6) else []
    call.add("linear", [call.value(call.input(0))], weights=[weight, *biases])


def quantised_matmul(call: Call) -> None:
    """``MatMulIntegerToFloat`` and ``DynamicQuantizeMatMul``."""
    x = call.value(call.input(0))
    if call.node.op_type == "DynamicQuantizeMatMul":
        x = call.inner("quantize", "quantize", [x], x.shape, dtype=call.dtype(call.input(1)))
    if call.is_weight(call.input(1)) and len(call.shape(call.input(1))) == 2:
        weight = call.weight(call.input(1))
        call.add("linear", [x], weights=[weight._replace(shape=weight.shape[::-1])])
        return
    call.add("matmul", [x, call.value(call.input(1))])


def embed_and_norm(call: Call) -> None:
    """``EmbedLayerNormalization``: word, position and segment tables, their sum, the norm."""
    shape = call.outputs[0][1]
    total: Value | None = None
    for name, ids, table in (("word", 0, 2), ("position", 0, 3), ("segment", 1, 4)):
        if not call.input(table) or not call.input(ids):
            continue
        weight = call.weight(call.input(table))
        given = call.value(call.input(ids))
        found = call.inner(name, "embedding", [given], shape, weight.dtype, weights=[weight])
        total = found if total is None else call.inner("add", "add", [total, found], shape)
    assert total is not None  # word_embedding is not optional
    weights = [call.weight(call.input(at)) for at in (5, 6)]
    attrs = {"normalized_shape": shape[-1:], "eps": call.attrs.get("epsilon", 1e-12)}
    call.add("layer_norm", [total], attrs=attrs, weights=weights)


def _projected(weight: Shape, attrs: Mapping[str, Any]) -> tuple[int, int, int]:
    q, k, v = attrs.get("qkv_hidden_sizes") or (weight[-1] // 3,) * 3
    return q, k, v


def same(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    return [shapes[0]]


def _attention_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    x, weight = shapes[0], shapes[1]
    if x is None or weight is None:
        return []
    _, k, v = _projected(weight, attrs)
    past = shapes[4] if len(shapes) > 4 else None
    length = x[1] + (past[-2] if past else 0)
    heads = attrs["num_heads"]
    return [(*x[:-1], v), (2, x[0], heads, length, k // heads)]


def _multi_head_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    q, k, v, *rest = (*shapes, *(None,) * 8)[:8]
    if q is None:
        return []
    heads = attrs["num_heads"]
    if len(q) == 5:
        return [(q[0], q[1], heads * q[4])]
    if k is None or len(k) == 5:
        return [q]
    if v is None:
        return []
    width = v[-1] if len(v) == 3 else heads * v[-1]
    past = rest[3][-2] if rest[3] else 0
    keys = (*((k[0], heads, k[1], k[2] // heads) if len(k) == 3 else k),)
    values = (q[0], heads, keys[2] + past, width // heads)
    return [(q[0], q[1], width), (*keys[:2], keys[2] + past, keys[3]), values]


def _grouped_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    q, k, _, past = (*shapes, *(None,) * 4)[:4]
    if q is None:
        return []
    heads, kv_heads = attrs["num_heads"], attrs["kv_num_heads"]
    width = k[-1] // kv_heads if k else q[-1] // (heads + 2 * kv_heads)
    present = (q[0], kv_heads, q[1] + (past[-2] if past else 0), width)
    return [(q[0], q[1], heads * width), present, present]


def _skip_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    x = shapes[0]
    if x is None:
        return []
    return [x, (*x[:-1], 1), (*x[:-1], 1), x]


def _matmul_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    a, b = shapes[0], shapes[1]
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return []
    if attrs.get("transA", 0):
        a = (*a[:-2], a[-1], a[-2])
    if attrs.get("transB", 0):
        b = (*b[:-2], b[-1], b[-2])
    batch = a[:-2] if len(a) >= len(b) else b[:-2]
    return [(*batch, a[-2], b[-1])]


def _gemm_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    return _matmul_shape([shapes[0], shapes[3]], attrs)


def _packed_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    return [None if shapes[0] is None else (*shapes[0][:-1], attrs["N"])]


def _broadcast_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    a, b = shapes[0], shapes[3]
    if a is None or b is None:
        return []
    return [a if (len(a), numel(a)) >= (len(b), numel(b)) else b]


def _embedded_shape(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape | None]:
    ids, table = shapes[0], shapes[2]
    return [] if ids is None or table is None else [(*ids, table[-1])]


OPERATORS: Mapping[str, tuple[Rule, ShapeRule]] = {
    "Attention": (project_and_attend, _attention_shape),
    "MultiHeadAttention": (multi_head, _multi_head_shape),
    "GroupQueryAttention": (grouped_query, _grouped_shape),
    "RotaryEmbedding": (rotary, same),
    "SkipLayerNormalization": (skip_norm, _skip_shape),
    "SkipSimplifiedLayerNormalization": (skip_norm, _skip_shape),
    "SimplifiedLayerNormalization": (simplified_norm, same),
    "EmbedLayerNormalization": (embed_and_norm, _embedded_shape),
    "FusedMatMul": (matmul, _matmul_shape),
    "MatMulNBits": (packed_matmul, _packed_shape),
    "Gelu": (biased("gelu"), same),
    "BiasGelu": (biased("gelu"), same),
    "FastGelu": (biased("gelu"), same),
    "QuickGelu": (biased("gelu"), same),
    "QLinearAdd": (quantised_elementwise("add", (0, 3)), _broadcast_shape),
    "QLinearMul": (quantised_elementwise("mul", (0, 3)), _broadcast_shape),
    "QLinearSigmoid": (quantised_elementwise("sigmoid", (0,)), same),
    "QLinearLeakyRelu": (quantised_elementwise("leaky_relu", (0,)), same),
    "QLinearSoftmax": (quantised_elementwise("softmax", (0,)), same),
    "QGemm": (quantised_gemm, _gemm_shape),
    "MatMulIntegerToFloat": (quantised_matmul, _matmul_shape),
    "DynamicQuantizeMatMul": (quantised_matmul, _matmul_shape),
}
"""By name: the rule that makes the nodes, and the shapes of the outputs."""

TO_FLOAT = ("MatMulIntegerToFloat",)
"""Operators whose output is not of the first input's dtype."""

CONTRIB: Mapping[str, Rule] = {name: rule for name, (rule, _) in OPERATORS.items()}
