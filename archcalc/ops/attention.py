"""Scaled dot-product attention, whichever backend computes it."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, numel, times
from archcalc.ops import counters
from archcalc.ops.gradient import attended
from archcalc.ops.linear import real_macs, rows
from archcalc.ops.operator import Work, broadcast, operator
from archcalc.ops.window import Untold


def attention_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    query, key, value = inputs[:3]
    if query[-1] != key[-1] or key[-2] != value[-2]:
        raise ShapeError(
            f"attention needs queries and keys of one width, and as many values as keys; got "
            f"{times(query)}, {times(key)} and {times(value)}"
        )
    lead = broadcast((query[:-2], key[:-2], value[:-2])) if len(query) > 2 else ()
    return (*lead, query[-2], value[-1])


def attention_work(node: Node, training: bool) -> Work:
    """Scores and their product with the values, dense: a causal mask halves what is *needed*, not
    what the dense kernels and torch's FlopCounterMode count. ``attrs["causal_macs"]`` has the part
    below the diagonal. Softmax 5 a score, the scale 1, an additive mask 1."""
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
    """Four products: gradients of values, of probabilities, of queries and of keys; the fused
    kernels also compute the scores again. Inputs are gradient, query, key, value."""
    _, query, key, value = (given.shape for given in node.inputs[:4])
    scores = rows((*query[:-1], key[-2]))
    return {
        "macs": (((3,), scores, (query[-1],)), ((2,), scores, (value[-1],))),
        "activation": (((9,), scores),),
    }


def causal_macs(query: Shape, key: Shape, value: Shape) -> int:
    """Multiply-adds on and below the diagonal, which starts at the first key (torch's ``tril``).

    >>> causal_macs((1, 8, 4, 16), (1, 8, 4, 16), (1, 8, 4, 16))
    2560
    """
    rows, columns = query[-2], key[-2]
    full = min(rows, columns)
    pairs = full * (full + 1) // 2 + (rows - full) * columns
    return numel(query[:-2]) * pairs * (query[-1] + value[-1])


def softmax_sums(node: Node, training: bool) -> int:
    """The fused kernels keep a float for each query: the logarithm of its softmax's sum."""
    query = node.inputs[0].shape
    return 4 * numel(query[:-1])


SDPA = operator(
    "scaled_dot_product_attention",
    "matmul",
    window="attention",
    counters=counters.ATTENTION,
    formula="(heads×queries×keys)×(E + E_v) macs, dense also where causal; 5 a score for softmax",
    work=attention_work,
    shape=attention_shape,
    backward=attended,
    saves="inputs",
    saves_also=softmax_sums,
)
SDPA_BACKWARD = operator(
    "scaled_dot_product_attention_backward",
    "matmul",
    window=Untold("layout"),
    counters=counters.UNSEEN,
    formula="(heads×queries×keys)×(3×E + 2×E_v) macs: four products, and the scores again",
    work=attention_backward_work,
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
    A causal mask changes nothing of the count: the dense product is computed."""
    attrs: dict[str, object] = {"is_causal": is_causal, "dropout_p": 0.0}
    if is_causal:
        attrs["causal_macs"] = causal_macs(query.shape, key.shape, value.shape)
    return SDPA.apply(query, key, value, name=name, attrs=attrs)
