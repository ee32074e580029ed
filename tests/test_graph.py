"""The Graph and its records."""

from __future__ import annotations

import copy
import pickle

import pytest

from archcalc import ops
from archcalc.graph import Attributes, Builder, Graph, Value, Weight, numel, times
from archcalc.lookup.registry import find


def network() -> Graph:
    builder = Builder()
    x = builder.input((2, 3, 8, 8))
    with x.scope("block"):
        y = ops.relu(ops.conv2d(x, 4, 3))
        with x.scope("inner"):
            y = ops.conv2d(y, 5, 1)
    head = ops.flatten(y.in_training_only(), name="head")
    return builder.finish("net", {"output": y, "aux": head})


def test_nodes_are_in_execution_order() -> None:
    assert [node.name for node in network()] == [
        "input",
        "block.conv",
        "block.relu",
        "block.inner.conv",
        "head",
    ]


def test_a_node_knows_its_weights_by_full_name() -> None:
    node = network()["block.inner.conv"]
    assert node.weights == (
        Weight("block.inner.conv.weight", (5, 4, 1, 1)),
        Weight("block.inner.conv.bias", (5,)),
    )
    assert node.params == 5 * 4 + 5


def test_a_node_knows_which_node_made_each_of_its_inputs() -> None:
    graph = network()
    (value,) = graph["block.relu"].inputs
    assert graph.nodes[value.source].name == "block.conv"
    assert value == Value((2, 4, 6, 6), "float32", 1)


def test_values_and_weights_know_their_bytes() -> None:
    value = Value((2, 3, 8, 8), "float16", 0)
    assert (value.numel, value.nbytes) == (2 * 3 * 8 * 8, 2 * 2 * 3 * 8 * 8)
    weight = Weight("w", (4, 3), "float64")
    assert (weight.numel, weight.nbytes) == (12, 96)


def test_a_repeated_name_is_numbered_from_two() -> None:
    builder = Builder()
    x = builder.input((1, 3, 8, 8))
    for _ in range(3):
        x = ops.relu(x)
    with x.scope("relu_block"):
        ops.relu(x)
    assert [node.name for node in builder.nodes[1:]] == [
        "relu",
        "relu_2",
        "relu_3",
        "relu_block.relu",
    ]


@pytest.mark.parametrize("order", [("conv", "conv", "conv_2"), ("conv_2", "conv", "conv")])
def test_a_number_given_by_hand_is_not_reused(order: tuple[str, ...]) -> None:
    builder = Builder()
    x = builder.input((1, 3, 8, 8))
    for name in order:
        x = ops.conv2d(x, 3, 1, name=name)
    graph = builder.finish("net", {"output": x})
    assert len({node.name for node in graph}) == 4
    assert sum(weight.numel for weight in graph.weights) == 3 * (3 * 3 + 3)


def test_a_node_named_like_the_input_is_renamed() -> None:
    builder = Builder()
    ops.relu(builder.input((1, 3, 8, 8)), name="input")
    assert len({node.name for node in builder.nodes}) == 2


def test_a_scope_ends_with_its_block_even_after_an_error() -> None:
    x = Builder().input((1, 3, 2, 2))
    with pytest.raises(ValueError, match="window"), x.scope("a"), x.scope("b"):
        ops.conv2d(x, 1, 5)
    assert ops.relu(x).builder.nodes[-1].name == "relu"


def test_an_empty_scope_adds_nothing_to_the_names() -> None:
    x = Builder().input((1, 3, 2, 2))
    with x.scope("a"), x.scope(""):
        ops.relu(x)
    assert x.builder.nodes[-1].name == "a.relu"


def test_a_handle_shows_its_channels_and_shape() -> None:
    x = Builder().input((2, 192, 28, 28))
    assert (x.channels, x.shape) == (192, (2, 192, 28, 28))
    assert repr(x) == "<Handle 2×192×28×28>"


def test_nodes_after_a_training_only_tensor_are_training_only() -> None:
    graph = network()
    assert [node.name for node in graph if node.training_only] == ["head"]
    assert graph.executed == graph.nodes[:-1]
    assert graph.train().executed == graph.nodes


def test_one_training_only_input_is_enough() -> None:
    builder = Builder()
    x = builder.input((1, 3, 8, 8))
    both = ops.add(x, ops.relu(x.in_training_only()))
    assert both.training_only
    assert [node.training_only for node in builder.nodes] == [False, True, True]


def test_training_and_evaluation_are_two_views_of_the_same_nodes() -> None:
    graph = network()
    assert graph.train().eval() == graph
    assert graph.eval() is graph
    assert graph.train().nodes is graph.nodes


def test_the_main_output_comes_first() -> None:
    graph = network()
    assert graph.output.shape == (2, 5, 6, 6)
    assert list(graph.outputs) == ["output", "aux"]


def test_weights_are_counted_once_however_many_nodes_share_them() -> None:
    graph = network()
    twice = Graph("shared", (*graph.nodes, *graph.nodes), graph.outputs)
    assert twice.weights == graph.weights


def test_weights_that_no_node_reads_are_still_counted() -> None:
    graph = network()
    lone = Weight("lone", (7,))
    assert Graph("net", graph.nodes, graph.outputs, unused=(lone,)).weights == (
        *graph.weights,
        lone,
    )


def test_a_graph_has_names_a_length_and_iteration() -> None:
    graph = network()
    assert graph["block.relu"] is graph.nodes[2]
    assert len(graph) == len(list(graph)) == 5
    with pytest.raises(KeyError):
        graph["nothing"]


def test_a_graph_prints_on_one_line() -> None:
    assert repr(network()) == "<Graph net: 2×3×8×8 -> 2×5×6×6, 5 nodes>"
    assert repr(Graph("empty", (), {})) == "<Graph empty:  -> nothing, 0 nodes>"


def test_a_graph_cannot_be_changed() -> None:
    graph = network()
    with pytest.raises(AttributeError):
        graph.name = "other"  # type: ignore[misc]  # must fail
    with pytest.raises(AttributeError):
        graph.nodes[1].name = "other"  # type: ignore[misc]  # must fail


@pytest.mark.parametrize(
    "change",
    [
        lambda attrs: attrs.__setitem__("groups", 2),
        lambda attrs: attrs.update(groups=2),
        lambda attrs: attrs.pop("groups"),
        lambda attrs: attrs.clear(),
        lambda attrs: attrs.setdefault("bias", True),
        lambda attrs: attrs.popitem(),
        lambda attrs: attrs.__ior__({"groups": 2}),
    ],
)
def test_attributes_are_read_only(change: object) -> None:
    attrs = Attributes({"groups": 1})
    assert callable(change)
    with pytest.raises(TypeError, match="a node's attributes are read-only"):
        change(attrs)
    assert attrs == {"groups": 1}


@pytest.mark.parametrize("name", ["nin", "googlenet"])
def test_a_graph_can_be_copied_and_pickled(name: str) -> None:
    graph = find(name).graph()
    assert copy.deepcopy(graph) == graph
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_a_scalar_has_one_element() -> None:
    assert numel(()) == 1
    assert times(()) == "scalar"
    assert times((28, 28, 192)) == "28×28×192"
