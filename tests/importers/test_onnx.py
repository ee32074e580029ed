"""ONNX files, built here node by node, so that the arithmetic is in sight."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc.errors import UsageError

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402  # after the check that it is there


def save(path: Path, nodes, weights, inputs, outputs, opset: int = 17, kind: int = 1) -> str:
    """A file whose constants have shapes and zeros."""
    constants = []
    for name, given in weights.items():
        if isinstance(given, list):
            constants.append(helper.make_tensor(name, TensorProto.INT64, [len(given)], given))
        else:
            tensor = TensorProto(name=name, dims=given, data_type=kind)
            size = 4 if kind == 1 else 1
            for extent in given:
                size *= extent
            tensor.raw_data = b"\0" * size
            constants.append(tensor)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    file = path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    return str(file)


def conv_net(path: Path, shape=("N", 192, "H", "W")) -> str:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    return save(path, nodes, {"w": (32, 192, 5, 5), "b": (32,)}, {"x": shape}, ["y"])


@pytest.mark.parametrize("text", ["1x192x28x28", "x=1,192,28,28", "28x28x192", "chw:192x28x28"])
def test_a_convolution_is_counted_at_the_given_input(tmp_path, text):
    profile = archcalc.graph(conv_net(tmp_path), input=text).profile()
    assert profile.macs == 28 * 28 * 32 * (5 * 5 * 192) == 120_422_400
    assert profile.params == 32 * 192 * 5 * 5 + 32


def test_open_sizes_are_named_with_an_option_that_works(tmp_path):
    file = conv_net(tmp_path)
    with pytest.raises(UsageError, match=r"x \(N×192×H×W\).*--input x=1,192,224,224") as refused:
        archcalc.graph(file)
    option = str(refused.value).rpartition("--input ")[2]
    assert archcalc.graph(file, input=option).profile().macs == 224 * 224 * 32 * 5 * 5 * 192


def test_an_input_that_does_not_fit_the_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is N×192×H×W, got 1×3×28×28"):
        archcalc.graph(conv_net(tmp_path), input="1x3x28x28")
    with pytest.raises(UsageError, match="has no input 'z'; its inputs are x"):
        archcalc.graph(conv_net(tmp_path), input="z=1,192,28,28")


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_is_a_linear_layer_in_either_order(tmp_path, transposed):
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=transposed)
    size = (10, 64) if transposed else (64, 10)
    file = save(tmp_path, [node], {"w": size, "b": (10,)}, {"x": (2, 64)}, ["y"])
    cost = archcalc.graph(file).profile()
    assert cost.macs == 2 * 10 * 64


def test_a_shape_that_the_graph_computes_is_folded(tmp_path):
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    weights = {"first": [0], "rest": [-1], "w": (12, 5)}
    file = save(tmp_path, nodes, weights, {"x": ("N", 3, 2, 2)}, ["y"])
    graph = archcalc.graph(file, batch=4)
    assert graph.output.shape == (4, 5)
    assert graph.profile().macs == 4 * 5 * 12


def test_a_quantised_graph_has_its_own_dtypes(tmp_path):
    names = ["a", "s", "z", "w", "s", "z", "s", "z"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        helper.make_node("QLinearConv", names, ["q"], kernel_shape=[3, 3]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    sizes = {"w": (8, 4, 3, 3), "z": ()}
    file = save(tmp_path, nodes, sizes, {"x": (1, 4, 6, 6), "s": ()}, ["y"], kind=TensorProto.INT8)
    graph = archcalc.graph(file)
    conv = next(node for node in graph if node.op == "conv2d")
    assert (conv.inputs[0].dtype, conv.weights[0].dtype, conv.output.dtype) == ("int8",) * 3
    assert graph.profile().macs == 4 * 4 * 8 * (3 * 3 * 4)


def test_an_lstm_has_four_gates_for_input_and_state(tmp_path):
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=6)
    sizes = {"w": (1, 24, 5), "r": (1, 24, 6)}
    file = save(tmp_path, [node], sizes, {"x": (7, 2, 5)}, ["y"])
    assert archcalc.graph(file).profile().macs == 7 * 2 * 4 * 6 * (5 + 6)


def test_an_unknown_operator_is_listed_and_not_counted(tmp_path):
    node = helper.make_node("LpPool", ["x"], ["y"], kernel_shape=[2, 2])
    file = save(tmp_path, [node], {}, {"x": (1, 1, 4, 4)}, ["y"])
    assert [each.op for each in archcalc.graph(file)] == ["input", "onnx::LpPool"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"not an onnx file"])
def test_a_file_that_is_not_onnx_is_refused(tmp_path, content):
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is not an ONNX file"):
        archcalc.graph(str(file))


def test_a_cycle_is_refused(tmp_path):
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
    ]
    file = save(tmp_path, nodes, {}, {"x": (1, 4)}, ["b"])
    with pytest.raises(UsageError, match=r"net\.onnx"):
        archcalc.graph(file)


def test_training_and_options_are_refused(tmp_path):
    file = conv_net(tmp_path)
    with pytest.raises(UsageError, match="no training step"):
        archcalc.graph(file, training=True, input="1x192x8x8")
    with pytest.raises(UsageError, match="no options"):
        archcalc.graph(f"{file},head=fc")


def test_the_branch_that_runs_takes_the_place_of_a_constant_condition(tmp_path):
    """As torch's exporter writes LRN: it asks for the rank of the input."""
    info = helper.make_tensor_value_info
    branches = {
        f"{kind}_branch": helper.make_graph(
            [helper.make_node("Conv", ["x", name], [f"{kind}_y"], kernel_shape=[1, 1])],
            kind,
            [],
            [info(f"{kind}_y", 1, None)],
        )
        for kind, name in (("then", "wide"), ("else", "narrow"))
    }
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "one"], ["channels"]),
        helper.make_node("Equal", ["channels", "three"], ["is_three"]),
        helper.make_node("If", ["is_three"], ["y"], **branches),
    ]
    weights = {"one": [1], "three": [3], "wide": (8, 3, 1, 1), "narrow": (2, 3, 1, 1)}
    file = save(tmp_path, nodes, weights, {"x": (1, 3, 4, 4)}, ["y"])
    found = archcalc.graph(file)
    assert found.profile().macs == 4 * 4 * 8 * 3
    assert [node.op for node in found] == ["input", "conv2d"]


def test_shapes_that_the_graph_computes_are_followed(tmp_path):
    """Reshape to (7 mod 4, -1): 3 rows of 8."""
    nodes = [
        helper.make_node("Mod", ["seven", "four"], ["rows"]),
        helper.make_node("Concat", ["rows", "rest"], ["sizes"], axis=0),
        helper.make_node("Reshape", ["x", "sizes"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"]),
    ]
    weights = {"seven": [7], "four": [4], "rest": [-1], "w": (8, 5)}
    file = save(tmp_path, nodes, weights, {"x": (1, 2, 3, 4)}, ["y"])
    assert archcalc.graph(file).profile().macs == 3 * 8 * 5


def function(name: str, calls: list[str]):
    """A function that calls others one after another."""
    ends = ["a", *(f"t{at}" for at in range(len(calls) - 1)), "b"]
    body = [
        helper.make_node(
            called, [ends[at]], [ends[at + 1]], domain="" if called == "Relu" else "my"
        )
        for at, called in enumerate(calls)
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    return helper.make_function("my", name, ["a"], ["b"], body, opsets)


def with_functions(path: Path, functions) -> str:
    node = helper.make_node("F0", ["x"], ["y"], domain="my")
    info = helper.make_tensor_value_info
    graph = helper.make_graph([node], "net", [info("x", 1, [2])], [info("y", 1, None)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    model = helper.make_model(graph, functions=functions, opset_imports=opsets)
    (path / "net.onnx").write_bytes(model.SerializeToString())
    return str(path / "net.onnx")


def test_local_functions_are_written_out(tmp_path):
    file = with_functions(tmp_path, [function("F0", ["F1", "F1"]), function("F1", ["Relu"] * 3)])
    assert [node.op for node in archcalc.graph(file)] == ["input", *["relu"] * 6]


def test_functions_that_call_themselves_are_refused(tmp_path):
    file = with_functions(tmp_path, [function("F0", ["F1"]), function("F1", ["F0"])])
    with pytest.raises(UsageError, match="its functions cannot be read"):
        archcalc.graph(file)


def test_functions_that_double_forty_times_are_refused(tmp_path):
    last = function("F40", ["Relu"])
    doubled = [function(f"F{at}", [f"F{at + 1}"] * 2) for at in range(40)]
    with pytest.raises(UsageError, match="stand for more than 1,000,000 nodes"):
        archcalc.graph(with_functions(tmp_path, [*doubled, last]))


RELU = ("Relu", ["x"], ["y"], {})
HOSTILE = {
    "two nodes make one tensor": ([RELU, RELU], {"x": (2,)}, {}, "two nodes make 'y'"),
    "a negative size": ([RELU], {"x": (-2, 3)}, {}, "has a negative size"),
    "a giant size": ([RELU], {"x": (2**62, 2**62)}, {}, "larger than can be addressed"),
    "an output that nothing makes": (
        [("Relu", ["x"], ["z"], {})],
        {"x": (2,)},
        {},
        "'y' is read before a node",
    ),
    "no inputs": ([("Add", ["a", "a"], ["y"], {})], {}, {"a": [1]}, "has no inputs"),
    "a giant constant that is computed": (
        [("ConstantOfShape", ["s"], ["c"], {}), ("Add", ["c", "x"], ["y"], {})],
        {"x": (1,)},
        {"s": [2**40, 2**40]},
        "larger than can be addressed",
    ),
    "a missing attribute": (
        [("LRN", ["x"], ["y"], {})],
        {"x": (1, 2, 4, 4)},
        {},
        "the LRN node 'LRN_1' has no attribute 'size'",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(tmp_path, case):
    nodes, inputs, weights, match = HOSTILE[case]
    made = [helper.make_node(op, *places, **attrs) for op, *places, attrs in nodes]
    file = save(tmp_path, made, weights, inputs, ["y"], opset=23)
    with pytest.raises(UsageError, match=match) as refused:
        archcalc.graph(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("op", ["Tile", "Expand"])
def test_a_constant_that_would_fill_the_memory_is_not_computed(tmp_path, op):
    nodes = [helper.make_node(op, ["a", "n"], ["b"]), helper.make_node("Neg", ["x"], ["y"])]
    file = save(tmp_path, nodes, {"a": [0], "n": [2**33]}, {"x": (2,)}, ["y"])
    assert archcalc.graph(file).output.shape == (2,)


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    file = Path(conv_net(tmp_path, (1, 192, 8, 8)))
    whole = file.read_bytes()
    for length in (1, 10, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"net\.onnx"):
            archcalc.graph(str(file))


def test_external_data_is_not_read(tmp_path):
    """The file that holds the weights does not even exist."""
    weight = TensorProto(name="w", dims=[1000, 1000], data_type=1, data_location=1)
    weight.external_data.add(key="location", value="weights.bin")
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(
        nodes, "net", [info("x", 1, [2, 1000])], [info("y", 1, None)], [weight]
    )
    (tmp_path / "net.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    profile = archcalc.graph(str(tmp_path / "net.onnx")).profile()
    assert (profile.macs, profile.params) == (2 * 1000 * 1000, 1000 * 1000)


def test_constants_outside_layers_are_noted(tmp_path):
    nodes = [helper.make_node("Add", ["x", "position"], ["y"])]
    file = save(tmp_path, nodes, {"position": (7, 5)}, {"x": (1, 7, 5)}, ["y"])
    assert "35 elements are constants that no layer holds" in archcalc.graph(file).notes[0]
