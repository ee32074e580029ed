"""Activations, softmax and dropout. An exponential or an error function counts as one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from archcalc.errors import ShapeError
from archcalc.graph import Handle, Node
from archcalc.ops import counters
from archcalc.ops.counters import Counters
from archcalc.ops.gradient import dropout_rule, pointwise_rule
from archcalc.ops.operator import Device, Operator, Work, extent, operator, per_output
from archcalc.ops.window import Mixes, Positions


def dropout_work(node: Node, training: bool) -> Work:
    """In training, two multiplications: by the mask and by 1/(1 − p). Random numbers are free."""
    if not node.attrs.get("training", training):
        return {}
    return {"activation": (((2,), extent(node.outputs[0].shape)),)}


def is_identity(node: Node, training: bool) -> bool:
    """Whether dropout does nothing: in evaluation, or with a probability of 0."""
    return not node.attrs.get("training", training) or node.attrs.get("p") == 0


def mask_bytes(node: Node, training: bool, device: Device) -> int:
    """Bytes of the saved mask: one byte per element from the fused kernel of a GPU; on the CPU, the
    mask has the dtype of the output."""
    if is_identity(node, training):
        return 0
    return node.outputs[0].numel if device == "cuda" else node.outputs[0].nbytes


def along_dim(node: Node) -> tuple[int, ...] | None:
    """The dimension that is normalised, if the node states it."""
    dim = node.attrs.get("dim")
    return None if dim is None else (dim,)


def _activation(
    name: str,
    count: int,
    why: str,
    saves: Literal["input", "output"] = "input",
    window: Positions = "pointwise",
    seen: Counters = counters.NOTHING,
    rectifies: bool = False,
    backward: str = "",
) -> Operator:
    text = f"{count} per element" + (f": {why}" if why else "")
    return operator(
        name,
        "activation",
        window=window,
        counters=seen,
        formula=text,
        work=per_output("activation", count),
        saves=saves,
        layout="contiguous" if isinstance(window, Mixes) else "like its input",
        rectifies=rectifies,
        backward=pointwise_rule(backward or f"{name}_backward", saves),
    )


RELU = _activation(
    "relu",
    1,
    "a comparison",
    saves="output",
    seen=counters.rectifier("ReLU"),
    rectifies=True,
    backward="threshold_backward",
)
SIGMOID = _activation("sigmoid", 4, "negate, exp, add, divide", saves="output")
TANH = _activation("tanh", 5, "double, exp, subtract, add, divide", saves="output")
GELU = _activation("gelu", 5, "divide, erf, add, two multiplies", seen=counters.rectifier("GELU"))
SILU = _activation("silu", 5, "sigmoid and a multiply", seen=counters.SILU)
HARDSWISH = _activation("hardswish", 5, "add, two comparisons, multiply, divide")
SOFTMAX = _activation(
    "softmax",
    5,
    "compare, subtract, exp, add, divide",
    saves="output",
    window=Mixes(along_dim, keeps=True),
    seen=counters.SOFTMAX,
)
DROPOUT = operator(
    "dropout",
    "activation",
    window="pointwise",
    counters=counters.NOTHING,
    formula="2 per element in training",
    work=dropout_work,
    free="identity in evaluation",
    saves="nothing",
    evaluates=False,
    saves_also=mask_bytes,
    identity=is_identity,
    backward=dropout_rule,
)


def activation_function(row: Operator) -> Callable[..., Handle]:
    """The function over handles for an activation without settings."""

    def activation(x: Handle, *, name: str = row.name) -> Handle:
        return row.apply(x, name=name)

    activation.__name__ = activation.__qualname__ = row.name
    activation.__doc__ = f"As ``torch.nn.functional.{row.name}``. Counted: {row.formula}."
    return activation


relu = activation_function(RELU)
sigmoid = activation_function(SIGMOID)
tanh = activation_function(TANH)
gelu = activation_function(GELU)
silu = activation_function(SILU)
hardswish = activation_function(HARDSWISH)


def softmax(x: Handle, dim: int, *, name: str = "softmax") -> Handle:
    """As ``torch.nn.functional.softmax``. Counted: 5 per element."""
    return SOFTMAX.apply(x, name=name, attrs={"dim": dim})


def dropout(x: Handle, p: float = 0.5, *, name: str = "dropout") -> Handle:
    """As ``torch.nn.Dropout``: the identity in evaluation; in training, sets elements to zero with
    probability ``p`` and scales by 1/(1 − p). Counted: 2 per element in training.

    Raises ShapeError unless ``p`` is between 0 and 1.
    """
    if not 0 <= p <= 1:
        raise ShapeError(f"{name}: dropout p={p} is not between 0 and 1")
    return DROPOUT.apply(x, name=name, attrs={"p": p})
