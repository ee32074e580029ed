"""Element-wise operators of traced models, beyond ``add``, ``mul`` and the common activations.

The policy: one operation for each arithmetic step or comparison in the textbook formula, and one
for each exp, log, root, power or trigonometric function. Casts and copies are movement.
"""

from __future__ import annotations

from typing import Literal

from archcalc.graph import Handle
from archcalc.ops import counters
from archcalc.ops.activation import activation_function, along_dim
from archcalc.ops.elementwise import broadcast_shape
from archcalc.ops.gradient import Rule, div_rule, pointwise_rule
from archcalc.ops.norm import normalized_dims
from archcalc.ops.operator import TABLE, Saves, operator, per_output
from archcalc.ops.window import Mixes, Positions, Untold

OTHER_COUNTERS = {
    "relu6": counters.NOTHING.with_rules(
        ptflops=counters.each_output("{count} per {layer} output", per_image=True, layer="ReLU6"),
        ptflops_function=counters.each_output(
            "{count} per {layer} output, by its function", layer="ReLU6"
        ),
    ),
    "elu": counters.rectifier("ELU"),
    "prelu": counters.rectifier("PReLU").with_rules(
        thop=counters.each_output("{count} per {layer} output", layer="PReLU"),
        torchinfo=counters.torchinfo_norm,
    ),
    "log_softmax": counters.NOTHING.with_rules(
        thop=counters.each_output("{count} per {layer} element", 3, layer="LogSoftmax")
    ),
    "leaky_relu": counters.NOTHING.with_rules(
        ptflops=counters.each_output(
            "{count} per {layer} output", per_image=True, layer="LeakyReLU"
        )
    ),
}
"""The rules of other counters for these activations."""
RECTIFIERS = frozenset(("relu6",))


def elementwise(
    *names: str,
    per_output_element: int = 1,
    why: str = "",
    kind: Literal["elementwise", "activation", "norm", "pooling"] = "elementwise",
    window: Positions = "pointwise",
    backward: Rule | None = None,
    weights_after: int | None = None,
    saves: Saves,
    saves_in_place: Saves | None = None,
) -> None:
    """Declare operators with this number of operations per output element."""
    text = f"{per_output_element} per element" + (f": {why}" if why else "")
    for name in names:
        work = per_output(kind, per_output_element)
        operator(
            name,
            kind,
            window=window,
            counters=OTHER_COUNTERS.get(name, counters.NOTHING),
            formula=text,
            work=work,
            shape=broadcast_shape,
            saves=saves,
            saves_in_place=saves_in_place,
            layout="contiguous" if isinstance(window, Mixes) else "like its input",
            backward=backward,
            weights_after=weights_after,
            rectifies=name in RECTIFIERS,
        )


elementwise("neg", "copysign", "conj_physical", saves="nothing")
elementwise("div", saves="divisors", backward=div_rule)
elementwise("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "xlogy", saves="inputs")
elementwise("polar", "complex", "ldexp", "remainder", "fmod", saves="inputs")
elementwise(
    "pow", "i0", "special_i0e", "special_i1", "special_i1e", "polygamma", "angle", saves="input"
)
elementwise("where", "masked_fill", saves="others")
elementwise("exp", "exp2", "expm1", "sqrt", "rsqrt", "reciprocal", saves="output")
elementwise(
    *("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"),
    *("logical_not", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "isclose"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "bitwise_left_shift"),
    *("bitwise_right_shift", "gcd", "lcm", "signbit", "nextafter", "heaviside"),
    *("__and__", "__or__", "__xor__", "__lshift__", "__rshift__"),
    *("floor_divide", "sign", "sgn", "floor", "ceil", "round", "trunc", "frac"),
    *("deg2rad", "rad2deg", "fill_difference"),
    saves="nothing",
)
elementwise(
    *("abs", "log", "log2", "log10", "log1p", "square", "sin", "cos", "tan", "asin", "acos"),
    *("atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv"),
    *("lgamma", "digamma", "sinc", "nan_to_num"),
    saves="input",
)
elementwise(
    "clamp", "clamp_min", "clamp_max", per_output_element=2, why="two comparisons", saves="input"
)
elementwise(
    "addcmul", "addcdiv", "lerp", per_output_element=3, why="two products and a sum", saves="input"
)
elementwise(
    "logaddexp", "logaddexp2", per_output_element=4, why="two exp, a sum, a log", saves="input"
)
elementwise("logit", per_output_element=3, why="subtract, divide, log", saves="input")
elementwise("outer", "addr", why="a product", window=Untold("layout"), saves="input")
elementwise(
    "cross",
    "linalg_cross",
    window=Untold("layout"),
    saves="input",
    per_output_element=3,
    why="two products and a difference",
)

BACKWARD = {
    "leaky_relu": "leaky_relu_backward",
    "relu6": "hardtanh_backward",
    "hardsigmoid": "hardsigmoid_backward",
}
"""The backward operators of the activations that declared networks can use."""
FROM_RESULT = ("leaky_relu", "elu", "selu", "celu", "threshold", "rrelu")
"""Activations whose gradient torch computes from the result if the call is in place."""

OTHER_WINDOWS: dict[str, Positions] = {
    "glu": Untold("layout"),
    **dict.fromkeys(("log_softmax", "softmin"), Mixes(along_dim, keeps=True)),
}

elementwise("threshold", why="a comparison", kind="activation", saves="input")
for _name, _count, _why in (
    ("leaky_relu", 2, "compare, multiply"),
    ("rrelu", 2, "compare, multiply"),
    ("relu6", 2, "two comparisons"),
    ("hardtanh", 2, "two comparisons"),
    ("hardshrink", 2, "two comparisons"),
    ("softshrink", 3, "two comparisons, a sum"),
    ("softsign", 3, "abs, add, divide"),
    ("softplus", 3, "exp, add, log"),
    ("elu", 4, "compare, exp, subtract, multiply"),
    ("celu", 5, "compare, divide, exp, subtract, multiply"),
    ("selu", 5, "compare, exp, subtract, two multiplies"),
    ("hardsigmoid", 4, "add, two comparisons, divide"),
    ("logsigmoid", 5, "negate, exp, add, log, negate"),
    ("glu", 5, "sigmoid and a multiply"),
    ("tanhshrink", 6, "tanh and a subtraction"),
    ("mish", 9, "softplus, tanh and a multiply"),
    ("log_softmax", 5, "compare, subtract, exp, add, subtract"),
    ("softmin", 6, "negate, and softmax"),
    # The backward of an activation: its derivative by the chain rule, then times the gradient.
    ("threshold_backward", 1, "a comparison"),
    ("hardtanh_backward", 2, "two comparisons"),
    ("leaky_relu_backward", 2, "compare, multiply"),
    ("hardsigmoid_backward", 3, "two comparisons, multiply"),
    ("sigmoid_backward", 3, "subtract, two multiplies"),
    ("tanh_backward", 3, "square, subtract, multiply"),
    ("hardswish_backward", 5, "two comparisons, divide, add, multiply"),
    ("elu_backward", 4, "compare, exp, two multiplies"),
    ("softplus_backward", 4, "exp, add, divide, multiply"),
    ("silu_backward", 9, "sigmoid, subtract, multiply, add, two multiplies"),
    ("gelu_backward", 12, "erf, exp and the products around them"),
    ("mish_backward", 18, "softplus, tanh, sigmoid and the products around them"),
    ("glu_backward", 9, "sigmoid and the products around it"),
    ("log_sigmoid_backward", 5, "exp, add, divide, subtract, multiply"),
    ("softmax_backward", 4, "multiply, add, subtract, multiply"),
    ("log_softmax_backward", 4, "add, exp, multiply, subtract"),
    ("native_dropout_backward", 2, "mask and scale"),
    ("prelu_backward", 3, "compare, two multiplies"),
):
    elementwise(
        _name,
        per_output_element=_count,
        why=_why,
        kind="activation",
        window=OTHER_WINDOWS.get(_name, "pointwise"),
        saves="output" if _name == "log_softmax" else "input",
        saves_in_place="output" if _name in FROM_RESULT else None,
        backward=pointwise_rule(BACKWARD[_name], "input") if _name in BACKWARD else None,
    )

elementwise(
    "prelu",
    per_output_element=2,
    why="compare, multiply",
    kind="activation",
    weights_after=1,
    saves="input",
)
elementwise(
    "weight_norm",
    window=Untold("layout"),
    saves="input",
    per_output_element=4,
    why="square, add, divide, multiply",
    kind="norm",
)
elementwise(
    "max_pool_backward", why="one addition", kind="pooling", window=Untold("windows"), saves="input"
)
elementwise(
    "avg_pool_backward",
    window=Untold("windows"),
    saves="input",
    per_output_element=2,
    why="divide and add",
    kind="pooling",
)
elementwise(
    "rms_norm",
    window=Mixes(normalized_dims, keeps=True),
    saves="input",
    per_output_element=5,
    why="square, add, scale, weight",
    kind="norm",
    weights_after=1,
)
elementwise("quantize", per_output_element=3, why="divide, add, round", saves="input")
elementwise("dequantize", per_output_element=2, why="subtract, multiply", saves="input")

relu6 = activation_function(TABLE["relu6"])
hardsigmoid = activation_function(TABLE["hardsigmoid"])


def leaky_relu(x: Handle, negative_slope: float = 0.01, *, name: str = "leaky_relu") -> Handle:
    """As ``torch.nn.functional.leaky_relu``. Counted: 2 per element."""
    return TABLE["leaky_relu"].apply(x, name=name, attrs={"negative_slope": negative_slope})


def div(a: Handle, b: Handle, *, name: str = "div") -> Handle:
    """The quotient, broadcast as torch does."""
    return TABLE["div"].apply(a, b, name=name)
