import copy
import io
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import archcalc
from archcalc import ops
from archcalc.errors import UnknownModelError, UsageError
from archcalc.graph import Attributes, Builder, Graph, Handle, Node, Value
from archcalc.lookup import registry
from archcalc.pytorch.build import build
from archcalc.pytorch.layers import TORCH
from tests.pytorch.operators import CASES, case, one


def values(graph: Graph, batch: int | None = None) -> list[torch.Tensor]:
    """Return tensors with values for the graph's inputs, with another batch if given."""
    tensors = []
    for node in graph.inputs:
        shape = (batch or node.output.shape[0], *node.output.shape[1:])
        whole = node.output.dtype == "int64"
        tensors.append(torch.randint(5, shape) if whole else torch.randn(shape))
    return tensors


def with_head(x: Handle) -> dict[str, Handle]:
    """Declare a network with an auxiliary head, dropout and normalisation."""
    with x.scope("stem"):
        x = ops.relu(ops.batch_norm(ops.conv2d(x, 8, 3, padding=1, bias=False), name="bn"))
    aux = ops.linear(ops.flatten(x.in_training_only(), name="aux_flatten"), 3, name="aux")
    x = ops.dropout(ops.adaptive_avg_pool2d(x))
    return {"output": ops.linear(ops.flatten(x), 3), "aux": aux}


def headed() -> Graph:
    builder = Builder()
    return builder.finish("headed", with_head(builder.input((2, 3, 8, 8))))


@pytest.mark.parametrize("name", CASES)
def test_an_operator_gives_the_shape_and_the_parameters_that_the_table_says(name: str) -> None:
    graph = case(name)
    net = build(graph)
    assert net(*values(graph)).shape == graph.output.shape
    assert sum(p.numel() for p in net.parameters()) == sum(w.numel for w in graph.weights)
    assert {key: tuple(p.shape) for key, p in net.named_parameters()} == {
        weight.name: weight.shape for weight in graph.weights
    }


@pytest.mark.parametrize("name", CASES)
def test_the_batch_of_the_declaration_is_not_written_into_the_network(name: str) -> None:
    graph = case(name)
    assert build(graph)(*values(graph, batch=4)).shape == (4, *graph.output.shape[1:])


def test_every_operator_that_a_definition_can_call_has_a_case() -> None:
    functions = set(ops.__all__) - {"TABLE", "Cost", "Operator", "operator"}
    assert functions == {name.split()[0] for name in CASES}
    assert set(TORCH) == {node.op for name in CASES for node in case(name)} - {"input"}


@pytest.mark.parametrize("name", registry.names())
def test_a_registered_model_runs_with_the_shapes_parameters_and_names_of_its_graph(
    name: str,
) -> None:
    graph = registry.find(name).graph(batch=2)  # BatchNorm cannot train on one value per channel
    net = build(graph, device="meta").eval()
    inputs = [torch.empty(node.output.shape, device="meta") for node in graph.inputs]
    assert net(*inputs).shape == graph.output.shape
    assert {key: tuple(p.shape) for key, p in net.named_parameters()} == {
        weight.name: weight.shape for weight in graph.weights
    }
    assert [tuple(result.shape) for result in _results(net.train()(*inputs))] == [
        value.shape for value in graph.outputs.values()
    ]


def _results(output) -> tuple[torch.Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


def test_layers_have_the_names_of_the_nodes() -> None:
    net = build("googlenet", device="meta")
    layer = net.get_submodule("inception_3a.b5.conv")
    assert isinstance(layer, nn.Conv2d)
    assert layer.weight.shape == (32, 16, 5, 5)
    assert "inception_3a.b5.conv.weight" in net.state_dict()


def test_weights_are_kaiming_normal_for_relu_and_biases_zero() -> None:
    weight = build("nin").get_submodule("mlpconv2.conv").weight
    fan_in = 5 * 5 * 96
    assert weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert not build("nin").get_submodule("mlpconv2.conv").bias.any()


def test_weights_depend_only_on_the_seed_and_the_random_state_does_not_change() -> None:
    before = torch.random.get_rng_state()
    first, same, other = build(headed(), seed=3), build(headed(), seed=3), build(headed(), seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    for key, value in first.state_dict().items():
        assert torch.equal(value, same.state_dict()[key])
    assert not torch.equal(first.stem.conv.weight, other.stem.conv.weight)


def test_training_gives_a_named_tuple_and_evaluation_the_main_output() -> None:
    net = build(headed())
    x = torch.randn(2, 3, 8, 8)
    assert net.training
    assert net(x)._fields == ("output", "aux")
    assert net.eval()(x).shape == (2, 3)
    assert net.train()(x).aux.shape == (2, 3)


def test_training_only_layers_do_not_run_in_evaluation() -> None:
    net = build(headed()).eval()
    net.get_submodule("aux").forward = None  # calling it would raise
    net(torch.randn(2, 3, 8, 8))


def test_a_replaced_layer_is_replaced_in_both_modes() -> None:
    net = build(headed())
    net.linear = nn.Linear(8, 7)
    x = torch.randn(2, 3, 8, 8)
    assert net.train()(x).output.shape == (2, 7)
    assert net.eval()(x).shape == (2, 7)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_its_own_weights_and_the_same_outputs(copied) -> None:
    net, x = build(headed()).eval(), torch.randn(2, 3, 8, 8)
    other = copied(net)
    expected = net(x)
    assert torch.equal(other(x), expected)
    with torch.no_grad():
        net.linear.weight.zero_()
    assert torch.equal(other(x), expected)
    assert not other.training


def test_a_state_saved_and_loaded_gives_the_same_outputs() -> None:
    net, x = build(headed(), seed=1), torch.randn(2, 3, 8, 8)
    net(x)  # updates the running statistics, which are saved too
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = build(headed(), seed=2)
    other.load_state_dict(torch.load(file))
    assert torch.equal(other.eval()(x), net.eval()(x))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile_has_no_graph_break_and_follows_the_mode(backend: str) -> None:
    net, x = build(headed()).eval(), torch.randn(2, 3, 8, 8)
    compiled = torch.compile(net, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(x), net(x))
    assert net.train()(x)._fields == ("output", "aux")
    assert compiled(x)._fields == ("output", "aux")
    torch.testing.assert_close(net.eval()(x), compiled(x))


def test_torch_export_works_in_both_modes() -> None:
    net, x = build(headed()).eval(), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), net(x))
    exported = torch.export.export(net.train(), (x,)).module()
    assert [tuple(result.shape) for result in exported(x)] == [(2, 3), (2, 3)]


def test_a_graph_module_of_one_mode_shares_the_layers() -> None:
    net, x = build(headed()).eval(), torch.randn(2, 3, 8, 8)
    path = net.graph_module()
    assert isinstance(path, torch.fx.GraphModule)
    assert path.get_submodule("stem.conv") is net.stem.conv
    torch.testing.assert_close(path(x), net(x))


def test_gradients_reach_every_weight_in_training() -> None:
    net = build(headed())
    sum(result.sum() for result in net(torch.randn(2, 3, 8, 8))).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_several_inputs_come_in_the_order_of_their_declaration() -> None:
    graph = one(lambda a, b: ops.matmul(a, b), (2, 3, 4), (2, 4, 5))
    a, b = values(graph)
    torch.testing.assert_close(build(graph)(a, b), a @ b)


def test_a_name_takes_an_input_and_options() -> None:
    net = build("nin", "48x48x3", options={"num_classes": 7}, device="meta")
    assert net(torch.empty(1, 3, 48, 48, device="meta")).shape == (1, 7)


def test_a_graph_takes_no_options() -> None:
    with pytest.raises(UsageError, match="a Graph has its own"):
        build(headed(), options={"num_classes": 7})


def test_an_unknown_name_is_refused_with_near_matches() -> None:
    with pytest.raises(UnknownModelError, match="did you mean nin"):
        build("ninn")


def test_an_operator_that_cannot_be_declared_is_refused_by_name() -> None:
    value = Value((1, 3), "float32", 0)
    nodes = (
        Node("input", "input", (), (value,), Attributes()),
        Node("fft", "fft", (value,), (Value((1, 3), "complex64", 1),), Attributes()),
    )
    with pytest.raises(UsageError, match="declared networks have no operator fft"):
        build(Graph("traced", nodes, {"output": nodes[1].output}))


@pytest.mark.parametrize("name", ["half", "train", "forward", "class", "in.relu"])
def test_a_node_named_like_a_keyword_or_a_module_attribute_is_refused(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"part of the name {name} is a Python keyword or an attribute"
    ):
        build(one(lambda x: ops.relu(x, name=name), (1, 3)))


def test_names_of_torch_models_and_of_declared_networks_in_files_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from archcalc import architecture, ops\n"
        "from torch import nn\n\n"
        "@architecture('mine', input='8x8x3', source='Nobody 2026.')\n"
        "def mine(x, *, width: int = 4):\n    return ops.conv2d(x, width, 3, name='conv')\n\n"
        "class Net(nn.Conv2d):\n"
        "    def __init__(self, width=4):\n        super().__init__(3, width, 3)\n"
    )
    assert archcalc.build("./net.py:mine", width=6).get_submodule("conv").weight.shape[0] == 6
    before = torch.random.get_rng_state()
    one, two, other = (archcalc.build("./net.py:Net,width=5", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.weight.shape == (5, 3, 3, 3)
    assert torch.equal(one.weight, two.weight)
    assert not torch.equal(one.weight, other.weight)
    assert build("net.py:Net", device="meta").weight.is_meta
    with pytest.raises(UsageError, match=r"net\.py:Net is a torch model, which is built without"):
        archcalc.build("net.py:Net", "8x8x3")
