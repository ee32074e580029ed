"""Training steps counted by rules agree with what autograd and torch's optimizers dispatch."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archcalc import ops
from archcalc.graph import Builder, Graph, Handle
from archcalc.lookup import registry
from archcalc.ops import TABLE
from archcalc.pytorch.layers import TORCH
from archcalc.pytorch.trace import training
from archcalc.training_step import OPTIMIZERS, training_step
from tests.pytorch import registered
from tests.pytorch.operators import CASES
from tests.pytorch.random_architectures import graphs, modes, same_training_step

RANDOM = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("name", registered.NAMES)
@pytest.mark.parametrize("optimizer", ["", "adam"])
def test_declared_steps_equal_traced_steps_on_every_registered_model(
    name: str, optimizer: str
) -> None:
    same_training_step(registry.find(name).graph(batch=2), optimizer)


@given(graphs(), st.sampled_from([*OPTIMIZERS]))
@RANDOM
def test_declared_steps_equal_traced_steps_on_random_architectures(
    graph: Graph, optimizer: str
) -> None:
    if True in modes(graph):
        same_training_step(graph, optimizer)


def behind_weights(function: Callable[..., Handle], *given: object) -> Graph:
    """Declare the operator with inputs that depend on weights, so that each has a gradient."""
    shapes = [shape for shape in given if isinstance(shape, tuple)]
    (dtype,) = [text for text in given if isinstance(text, str)] or ["float32"]
    builder = Builder()
    inputs = [builder.input(shape, f"x{i}", dtype) for i, shape in enumerate(shapes)]
    if dtype == "float32":
        inputs = [
            ops.mul(x, ops.parameter(x, (1,), name=f"p{i}"), name=f"scaled{i}")
            for i, x in enumerate(inputs)
        ]
    return builder.finish("net", {"output": function(*inputs)})


@pytest.mark.parametrize("name", CASES)
def test_declared_steps_equal_traced_steps_on_every_operator(name: str) -> None:
    same_training_step(behind_weights(*CASES[name]), "sgd")


def vectors(rows: int) -> Callable[[Handle], Handle]:
    return lambda x: ops.reshape(ops.slice(ops.reshape(x, (-1, rows)), 0, 0, 1), (rows,))


def longer(x: Handle) -> Handle:
    return ops.concat([x, x], 2)


IMAGE = (2, 4, 6, 6)
BY_HAND: dict[str, Callable[[Handle], Handle]] = {
    "a vector times a matrix": lambda x: ops.matmul(vectors(24)(x), ops.reshape(x, (24, 12))),
    "a matrix times a vector": lambda x: ops.matmul(ops.reshape(x, (12, 24)), vectors(24)(x)),
    "two vectors": lambda x: ops.matmul(vectors(6)(x), vectors(6)(x)),
    "matrices times a vector": lambda x: ops.matmul(x, vectors(6)(x)),
    "a vector times matrices": lambda x: ops.matmul(vectors(6)(x), x),
    "matrices times a matrix": lambda x: ops.matmul(x, ops.reshape(x, (6, 48))),
    "a matrix times matrices": lambda x: ops.matmul(ops.reshape(x, (48, 6)), x),
    "matrices of one image times those of each": lambda x: ops.matmul(ops.slice(x, 0, 0, 1), x),
    "a linear layer of a vector": lambda x: ops.linear(ops.reshape(x, (288,)), 5),
    "a sum that grows": lambda x: ops.add(*[ops.adaptive_avg_pool2d(x)] * 2, x),
    "a product that grows": lambda x: ops.mul(*[ops.adaptive_avg_pool2d(x)] * 2, x),
    "three factors": lambda x: ops.mul(x, ops.relu(x), ops.adaptive_avg_pool2d(x)),
    "the square": lambda x: ops.mul(x, x),
    "fewer dimensions": lambda x: ops.add(x, ops.reshape(ops.slice(x, 0, 0, 1), (4, 6, 6))),
    "a quotient by what is broadcast": lambda x: ops.div(x, ops.adaptive_avg_pool2d(x)),
    "a class token": lambda x: ops.concat(
        [ops.expand(ops.parameter(x, (1, 4, 6, 6), name="token"), x), x]
    ),
    "dropout of nothing": lambda x: ops.dropout(x, 0.0),
    "dropout of everything": lambda x: ops.dropout(x, 1.0),
    "reflected borders": lambda x: ops.pad(x, (1, 1, 1, 1), "reflect"),
    "repeated borders": lambda x: ops.pad(x, (1, 1, 1, 1), "replicate"),
    "cross-attention": lambda x: ops.scaled_dot_product_attention(
        ops.linear(x, 5), ops.linear(longer(x), 5), ops.linear(longer(x), 7)
    ),
    "one head of keys for all": lambda x: ops.scaled_dot_product_attention(
        x, ops.slice(x, 1, 0, 1), x
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_declared_steps_equal_traced_steps_on_unusual_shapes(name: str) -> None:
    same_training_step(behind_weights(BY_HAND[name], IMAGE), "sgd")


def test_two_outputs_of_one_value_give_it_two_gradients() -> None:
    builder = Builder()
    y = ops.conv2d(builder.input(IMAGE), 4, 1)
    same_training_step(builder.finish("net", {"a": y, "b": ops.relu(y), "c": y}), "sgd")


def test_every_operator_with_a_backward_rule_can_be_declared_and_built() -> None:
    assert {name for name, row in TABLE.items() if row.backward is not None} == {*TORCH}


def test_the_optimizers_have_the_same_names() -> None:
    assert set(OPTIMIZERS) == set(training.OPTIMIZERS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_state_of_an_optimizer_has_torchs_size(optimizer: str) -> None:
    """Compare with the size of ``optimizer.state`` after the first step."""
    parameter = torch.nn.Parameter(torch.ones(5, 3))
    parameter.grad = torch.ones(5, 3)
    running = training.OPTIMIZERS[optimizer]([parameter])
    running.step()
    kept = [each for each in running.state[parameter].values() if isinstance(each, torch.Tensor)]

    builder = Builder()
    graph = builder.finish("net", {"y": ops.linear(builder.input((2, 3)), 5, bias=False)})
    states = [node for node in training_step(graph, optimizer) if node.op == "constant"]
    assert sorted(math.prod(node.output.shape) for node in states) == sorted(
        each.numel() for each in kept
    )
