"""Scaled dot-product attention, counted alike for every backend."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, numel, times
from archcalc.ops import counters
from archcalc.ops.gradient import attention_rule
from archcalc.ops.linear import real_macs, rows
from archcalc.ops.operator import Device, Saves, Work, broadcast, operator
from archcalc.ops.window import Untold


def attention_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    query, key, value = inputs[:3]
    if query[-1] != key[-1] or key[-2] != value[-2]:
        raise ShapeError(
            f"attention needs queries and keys of equal width, and as many values as keys; got "
            f"{times(query)}, {times(key)} and {times(value)}"
        )
    lead = broadcast((query[:-2], key[:-2], value[:-2])) if len(query) > 2 else ()
    return (*lead, query[-2], value[-1])


def attention_work(node: Node, training: bool) -> Work:
    """Scores and their product with the values, dense even with a causal mask: dense kernels
    compute every score, and torch's FlopCounterMode counts them. ``attrs["masked_macs"]`` has the
    part on and below the diagonal. Softmax counts 5 per score, the scale 1, an additive mask 1."""
    query, key, value = (given.shape for given in node.inputs[:3])
    scores = rows((*query[:-1], key[-2]))
    factor = real_macs(node)
    extra = 1 + (len(node.inputs) > 3)
    return {
        "macs": ((*factor, scores, (query[-1],)), (*factor, scores, (value[-1],))),
        "activation": (((5,), scores),),
        "elementwise": (((extra,), scores) if extra != 1 else (scores,),),
    }


def attention_backward_work(node: Node, training: bool) -> Work:
    """Four products for the gradients of values, probabilities, queries and keys, and a fifth
    because fused kernels recompute the scores. The inputs are gradient, query, key and value."""
    _, query, key, value = (given.shape for given in node.inputs[:4])
    scores = rows((*query[:-1], key[-2]))
    return {
        "macs": (((3,), scores, (query[-1],)), ((2,), scores, (value[-1],))),
        "activation": (((9,), scores),),
    }


def is_fused(node: Node) -> bool:
    """Whether torch uses a fused kernel: four dimensions, values as wide as keys, and neither
    dropout nor a gradient of the mask."""
    query, _, value = (given.shape for given in node.inputs[:3])
    dropped = node.attrs.get("dropout_p") or node.attrs.get("mask_needs_gradient")
    return not dropped and len(query) == 4 and query[-1] == value[-1]


def saved_tensors(node: Node) -> Saves:
    return "inputs and output" if is_fused(node) else "attention by products"


def further_bytes(node: Node, training: bool, device: Device) -> int:
    """Further saved bytes. A fused kernel saves the log-sum-exp of each row of scores in float32
    and, on a GPU, the random state in two numbers of 8 bytes. Separate matrix products save the
    scaled queries and keys and the scores after the softmax; dropout saves its mask and result."""
    query, key = node.inputs[0], node.inputs[1]
    if is_fused(node):
        return 4 * numel(query.shape[:-1]) + (16 if device == "cuda" else 0)
    scores = query.nbytes // query.shape[-1] * key.shape[-2]
    return query.nbytes + key.nbytes + scores * (3 if node.attrs.get("dropout_p") else 1)


def causal_macs(query: Shape, key: Shape, value: Shape) -> int:
    """Multiply-adds on and below the diagonal, which starts at the first key, as in torch's
    ``tril``. The shapes are (..., length, width).

    >>> causal_macs((1, 8, 4, 16), (1, 8, 4, 16), (1, 8, 4, 16))
    2560
    """
    rows, columns = query[-2], key[-2]
    full = min(rows, columns)
    pairs = full * (full + 1) // 2 + (rows - full) * columns
    return numel(query[:-2]) * pairs * (query[-1] + value[-1])


SDPA = operator(
    "scaled_dot_product_attention",
    "matmul",
    window="attention",
    counters=counters.ATTENTION,
    formula="(heads×queries×keys)×(E + E_v) macs, dense even if causal; 5 per score for softmax",
    work=attention_work,
    shape=attention_shape,
    saves=saved_tensors,
    saves_also=further_bytes,
    backward=attention_rule,
)
SDPA_BACKWARD = operator(
    "scaled_dot_product_attention_backward",
    "matmul",
    window=Untold("layout"),
    counters=counters.UNSEEN,
    formula="(heads×queries×keys)×(3×E + 2×E_v) macs: four products, and the scores again",
    work=attention_backward_work,
    saves="nothing",
)


def scaled_dot_product_attention(
    query: Handle,
    key: Handle,
    value: Handle,
    is_causal: bool = False,
    *,
    name: str = "attention",
) -> Handle:
    """As ``torch.nn.functional.scaled_dot_product_attention`` over (batch, heads, length, width).
    A causal mask does not change the count, because the dense product is computed. Raises
    ShapeError if the shapes do not fit."""
    attrs: dict[str, object] = {"is_causal": is_causal, "dropout_p": 0.0}
    if is_causal:
        attrs["masked_macs"] = causal_macs(query.shape, key.shape, value.shape)
    return SDPA.apply(query, key, value, name=name, attrs=attrs)
