"""One node per file: each ONNX operator is the row of the operator table that it should be."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest

import archcalc
from archcalc.analysis.figures import read
from archcalc.importers.onnx_nodes import EXPANDED as EXPANDED_BY_ONNX
from archcalc.importers.onnx_nodes import RULES

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402  # after the check that it is there

F32, I8, U8, I64 = 1, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT64
NEWEST = min(onnx.defs.onnx_opset_version(), 24)


def one(
    path,
    op: str,
    inputs,
    weights=(),
    outputs: int = 1,
    opset: int = NEWEST,
    domain: str = "",
    **attrs: Any,
):
    """The graph of one node. Inputs and weights are shapes, or (shape, element type), or a list of
    integers, which is a constant; None stands for an operand left out."""
    names, infos, constants = [], [], []
    for at, given in enumerate((*inputs, *weights)):
        name = f"t{at}"
        if given is None:
            names.append("")
            continue
        names.append(name)
        if isinstance(given, list):
            kind = TensorProto.FLOAT if any(isinstance(x, float) for x in given) else I64
            constants.append(helper.make_tensor(name, kind, [len(given)], given))
            continue
        shape, kind = given if given and isinstance(given[0], tuple) else (given, F32)
        if at < len(inputs):
            infos.append(helper.make_tensor_value_info(name, kind, shape))
        else:
            size = {F32: 4, I64: 8}.get(kind, 1)
            tensor = TensorProto(name=name, dims=shape, data_type=kind)
            tensor.raw_data = bytes(size * prod(shape))
            constants.append(tensor)
    made = [f"y{at}" for at in range(outputs)]
    node = helper.make_node(op, names, made, "node", domain=domain, **attrs)
    infos_out = [onnx.ValueInfoProto(name=made[0])]
    graph = helper.make_graph([node], "net", infos, infos_out, constants)
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    file = path / "net.onnx"
    file.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return archcalc.graph(str(file))


def ops(graph) -> list[str]:
    return [node.op for node in graph if node.op not in ("input", "parameter", "constant")]


UNARY = {
    **{name: name.lower() for name in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Elu")},
    **{name: name.lower() for name in ("Celu", "Selu", "Exp", "Sqrt", "Reciprocal", "Neg", "Abs")},
    **{name: name.lower() for name in ("Log", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh")},
    **{name: name.lower() for name in ("Cosh", "Asinh", "Acosh", "Atanh", "Erf", "Sign", "Floor")},
    **{name: name.lower() for name in ("Ceil", "Round", "Mish", "Gelu", "HardSigmoid")},
    "HardSwish": "hardswish",
    "LeakyRelu": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "Softmax": "softmax",
    "ThresholdedRelu": "threshold",
    "Shrink": "softshrink",
    "IsNaN": "isnan",
    "IsInf": "isinf",
    "Dropout": "dropout",
    "NonZero": None,  # its shape depends on the values
}


@pytest.mark.parametrize("name", UNARY)
def test_an_operator_of_one_tensor_is_its_row(tmp_path, name):
    graph = one(tmp_path, name, [(2, 3, 4)])
    row = UNARY[name]
    if row is None:
        assert ops(graph) == [f"onnx::{name}"]
        return
    assert ops(graph) == [row]
    assert graph.output.shape == (2, 3, 4)
    assert not graph.profile().not_counted


BINARY = {
    **{name: name.lower() for name in ("Add", "Sub", "Mul", "Div", "Pow")},
    "Mod": "remainder",
    "Equal": "eq",
    "Less": "lt",
    "LessOrEqual": "le",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Min": "minimum",
    "Max": "maximum",
    "Sum": "add",
    "PRelu": "prelu",
}


@pytest.mark.parametrize("name", BINARY)
def test_an_operator_of_two_tensors_broadcasts(tmp_path, name):
    settings = {"fmod": 1} if name == "Mod" else {}
    graph = one(tmp_path, name, [(2, 3, 4), (4,)], **settings)
    assert ops(graph) == [BINARY[name]]
    profile = graph.profile()
    assert graph.output.shape == (2, 3, 4)
    assert (profile.macs, bool(profile.not_counted)) == (0, False)
    if name in ("Add", "Sub", "Mul", "Div"):
        assert profile.flops == 2 * 3 * 4


@pytest.mark.parametrize("name", ["And", "Or", "Xor"])
def test_logic_is_counted_on_booleans(tmp_path, name):
    graph = one(tmp_path, name, [((2, 3), TensorProto.BOOL)] * 2)
    assert ops(graph) == [f"logical_{name.lower()}"]


@pytest.mark.parametrize("name", ["BitwiseAnd", "BitwiseOr", "BitwiseXor"])
def test_bits_are_combined_on_integers(tmp_path, name):
    graph = one(tmp_path, name, [((2, 3), I64)] * 2)
    assert ops(graph) == [f"bitwise_{name.removeprefix('Bitwise').lower()}"]


MOVED: dict[str, tuple[list[Any], dict[str, Any], str, tuple[int, ...]]] = {
    "Reshape": ([(2, 3, 4), [4, -1]], {}, "reshape", (4, 6)),
    "Flatten": ([(2, 3, 4)], {"axis": 2}, "reshape", (6, 4)),
    "Squeeze": ([(1, 3, 1), [0]], {}, "reshape", (3, 1)),
    "Unsqueeze": ([(3, 4), [0, 3]], {}, "reshape", (1, 3, 4, 1)),
    "Transpose": ([(2, 3, 4)], {"perm": [2, 0, 1]}, "permute", (4, 2, 3)),
    "Expand": ([(3, 1), [2, 3, 4]], {}, "expand", (2, 3, 4)),
    "Tile": ([(2, 3), [2, 2]], {}, "tile", (4, 6)),
    "Concat": ([(2, 3), (2, 5)], {"axis": 1}, "concat", (2, 8)),
    "Slice": ([(8, 9), [1], [7], [0], [2]], {}, "as_strided", (3, 9)),
    "Pad": ([(1, 1, 4, 4), [0, 0, 1, 1, 0, 0, 2, 2]], {}, "pad", (1, 1, 7, 7)),
    "Cast": ([(2, 3)], {"to": TensorProto.FLOAT16}, "to", (2, 3)),
    "DepthToSpace": ([(1, 8, 2, 2)], {"blocksize": 2}, "pixel_shuffle", (1, 2, 4, 4)),
    "SpaceToDepth": ([(1, 2, 4, 4)], {"blocksize": 2}, "pixel_unshuffle", (1, 8, 2, 2)),
    "Trilu": ([(4, 4)], {}, "tril", (4, 4)),
    "Where": ([((2, 3), TensorProto.BOOL), (2, 3), (2, 3)], {}, "where", (2, 3)),
    "GatherElements": ([(3, 3), ((2, 3), I64)], {}, "gather", (2, 3)),
    "GatherND": ([(3, 4), ((5, 1), I64)], {}, "gather", (5, 4)),
    "ScatterElements": ([(3, 3), ((2, 3), I64), (2, 3)], {}, "scatter", (3, 3)),
    "ScatterND": ([(3, 3), ((2, 1), I64), (2, 3)], {}, "scatter", (3, 3)),
    "ReverseSequence": ([(4, 2), ((2,), I64)], {}, "flip", (4, 2)),
    "RandomNormalLike": ([(4, 2)], {}, "random", (4, 2)),
    "EyeLike": ([(4, 4)], {}, "fill", (4, 4)),
}


@pytest.mark.parametrize("name", MOVED)
def test_an_operator_that_moves_data_has_no_multiply_adds(tmp_path, name):
    inputs, attrs, row, shape = MOVED[name]
    graph = one(tmp_path, name, inputs, **attrs)
    assert ops(graph) == [row]
    assert graph.output.shape == shape
    profile = graph.profile()
    assert (profile.macs, bool(profile.not_counted)) == (0, False)


REDUCED = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceProd": "prod",
    "ReduceL2": "norm",
    "ReduceLogSumExp": "logsumexp",
}


@pytest.mark.parametrize("opset", [11, NEWEST])
@pytest.mark.parametrize("name", REDUCED)
def test_axes_of_a_reduction_are_an_attribute_or_an_input(tmp_path, name, opset):
    """ReduceSum takes an input since opset 13, the others since 18."""
    if opset == 11:
        graph = one(tmp_path, name, [(2, 3, 4)], opset=opset, axes=[1, 2], keepdims=0)
    else:
        graph = one(tmp_path, name, [(2, 3, 4), [1, 2]], keepdims=0)
    assert ops(graph) == [REDUCED[name]]
    assert graph.output.shape == (2,)
    assert not graph.profile().not_counted


EXPANDED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "ReduceL1": ([(2, 3, 4), [1]], {}),
    "ReduceSumSquare": ([(2, 3, 4), [1]], {}),
    "ReduceLogSum": ([(2, 3, 4), [1]], {}),
    "DynamicQuantizeLinear": ([(2, 3)], {}),
    "RotaryEmbedding": ([(1, 2, 5, 8), (9, 4), (9, 4), ((1, 5), I64)], {}),
}


@pytest.mark.parametrize("name", EXPANDED)
def test_an_operator_that_onnx_defines_by_others_is_counted_by_these(tmp_path, name):
    inputs, attrs = EXPANDED[name]
    profile = one(tmp_path, name, inputs, **attrs).profile()
    assert not profile.not_counted
    assert profile.flops >= 2 * 3


@pytest.mark.parametrize("opset", [7, 11, NEWEST])
def test_settings_move_from_attributes_to_inputs_over_the_opsets(tmp_path, opset):
    as_attribute = opset < 13
    squeezed = (
        one(tmp_path, "Squeeze", [(1, 3, 1)], opset=opset, axes=[0])
        if as_attribute
        else one(tmp_path, "Squeeze", [(1, 3, 1), [0]], opset=opset)
    )
    assert squeezed.output.shape == (3, 1)
    sliced = (
        one(tmp_path, "Slice", [(8, 9)], opset=opset, starts=[1], ends=[5], axes=[0])
        if opset < 10
        else one(tmp_path, "Slice", [(8, 9), [1], [5], [0]], opset=opset)
    )
    assert sliced.output.shape == (4, 9)
    clipped = (
        one(tmp_path, "Clip", [(2, 3)], opset=opset, min=0.0, max=6.0)
        if opset < 11
        else one(tmp_path, "Clip", [(2, 3)], [(), ()], opset=opset)
    )
    assert ops(clipped) == ["clamp"]
    dropped = (
        one(tmp_path, "Dropout", [(2, 3)], opset=opset, ratio=0.5)
        if opset < 12
        else one(tmp_path, "Dropout", [(2, 3)], [()], opset=opset)
    )
    assert ops(dropped) == ["dropout"]
    padded = (
        one(tmp_path, "Pad", [(2, 3)], opset=opset, pads=[0, 1, 0, 1])
        if opset < 11
        else one(tmp_path, "Pad", [(2, 3), [0, 1, 0, 1]], opset=opset)
    )
    assert padded.output.shape == (2, 5)


@pytest.mark.parametrize(("opset", "axis"), [(7, 1), (11, 1), (13, -1), (NEWEST, -1)])
def test_softmax_goes_over_the_last_axis_since_opset_13(tmp_path, opset, axis):
    graph = one(tmp_path, "Softmax", [(2, 3, 4)], opset=opset)
    assert graph["node"].attrs["dim"] == axis
    assert graph.profile().flops == 5 * 2 * 3 * 4


@pytest.mark.parametrize("opset", [7, 9, 14, NEWEST])
def test_batch_normalisation_has_its_work_at_every_opset(tmp_path, opset):
    graph = one(tmp_path, "BatchNormalization", [(1, 3, 4, 4)], [(3,)] * 4, opset=opset)
    assert ops(graph) == ["batch_norm"]
    assert graph.profile().params == 2 * 3


@pytest.mark.parametrize(("opset", "name"), [(9, "Upsample"), (11, "Resize"), (NEWEST, "Resize")])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_images_are_resized_by_scales(tmp_path, opset, name, mode):
    scales: list[Any] = [[1.0, 1.0, 2.0, 2.0]]
    weights = scales if name == "Upsample" else [(0,), *scales]
    graph = one(tmp_path, name, [(1, 3, 4, 4)], weights, opset=opset, mode=mode)
    assert ops(graph) == [f"upsample_{'nearest' if mode == 'nearest' else 'bilinear'}"]
    assert graph.output.shape == (1, 3, 8, 8)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_of_any_rank(tmp_path, dims, groups):
    weights = [(8, 4 // groups, *[3] * dims), (8,)]
    graph = one(tmp_path, "Conv", [(2, 4, *[6] * dims)], weights, group=groups)
    assert ops(graph) == [f"conv{dims}d"]
    assert graph.profile().macs == 2 * 4**dims * 8 * (3**dims * 4 // groups)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_gives_the_shape_of_the_file(tmp_path, auto_pad):
    settings = {"auto_pad": auto_pad, "strides": [2, 2]}
    graph = one(tmp_path, "Conv", [(1, 3, 7, 7)], [(8, 3, 3, 3)], **settings)
    side = 3 if auto_pad == "VALID" else 4
    assert graph.output.shape == (1, 8, side, side)
    assert graph.profile().macs == side * side * 8 * (9 * 3)


def test_a_transposed_convolution_costs_by_its_input(tmp_path):
    graph = one(tmp_path, "ConvTranspose", [(1, 4, 5, 5)], [(4, 6, 2, 2)], strides=[2, 2])
    assert graph.output.shape == (1, 6, 10, 10)
    assert graph.profile().macs == 5 * 5 * 4 * (2 * 2 * 6)


def test_a_grid_is_sampled_between_four_places(tmp_path):
    graph = one(tmp_path, "GridSample", [(1, 3, 8, 8), (1, 5, 5, 2)])
    assert graph.profile().flops == 5 * 5 * 3 * (2 * 4 - 1)


@pytest.mark.parametrize("name", ["MaxPool", "AveragePool"])
def test_a_pool_has_its_window(tmp_path, name):
    graph = one(tmp_path, name, [(1, 3, 8, 8)], kernel_shape=[2, 2], strides=[2, 2])
    assert ops(graph) == [f"{'max' if name == 'MaxPool' else 'avg'}_pool2d"]
    assert graph.output.shape == (1, 3, 4, 4)


@pytest.mark.parametrize("name", ["GlobalAveragePool", "GlobalMaxPool"])
def test_a_global_pool_leaves_one_place(tmp_path, name):
    graph = one(tmp_path, name, [(1, 3, 8, 8)])
    assert graph.output.shape == (1, 3, 1, 1)
    assert not graph.profile().not_counted


NORMS: dict[str, tuple[int, dict[str, Any], str]] = {
    "LayerNormalization": (8, {}, "layer_norm"),
    "RMSNormalization": (8, {}, "rms_norm"),
    "InstanceNormalization": (4, {}, "group_norm"),
    "GroupNormalization": (4, {"num_groups": 2}, "group_norm"),
}


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_has_its_parameters(tmp_path, name):
    if not onnx.defs.has(name):
        pytest.skip("this onnx does not have the operator")
    size, attrs, row = NORMS[name]
    weights = [(size,)] * (1 if name == "RMSNormalization" else 2)
    graph = one(tmp_path, name, [(2, 4, 8)], weights, **attrs)
    assert ops(graph) == [row]
    assert graph.profile().params == size * len(weights)


@pytest.mark.parametrize(
    ("equation", "a", "b", "macs"),
    [
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5), 2 * 3 * 5 * 4),
        ("bhqd,bhkd->bhqk", (1, 2, 3, 4), (1, 2, 5, 4), 2 * 3 * 5 * 4),
        ("i,j->ij", (3,), (4,), 0),
    ],
)
def test_einsum_contracts_what_the_output_has_not(tmp_path, equation, a, b, macs):
    assert one(tmp_path, "Einsum", [a, b], equation=equation).profile().macs == macs


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("name", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_a_recurrent_layer_costs_by_gates_and_directions(tmp_path, name, gates, direction):
    steps, batch, given, hidden = 7, 2, 5, 6
    ways = 2 if direction == "bidirectional" else 1
    weights = [
        (ways, gates * hidden, given),
        (ways, gates * hidden, hidden),
        (ways, 2 * gates * hidden),
    ]
    graph = one(
        tmp_path, name, [(steps, batch, given)], weights, hidden_size=hidden, direction=direction
    )
    profile = graph.profile()
    assert profile.macs == steps * batch * ways * gates * hidden * (given + hidden)
    assert profile.params == ways * gates * hidden * (given + hidden + 2)


def bits_of(graph) -> tuple[str, ...]:
    node = next(node for node in graph if node.op in ("linear", "matmul", "conv2d"))
    second = node.weights[0].dtype if node.weights else node.inputs[-1].dtype
    return node.inputs[0].dtype, second, node.output.dtype


SCALE: tuple[int, ...] = ()
QUANTISED: dict[str, tuple[list[Any], list[Any], str, int, tuple[str, ...]]] = {
    "MatMulInteger": (
        [((2, 8), U8)],
        [((8, 5), I8)],
        "",
        2 * 5 * 8,
        ("uint8", "int8", "int32"),
    ),
    "ConvInteger": (
        [((1, 3, 6, 6), U8)],
        [((4, 3, 3, 3), I8)],
        "",
        4 * 4 * 4 * (9 * 3),
        ("uint8", "int8", "int32"),
    ),
    "QLinearMatMul": (
        [((2, 8), I8)],
        [SCALE, (SCALE, I8), ((8, 5), I8), SCALE, (SCALE, I8), SCALE, (SCALE, I8)],
        "",
        2 * 5 * 8,
        ("int8", "int8", "int8"),
    ),
    "QGemm": (
        [((2, 8), U8)],
        [SCALE, (SCALE, U8), ((5, 8), I8), SCALE, (SCALE, I8)],
        "com.microsoft",
        2 * 5 * 8,
        ("uint8", "int8", "uint8"),
    ),
    "MatMulIntegerToFloat": (
        [((2, 8), U8)],
        [((8, 5), I8), SCALE, SCALE],
        "com.microsoft",
        2 * 5 * 8,
        ("uint8", "int8", "float32"),
    ),
    "DynamicQuantizeMatMul": (
        [(2, 8)],
        [((8, 5), I8), SCALE],
        "com.microsoft",
        2 * 5 * 8,
        ("int8", "int8", "float32"),
    ),
}


@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_layer_has_the_dtypes_of_its_operands(tmp_path, name):
    inputs, weights, domain, macs, dtypes = QUANTISED[name]
    attrs = {"transB": 1} if name == "QGemm" else {}
    graph = one(tmp_path, name, inputs, weights, domain=domain, **attrs)
    assert bits_of(graph) == dtypes
    profile = graph.profile()
    assert profile.macs == macs
    assert read(profile, "bops") == macs * 8 * 8


def test_packed_weights_of_four_bits_take_half_a_byte(tmp_path):
    """MatMulNBits: 64 inputs in 2 blocks of 32, 16 bytes each, for 10 outputs."""
    graph = one(
        tmp_path,
        "MatMulNBits",
        [(3, 64)],
        [((10, 2, 16), U8), (20,)],
        domain="com.microsoft",
        N=10,
        K=64,
        bits=4,
        block_size=32,
    )
    profile = graph.profile()
    assert profile.macs == 3 * 10 * 64
    assert profile.params == 10 * 64 + 20
    assert profile.weight_bytes == 10 * 64 // 2 + 20 * 4
    assert read(profile, "bops") == 3 * 10 * 64 * 32 * 4


def attended(batch: int, heads: int, queries: int, keys: int, width: int) -> int:
    """Scores, and their product with the values."""
    return 2 * batch * heads * queries * keys * width


def test_attention_23_with_fewer_heads_of_keys(tmp_path):
    if not onnx.defs.has("Attention"):
        pytest.skip("this onnx does not have the operator")
    inputs = [(2, 5, 8 * 4), (2, 7, 2 * 4), (2, 7, 2 * 4)]
    graph = one(tmp_path, "Attention", inputs, q_num_heads=8, kv_num_heads=2)
    assert graph.profile().macs == attended(2, 8, 5, 7, 4)


def test_contrib_attention_projects_and_attends(tmp_path):
    weights = [(32, 96), (96,)]
    graph = one(tmp_path, "Attention", [(2, 5, 32)], weights, domain="com.microsoft", num_heads=8)
    profile = graph.profile()
    assert graph.output.shape == (2, 5, 32)
    assert profile.macs == 2 * 5 * 96 * 32 + attended(2, 8, 5, 5, 4)
    assert profile.params == 32 * 96 + 96


def test_multi_head_attention_reads_past_keys(tmp_path):
    past = (2, 8, 9, 4)
    inputs = [(2, 1, 32), (2, 1, 32), (2, 1, 32), None, None, None, past, past]
    graph = one(tmp_path, "MultiHeadAttention", inputs, domain="com.microsoft", num_heads=8)
    assert graph.output.shape == (2, 1, 32)
    assert graph.profile().macs == attended(2, 8, 1, 10, 4)


@pytest.mark.parametrize("packed", [False, True])
def test_grouped_query_attention_with_a_cache(tmp_path, packed):
    past = (1, 2, 9, 4)
    given = [(1, 1, 32 + 16), None, None] if packed else [(1, 1, 32), (1, 1, 8), (1, 1, 8)]
    inputs = [*given, past, past, ((1,), TensorProto.INT32), ((1,), TensorProto.INT32)]
    settings = {"num_heads": 8, "kv_num_heads": 2, "domain": "com.microsoft"}
    graph = one(tmp_path, "GroupQueryAttention", inputs, outputs=3, **settings)
    assert graph.output.shape == (1, 1, 32)
    assert graph.profile().macs == attended(1, 8, 1, 10, 4)


@pytest.mark.parametrize("name", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_a_norm_after_a_sum_is_both(tmp_path, name):
    weights = [(8,)] if "Simplified" in name else [(8,), (8,)]
    graph = one(tmp_path, name, [(2, 4, 8)] * 2, weights, outputs=4, domain="com.microsoft")
    assert ops(graph) == ["add", "rms_norm" if "Simplified" in name else "layer_norm"]
    assert graph.profile().params == 8 * len(weights)


@pytest.mark.parametrize("name", ["Gelu", "BiasGelu", "FastGelu", "QuickGelu"])
def test_contrib_activations(tmp_path, name):
    weights = [(8,)] if name == "BiasGelu" else []
    graph = one(tmp_path, name, [(2, 4, 8)], weights, domain="com.microsoft")
    assert ops(graph) == [*(["add"] if weights else []), "gelu"]


def test_a_fused_product_transposes(tmp_path):
    settings = {"domain": "com.microsoft", "transA": 1, "transB": 1}
    graph = one(tmp_path, "FusedMatMul", [(2, 4, 3), (2, 5, 4)], **settings)
    assert graph.output.shape == (2, 3, 5)
    assert graph.profile().macs == 2 * 3 * 5 * 4


def test_a_fused_convolution_is_a_convolution_and_its_activation(tmp_path):
    settings = {"domain": "com.microsoft", "activation": "Relu", "pads": [1, 1, 1, 1]}
    graph = one(tmp_path, "FusedConv", [(1, 3, 6, 6)], [(8, 3, 3, 3), (8,)], **settings)
    assert ops(graph) == ["conv2d", "relu"]
    assert graph.profile().macs == 6 * 6 * 8 * (9 * 3)


def test_embeddings_of_a_transformer_are_looked_up_and_added(tmp_path):
    inputs = [((1, 5), TensorProto.INT32), ((1, 5), TensorProto.INT32)]
    weights = [(100, 8), (16, 8), (2, 8), (8,), (8,)]
    graph = one(tmp_path, "EmbedLayerNormalization", inputs, weights, domain="com.microsoft")
    assert ops(graph) == ["embedding", "embedding", "add", "embedding", "add", "layer_norm"]
    assert graph.profile().params == (100 + 16 + 2) * 8 + 2 * 8


def test_a_rotation_is_three_operations_an_element(tmp_path):
    inputs = [(1, 5, 8), ((1, 5), I64)]
    graph = one(tmp_path, "RotaryEmbedding", inputs, [(9, 4), (9, 4)], domain="com.microsoft")
    assert graph.profile().flops == 3 * 5 * 8


def test_what_follows_an_unknown_operator_is_listed_and_the_rest_is_counted(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mystery", ["a"], ["b"], domain="my.own"),
        helper.make_node("MatMul", ["b", "w"], ["c"]),
        helper.make_node("MatMul", ["a", "w"], ["d"]),
    ]
    w = helper.make_tensor("w", F32, [4, 4], bytes(64), raw=True)
    infos = [helper.make_tensor_value_info("x", F32, [3, 4])]
    outs = [helper.make_tensor_value_info(name, F32, None) for name in "dc"]
    model = helper.make_model(helper.make_graph(nodes, "net", infos, outs, [w]))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    graph = archcalc.graph(str(tmp_path / "net.onnx"))
    profile = graph.profile()
    assert profile.macs == 2 * 3 * 4 * 4
    assert {row.op for row in profile.not_counted} == {"my.own::Mystery", "onnx::MatMul"}
    assert any("do not follow from the inputs" in note for note in graph.notes)


def test_a_loop_is_listed_and_not_counted(tmp_path):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("MatMul", ["s", "s"], ["t"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", I64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s", F32, [4, 4]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("t", F32, [4, 4]),
        ],
    )
    node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
    infos = [
        helper.make_tensor_value_info("n", I64, []),
        helper.make_tensor_value_info("x", F32, [4, 4]),
    ]
    out = [helper.make_tensor_value_info("y", F32, [4, 4])]
    model = helper.make_model(helper.make_graph([node], "net", infos, out))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    graph = archcalc.graph(str(tmp_path / "net.onnx"), input=["n=:i64", "x=4,4"])
    assert [row.op for row in graph.profile().not_counted] == ["onnx::Loop"]


def test_quant_nodes_of_qonnx_have_the_bit_operations_of_their_bits(tmp_path):
    """QONNX's own count of the network CNV-2W2A: 57,906,176 multiply-adds of 2 × 2 bits after a
    first layer of 8 × 2 bits."""
    nodes, infos, constants = [], [], []

    def quantised(name: str, bits: float) -> str:
        setting = f"{name}_bits"
        constants.append(helper.make_tensor(setting, F32, [], [bits]))
        given = [name, "one", "zero", setting]
        nodes.append(
            helper.make_node("Quant", given, [f"{name}_q"], domain="qonnx.custom_op.general")
        )
        return f"{name}_q"

    constants += [helper.make_tensor(name, F32, [], [1.0]) for name in ("one", "zero")]
    infos.append(helper.make_tensor_value_info("x", F32, [1, 3, 32, 32]))
    last, channels = quantised("x", 8), 3
    for at, (width, pooled) in enumerate(
        [(64, 0), (64, 1), (128, 0), (128, 1), (256, 0), (256, 0)]
    ):
        weight = TensorProto(name=f"w{at}", dims=[width, channels, 3, 3], data_type=F32)
        weight.raw_data = bytes(4 * width * channels * 9)
        constants.append(weight)
        nodes.append(helper.make_node("Conv", [last, quantised(f"w{at}", 2)], [f"c{at}"]))
        last, channels = quantised(f"c{at}", 2), width
        if pooled:
            window = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(helper.make_node("MaxPool", [last], [f"p{at}"], **window))
            last = f"p{at}"
    nodes.append(helper.make_node("Flatten", [last], ["f"]))
    last = "f"
    for at, (given, width) in enumerate([(256, 512), (512, 512), (512, 10)]):
        weight = TensorProto(name=f"v{at}", dims=[given, width], data_type=F32)
        weight.raw_data = bytes(4 * given * width)
        constants.append(weight)
        nodes.append(helper.make_node("MatMul", [last, quantised(f"v{at}", 2)], [f"m{at}"]))
        last = quantised(f"m{at}", 2)
    out = [helper.make_tensor_value_info(last, F32, None)]
    model = helper.make_model(helper.make_graph(nodes, "net", infos, out, constants))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    profile = archcalc.graph(str(tmp_path / "net.onnx")).profile()
    first = 30 * 30 * 64 * 27
    assert profile.macs == first + 57_906_176
    assert read(profile, "bops") == first * 8 * 2 + 57_906_176 * 2 * 2


@pytest.mark.parametrize(("name", "bits"), [("BipolarQuant", 1), ("Trunc", 3)])
def test_other_quantisers_of_qonnx(tmp_path, name, bits):
    weights: list[Any] = [SCALE] if bits == 1 else [SCALE, SCALE, [8.0], [3.0]]
    graph = one(tmp_path, name, [(2, 4)], weights, domain="qonnx.custom_op.general")
    assert graph.output.dtype == f"int{bits}"


def test_a_deformable_convolution_multiplies_as_a_plain_one_and_samples_its_input(tmp_path):
    weights = [(8, 4, 3, 3)]
    graph = one(tmp_path, "DeformConv", [(1, 4, 7, 7)], [*weights, (1, 18, 5, 5)])
    assert ops(graph) == ["deform_conv2d"]
    profile = graph.profile()
    assert profile.macs == (5 * 5 * 8) * (3 * 3 * 4)
    assert profile.flops == 2 * profile.macs + 7 * (5 * 5 * 4) * (3 * 3)


def test_aligned_regions_average_samples_between_four_places(tmp_path):
    inputs = [(1, 3, 16, 16), (5, 4), ((5,), I64)]
    shape = {"output_height": 2, "output_width": 2}
    graph = one(tmp_path, "RoiAlign", inputs, sampling_ratio=2, **shape)
    assert graph.profile().flops == (5 * 3 * 2 * 2) * (2 * 2) * 8
    adaptive = one(tmp_path, "RoiAlign", inputs, **shape)  # by the size of each region
    assert [row.op for row in adaptive.profile().not_counted] == ["onnx::RoiAlign"]


def test_a_mean_of_tensors_adds_and_divides(tmp_path):
    graph = one(tmp_path, "Mean", [(2, 3), (2, 3), (2, 3)])
    assert ops(graph) == ["add", "div"]
    assert graph.profile().flops == 2 * 6 + 6


def test_the_largest_of_each_row_is_compared_and_becomes_a_one(tmp_path):
    graph = one(tmp_path, "Hardmax", [(4, 10)])
    assert ops(graph) == ["argmax", "one_hot"]
    assert graph.output.shape == (4, 10)
    assert graph.profile().flops == 4 * 10


def test_norms_of_maps_and_of_rows(tmp_path):
    pooled = one(tmp_path, "GlobalLpPool", [(2, 3, 4, 5)])
    assert (ops(pooled), pooled.output.shape) == (["norm"], (2, 3, 1, 1))
    assert pooled.profile().flops == 2 * (2 * 3 * 4 * 5)  # a square and an addition
    scaled = one(tmp_path, "LpNormalization", [(4, 10)], axis=1)
    assert ops(scaled) == ["norm", "div"]
    assert scaled.profile().flops == 2 * 40 + 40


def test_a_determinant_and_a_grid(tmp_path):
    graph = one(tmp_path, "Det", [(2, 8, 8)])
    assert ops(graph) == ["linalg_det"]
    assert graph.profile().flops > 0
    graph = one(tmp_path, "AffineGrid", [(2, 2, 3), [2, 3, 4, 5]])
    assert ops(graph) == ["affine_grid"]
    assert graph.profile().flops == 4 * (2 * 4 * 5 * 2)


def test_losses_and_a_crop(tmp_path):
    graph = one(tmp_path, "SoftmaxCrossEntropyLoss", [(4, 10), ((4,), I64)])
    assert ops(graph) == ["log_softmax", "nll_loss"]
    alone = one(tmp_path, "NegativeLogLikelihoodLoss", [(4, 10), ((4,), I64)])
    assert graph.profile().flops > alone.profile().flops > 0
    graph = one(tmp_path, "CenterCropPad", [(8, 8), [4, 4]])
    assert (graph.output.shape, graph.profile().flops) == ((4, 4), 0)


HANDLED = {"Constant", "Identity"}
LISTED = {
    "control flow, which depends on values": {"If", "Loop", "Scan", "SequenceMap"},
    "sequences and optional values, which have no one shape": {
        *("ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement"),
        *("SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert"),
        *("SequenceLength", "SplitToSequence"),
    },
    "how much is computed depends on values": {"NonMaxSuppression", "MaxRoiPool"},
    "signals, whose transforms onnx defines without their algorithm": {
        *("DFT", "STFT", "MelWeightMatrix"),
    },
    "a p-norm of windows": {"LpPool"},
    "onnx infers no shape for it": {"MeanVarianceNormalization"},
    "states that one call leaves for the next": {"CausalConvWithState", "LinearAttention"},
    "text and files": {
        *("ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
        "TfIdfVectorizer",
    },
}
"""Operators that are not counted and that a report lists, by the reason."""


def test_every_operator_of_onnx_is_counted_or_listed_with_a_reason():
    known = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
    listed = set().union(*LISTED.values())
    handled = {*RULES, *EXPANDED_BY_ONNX, *HANDLED}
    assert not handled & listed
    assert known - handled == listed & known


def test_an_operator_that_is_listed_makes_the_totals_lower_bounds(tmp_path):
    graph = one(tmp_path, "LpPool", [(1, 3, 8, 8)], kernel_shape=[2, 2])
    assert [row.op for row in graph.profile().not_counted] == ["onnx::LpPool"]
