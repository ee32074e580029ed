"""ONNX operators as rows of the operator table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archcalc.graph import Shape, Value, Weight, numel
from archcalc.ops.transform import BICUBIC, LINEAR, NEAREST

if TYPE_CHECKING:
    from archcalc.importers.onnx import Call

Rule = Callable[["Call"], None]

SAME: Mapping[str, str] = {
    **{
        name: name.lower()
        for name in (
            *("Relu", "Sigmoid", "Tanh", "Gelu", "Softplus", "Softsign", "Elu", "Celu", "Selu"),
            *("Add", "Sub", "Mul", "Div", "Pow", "Where", "Exp", "Sqrt", "Reciprocal", "Neg"),
            *("Abs", "Log", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh"),
            *("Acosh", "Atanh", "Erf", "Sign", "Floor", "Ceil", "Round", "Mish"),
            *("Expand", "Reshape", "Flatten", "Concat", "Split", "Slice", "Pad", "Tile", "Gather"),
            *("Softmax", "Dropout", "TopK"),
        )
    },
    "LeakyRelu": "leaky_relu",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Swish": "silu",
    "LogSoftmax": "log_softmax",
    "ThresholdedRelu": "threshold",
    "Shrink": "softshrink",
    "PRelu": "prelu",
    "Clip": "clamp",
    "Min": "minimum",
    "Max": "maximum",
    "Sum": "add",
    "Mod": "remainder",
    "Equal": "eq",
    "Less": "lt",
    "LessOrEqual": "le",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
    "Not": "logical_not",
    "IsNaN": "isnan",
    "IsInf": "isinf",
    "QuantizeLinear": "quantize",
    "Squeeze": "reshape",
    "Unsqueeze": "reshape",
    "Transpose": "permute",
    "Cast": "to",
    "GatherElements": "gather",
    "GatherND": "gather",
    "ScatterND": "scatter",
    "ScatterElements": "scatter",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle",
    "Trilu": "tril",
    "OneHot": "one_hot",
    "CumSum": "cumsum",
    "ArgMax": "argmax",
    "ArgMin": "argmin",
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceProd": "prod",
    "ReduceL2": "norm",
    "ReduceLogSumExp": "logsumexp",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "BitwiseNot": "bitwise_not",
    "BitShift": "bitwise_left_shift",
    "CumProd": "cumprod",
    "CastLike": "to",
    "NonZero": "nonzero",
    "Unique": "unique",
    "Range": "arange",
    "ConstantOfShape": "fill",
    "EyeLike": "fill",
    "ReverseSequence": "flip",
    "Scatter": "scatter",
    "Col2Im": "col2im",
    "Multinomial": "multinomial",
    "AffineGrid": "affine_grid",
    "BitCast": "to",
    "Det": "linalg_det",
    "MaxUnpool": "max_unpool2d",
    "TensorScatter": "scatter",
    "Compress": "masked_select",
    "CenterCropPad": "copy",
    "NegativeLogLikelihoodLoss": "nll_loss",
    **dict.fromkeys(("Shape", "Size"), "sym_size"),
    **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow"), "fill"),
    **dict.fromkeys(("RandomNormal", "RandomUniform"), "random"),
    **dict.fromkeys(("RandomNormalLike", "RandomUniformLike", "Bernoulli"), "random"),
}
"""Operators whose row needs the tensors, and of the attributes at most axes."""

SETTINGS = frozenset(
    [
        *("Expand", "Reshape", "Flatten", "Split", "Slice", "Pad", "Tile", "Squeeze", "Unsqueeze"),
        *("Clip", "TopK", "OneHot", "Dropout", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"),
        *("ReduceProd", "ReduceL2", "CumSum", "ReduceLogSumExp", "QuantizeLinear", "Trilu"),
        *("CumProd", "CastLike", "ConstantOfShape", "EyeLike", "ReverseSequence", "Col2Im"),
        *("AffineGrid", "CenterCropPad", "BlackmanWindow", "HammingWindow", "HannWindow"),
    ]
)
"""Operators whose inputs after the first are settings."""


def simple(call: Call) -> None:
    op = call.node.op_type
    names = call.node.input[:1] if op in SETTINGS else call.node.input
    attrs: dict[str, Any] = {}
    inputs = [call.value(name) for name in names if name]
    outputs = call.outputs
    if op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        call.add("reshape", inputs, attrs={"shape": outputs[0][1]})
        return
    if op == "Transpose":
        rank = len(inputs[0].shape)
        attrs["dims"] = tuple(call.attrs.get("perm", range(rank - 1, -1, -1)))
    if op in ("Concat", "Softmax", "LogSoftmax", "ArgMax", "ArgMin", "Split"):
        old = op.endswith("Softmax") and call.opset < 13  # over all dimensions from the axis on
        first = op in ("ArgMax", "ArgMin", "Split")
        attrs["dim"] = call.attrs.get("axis", 1 if old else 0 if first else -1)
    if op.startswith("Reduce"):
        axes = call.constant(1) if len(call.node.input) > 1 else call.attrs.get("axes")
        attrs["dim"] = None if axes is None else tuple(int(axis) for axis in axes)
        attrs["keepdim"] = bool(call.attrs.get("keepdims", 1))
    if op == "Slice":  # which places of several dimensions are taken does not change the count
        call.add("as_strided", inputs)
        return
    if op == "Pad":
        have = inputs[0].shape
        given = call.constant(1) if len(call.node.input) > 1 else call.attrs.get("pads")
        if given is None or len(given) != 2 * len(have):
            given = [0] * (2 * len(have))
        rank = len(have)
        pairs = [(int(given[at]), int(given[at + rank])) for at in reversed(range(rank))]
        attrs["pad"] = tuple(size for pair in pairs for size in pair)
    call.add(SAME[op], inputs, attrs=attrs)


def _window(call: Call, kernel: Shape) -> dict[str, Any]:
    dims = len(kernel)
    attrs = call.attrs
    dilation = tuple(attrs.get("dilations", (1,) * dims))
    pads = tuple(attrs.get("pads", (0,) * (2 * dims)))[:dims]
    if attrs.get("auto_pad", "NOTSET").startswith("SAME"):
        pads = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    return {
        "stride": tuple(attrs.get("strides", (1,) * dims)),
        "padding": pads,
        "dilation": dilation,
    }


def conv(call: Call) -> None:
    places = (0, 3, 8) if call.node.op_type == "QLinearConv" else (0, 1, 2)
    if call.node.op_type == "ConvInteger":
        places = (0, 1, 9)
    names = [call.input(at) for at in places]
    kernel = call.shape(names[1])[2:]
    transposed = call.node.op_type == "ConvTranspose"
    attrs = {**_window(call, kernel), "groups": call.attrs.get("group", 1)}
    if transposed:
        attrs["output_padding"] = tuple(call.attrs.get("output_padding", (0,) * len(kernel)))
    row = f"conv{'_transpose' if transposed else ''}{len(kernel)}d"
    call.layer(row, names[0], names[1:], attrs)


def pool(call: Call) -> None:
    kernel = tuple(call.attrs["kernel_shape"])
    kind = "max" if call.node.op_type == "MaxPool" else "avg"
    attrs = {
        **_window(call, kernel),
        "kernel_size": kernel,
        "ceil_mode": bool(call.attrs.get("ceil_mode", 0)),
    }
    call.add(f"{kind}_pool{len(kernel)}d", [call.value(call.input(0))], attrs=attrs)


def global_pool(call: Call) -> None:
    x = call.value(call.input(0))
    dims = len(x.shape) - 2
    kind = "max" if "Max" in call.node.op_type else "avg"
    call.add(f"adaptive_{kind}_pool{dims}d", [x], attrs={"output_size": (1,) * dims})


def gemm(call: Call) -> None:
    a, b, c = (call.input(at) for at in range(3))
    attrs = call.attrs
    swaps = bool(attrs.get("transA", 0)), bool(attrs.get("transB", 0))
    plain = not swaps[0] and attrs.get("alpha", 1.0) == 1.0 and attrs.get("beta", 1.0) == 1.0
    if plain and call.is_weight(b) and (not c or call.is_weight(c)):
        rows, columns = call.shape(b)
        shape = (rows, columns) if swaps[1] else (columns, rows)
        call.layer("linear", a, [b, c], {}, {b: shape})
        return
    call.add("addmm" if c else "matmul", _addends(call, a, b, c, swaps))


def _addends(call: Call, a: str, b: str, c: str, swaps: tuple[bool, bool]) -> list[Value]:
    """The operands in torch's order, the added one first."""
    left, right = (
        _swapped(call.value(name)) if swap else call.value(name)
        for name, swap in zip((a, b), swaps, strict=True)
    )
    return [call.value(c), left, right] if c else [left, right]


def _swapped(value: Value) -> Value:
    *batch, rows, columns = value.shape
    return value._replace(shape=(*batch, columns, rows))


def matmul(call: Call) -> None:
    a, b = call.input(0), call.input(3 if call.node.op_type == "QLinearMatMul" else 1)
    swaps = bool(call.attrs.get("transA", 0)), bool(call.attrs.get("transB", 0))
    if call.is_weight(b) and len(call.shape(b)) == 2 and not any(swaps):
        rows, columns = call.shape(b)
        call.layer("linear", a, [b], {}, {b: (columns, rows)})
        return
    left, right = call.exact([a, b])
    call.add(
        "matmul",
        [
            _swapped(left) if swaps[0] else left,
            _swapped(right) if swaps[1] else right,
        ],
    )


def einsum(call: Call) -> None:
    left, arrow, out = call.attrs["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:  # the indices that come once
        out = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    if len(terms) != 2 or not out or "." in left or any(len(set(t)) < len(t) for t in terms):
        call.not_counted()
        return
    a, b = call.exact([call.input(0), call.input(1)])
    sizes = dict(zip(terms[0], a.shape, strict=True)) | dict(zip(terms[1], b.shape, strict=True))
    inner = tuple(size for letter, size in sizes.items() if letter not in out)
    call.add("einsum", [a, b], attrs={"contracted": inner, "equation": call.attrs["equation"]})


def norm(call: Call) -> None:
    op, x = call.node.op_type, call.shape(call.input(0))
    attrs: dict[str, Any] = {"eps": call.attrs.get("epsilon", 1e-5)}
    row = {"BatchNormalization": "batch_norm", "RMSNormalization": "rms_norm"}.get(op, "group_norm")
    if op in ("LayerNormalization", "RMSNormalization"):
        attrs["normalized_shape"] = x[call.attrs.get("axis", -1) :]
        row = "layer_norm" if op == "LayerNormalization" else row
    elif op == "InstanceNormalization":
        attrs["num_groups"] = x[1]
    elif op == "GroupNormalization":
        attrs["num_groups"] = call.attrs["num_groups"]
    call.layer(row, call.input(0), [call.input(1), call.input(2)], attrs)


def local_response(call: Call) -> None:
    x = call.value(call.input(0))
    call.add("local_response_norm", [x], attrs={"size": call.attrs["size"]})


def resize(call: Call) -> None:
    x = call.value(call.input(0))
    out = call.outputs[0][1]
    dims = sum(a != b for a, b in zip(x.shape, out, strict=True)) or len(x.shape) - 2
    names = {"linear": {1: "linear", 2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}
    mode = call.attrs.get("mode", "nearest")
    found = "nearest" if mode == "nearest" else names.get(mode, {}).get(dims)
    if found is None:
        call.not_counted()
        return
    call.add(f"upsample_{found}", [x], attrs={"size": out[2:], "scale_factor": None})


def recurrent(call: Call) -> None:
    """One matrix for the input and one for the state in each direction; B has both biases."""
    op = call.node.op_type
    x, *names = (call.input(at) for at in range(4))
    if not all(call.is_weight(name) for name in names if name):
        call.not_counted()
        return
    row = op.lower()
    if op == "RNN":
        first = (call.attrs.get("activations") or [b"Tanh"])[0]
        row = "rnn_relu" if first in (b"Relu", "Relu") else "rnn_tanh"
    weights = []
    for name in filter(None, names):
        dtype, (directions, *rest) = call.dtype(name), call.shape(name)
        for direction in range(directions):
            if name == names[2]:
                half = (rest[0] // 2,)
                weights += [Weight(f"{name}.{direction}.{side}", half, dtype) for side in "WR"]
            else:
                weights.append(Weight(f"{name}.{direction}", tuple(rest), dtype))
    call.add(row, [call.value(x)], weights=weights)


def attention(call: Call) -> None:
    """Heads apart: three-dimensional inputs hold them side by side."""
    q, k, v = call.exact([call.input(at) for at in range(3)])
    attrs = call.attrs
    if len(q.shape) == 3:
        heads, kv_heads = attrs["q_num_heads"], attrs["kv_num_heads"]
        q, k, v = _heads(q, heads), _heads(k, kv_heads), _heads(v, kv_heads)
    past = call.input(4)
    if past:
        longer = call.shape(past)[-2]
        k, v = (
            one._replace(shape=(*one.shape[:2], one.shape[2] + longer, one.shape[3]))
            for one in (k, v)
        )
    mask = [call.value(call.input(3))] if call.input(3) else []
    call.add("scaled_dot_product_attention", [q, k, v, *mask], attrs={"dropout_p": 0.0})


def _heads(value: Value, heads: int) -> Value:
    batch, length, width = value.shape
    return value._replace(shape=(batch, heads, length, width // heads))


def dequantize(call: Call) -> None:
    """A constant stays the quantised weight that it is. What a layer multiplies is quantised too
    where each of its operands is."""
    name = call.input(0)
    if call.is_weight(name):
        call.alias(name)
        return
    given = call.value(name)
    call.add("dequantize", [given])
    call.quantised(given)


def embed_or_gather(call: Call) -> None:
    table, indices = call.input(0), call.input(1)
    whole = call.is_weight(table) and len(call.shape(table)) == 2
    if whole and not call.attrs.get("axis", 0) and numel(call.shape(table)) > 1:
        call.layer("embedding", indices, [table], {})
        return
    call.add("index_select", [call.value(table), call.value(indices)])


def grid_sample(call: Call) -> None:
    modes = {"nearest": NEAREST, "cubic": BICUBIC, "bicubic": BICUBIC}
    mode = modes.get(call.attrs.get("mode", "linear"), LINEAR)
    given = [call.value(call.input(at)) for at in range(2)]
    call.add("grid_sample", given, attrs={"interpolation_mode": mode})


def deform_conv(call: Call) -> None:
    x, weight, offset, bias, mask = (call.input(at) for at in range(5))
    kernel = call.shape(weight)[2:]
    attrs = {
        **_window(call, kernel),
        "kernel_size": kernel,
        "groups": call.attrs.get("group", 1),
        "use_mask": bool(mask),
    }
    moving = [call.value(name) for name in (x, offset, mask) if name]
    call.add(
        "deform_conv2d", moving, attrs=attrs, weights=[call.weight(n) for n in (weight, bias) if n]
    )


def roi_align(call: Call) -> None:
    """Without a sampling ratio, how many places are read depends on the size of each region."""
    ratio = call.attrs.get("sampling_ratio", 0)
    if not ratio:
        call.not_counted()
        return
    given = [call.value(call.input(at)) for at in range(2)]
    call.add("roi_align", given, attrs={"sampling_ratio": ratio})


def cross_entropy(call: Call) -> None:
    scores, *others = (call.value(name) for name in call.node.input if name)
    logs = call.inner("log_softmax", "log_softmax", [scores], scores.shape, attrs={"dim": 1})
    call.add("nll_loss", [logs, *others])


def mean(call: Call) -> None:
    given = [call.value(name) for name in call.node.input]
    shape = call.outputs[0][1]
    call.add("div", [call.inner("sum", "add", given, shape)])


def hardmax(call: Call) -> None:
    x = call.value(call.input(0))
    axis = call.attrs.get("axis", 1 if call.opset < 13 else -1)
    places = list(x.shape)
    places[axis] = 1
    largest = call.inner("argmax", "argmax", [x], tuple(places), "int64", attrs={"dim": axis})
    call.add("one_hot", [largest])


def lp_norm(call: Call) -> None:
    """The p-norm over the places of each map, or over one axis and divided by."""
    x = call.value(call.input(0))
    if call.node.op_type == "GlobalLpPool":
        call.add("norm", [x], attrs={"dim": tuple(range(2, len(x.shape))), "keepdim": True})
        return
    axis = call.attrs.get("axis", -1)
    sizes = list(x.shape)
    sizes[axis] = 1
    attrs = {"dim": (axis,), "keepdim": True}
    call.add("div", [x, call.inner("norm", "norm", [x], tuple(sizes), attrs=attrs)])


EXPANDED = (
    *("ReduceL1", "ReduceSumSquare", "ReduceLogSum", "SwiGLU", "RotaryEmbedding"),
    "DynamicQuantizeLinear",
)
"""Operators that onnx itself defines by others; the others are counted."""

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(SAME, simple),
    **dict.fromkeys(("Conv", "ConvTranspose", "QLinearConv", "ConvInteger"), conv),
    **dict.fromkeys(("MaxPool", "AveragePool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
    **dict.fromkeys(("MatMul", "QLinearMatMul", "MatMulInteger"), matmul),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), recurrent),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    **{f"{name}Normalization": norm for name in ("Batch", "Layer", "Group", "Instance", "RMS")},
    **dict.fromkeys(("GlobalLpPool", "LpNormalization"), lp_norm),
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "DeformConv": deform_conv,
    "RoiAlign": roi_align,
    "Mean": mean,
    "Hardmax": hardmax,
    "GridSample": grid_sample,
    "LRN": local_response,
    "Gemm": gemm,
    "Einsum": einsum,
    "Attention": attention,
    "DequantizeLinear": dequantize,
    "Gather": embed_or_gather,
}
"""Operators of ONNX's own domain."""
