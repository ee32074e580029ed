import pytest

import archcalc
from archcalc import ops
from archcalc.analysis.memory import memory
from archcalc.analysis.profile import Profile, profile
from archcalc.errors import UsageError
from archcalc.graph import Builder, Graph, Handle
from archcalc.lookup.registry import find
from archcalc.ops.operator import Cost
from archcalc.training_step import OPTIMIZERS, training_step


def declared(function, *shapes: tuple[int, ...]) -> Graph:
    builder = Builder()
    outputs = function(*(builder.input(shape) for shape in shapes))
    return builder.finish("net", {"output": outputs} if isinstance(outputs, Handle) else outputs)


def phases(graph: Graph) -> dict[str, Cost]:
    return {phase.name: phase.cost for phase in profile(graph).by_phase}


def two_convolutions(x: Handle) -> Handle:
    return ops.conv2d(ops.conv2d(x, 8, 3, padding=1, name="first"), 4, 1, name="second")


def test_a_convolution_costs_its_forward_once_for_the_weight_and_once_for_the_input() -> None:
    first, second = (8 * 8 * 8) * (3 * 3 * 3), (8 * 8 * 4) * (1 * 1 * 8)
    found = phases(training_step(declared(two_convolutions, (1, 3, 8, 8))))
    assert found["forward"].macs == first + second
    # The image needs no gradient.
    assert found["backward"].macs == first + 2 * second
    assert found["backward"].bias == 8 * 8 * 8 + 8 * 8 * 4


def test_a_value_that_is_used_twice_adds_up_its_gradients() -> None:
    def net(x: Handle) -> Handle:
        y = ops.conv2d(x, 4, 1)
        return ops.add(y, ops.relu(y))

    found = phases(training_step(declared(net, (1, 3, 5, 5))))
    assert found["backward"].elementwise == 4 * 5 * 5
    assert found["backward"].activation == 4 * 5 * 5


def test_the_gradient_of_a_broadcast_is_summed() -> None:
    def net(x: Handle) -> Handle:
        y = ops.conv2d(x, 4, 1)
        return ops.mul(y, ops.parameter(y, (4, 1, 1), name="scale"))

    step = training_step(declared(net, (2, 3, 5, 5)))
    values = 2 * 4 * 5 * 5
    assert phases(step)["backward"].elementwise == 2 * values
    assert phases(step)["backward"].reduction == values
    (total,) = [node for node in step if node.op == "sum"]
    assert total.output.shape == (1, 4, 1, 1)


def test_a_linear_layer_sums_its_bias_over_the_rows() -> None:
    rows, features, width = 2 * 7, 5, 3
    found = phases(training_step(declared(lambda x: ops.linear(x, width), (2, 7, features))))
    assert found["backward"].macs == rows * features * width
    assert found["backward"].reduction == rows * width


def test_normalisation_in_front_of_all_weights_has_no_gradient_of_its_input() -> None:
    def net(x: Handle) -> Handle:
        return ops.batch_norm(ops.batch_norm(x, name="first"), name="second")

    values = 2 * 3 * 4 * 4
    found = phases(training_step(declared(net, (2, 3, 4, 4))))
    assert found["backward"].norm == (5 + 9) * values


def test_gradients_start_from_every_output() -> None:
    step = training_step(find("googlenet").graph())
    heads = {node.name.split(".")[0] for node in step if node.phase == "backward"}
    assert {"aux1", "aux2", "linear"} <= heads
    once = training_step(find("googlenet").graph(options={"aux": "false"}))
    assert phases(once)["backward"].macs < phases(step)["backward"].macs


@pytest.mark.parametrize(
    ("optimizer", "each"),
    [
        ("sgd", 2),  # times the learning rate, subtract
        ("sgd-momentum", 2 + 2),  # decay, add the gradient
        ("sgd-nesterov", 2 + 2 + 2),  # look ahead
        ("adam", 3 + 1 + 3 + 1 + 1 + 1 + 3),  # average, decay, square, root, divide, eps, update
        ("adamw", 13 + 1),  # decay of the weight
        ("rmsprop", 1 + 3 + 1 + 1 + 3),
        ("adagrad", 3 + 1 + 1 + 3),
    ],
)
def test_an_optimizer_has_the_expected_operations_per_parameter(optimizer: str, each: int) -> None:
    step = training_step(find("nin").graph(), optimizer)
    counters = 0 if optimizer.startswith("sgd") else len(step.weights)  # each counts its steps
    assert phases(step)["optimizer"] == Cost(elementwise=each * 966_986 + counters)


def test_every_optimizer_is_in_the_table_above() -> None:
    marks = test_an_optimizer_has_the_expected_operations_per_parameter.pytestmark
    assert {name for name, _ in marks[0].args[1]} == set(OPTIMIZERS)


def test_the_states_of_an_optimizer_are_separate_nodes() -> None:
    step = training_step(find("nin").graph(), "adam")
    states = [node for node in step if node.phase == "optimizer" and node.op == "constant"]
    assert sum(node.output.nbytes for node in states) == 4 * (2 * 966_986 + len(step.weights))


def test_evaluation_of_a_step_is_the_forward_pass_of_evaluation() -> None:
    graph = find("googlenet").graph()
    step = training_step(graph, "adam")
    assert step.training
    assert step.eval().executed == graph.executed
    assert profile(step.eval()).cost == profile(graph).cost
    assert memory(step) == memory(graph)


def test_a_network_without_parameters_has_no_backward_pass() -> None:
    step = training_step(declared(ops.relu, (1, 3, 4, 4)), "adam")
    assert [phase.name for phase in profile(step).by_phase] == ["forward"]
    assert step.notes == ("no parameter needs a gradient, so there is no backward pass",)


def test_an_operator_without_a_rule_is_named() -> None:
    def net(x: Handle) -> Handle:
        return ops.TABLE["elu"].apply(ops.conv2d(x, 4, 1), name="block.elu")

    with pytest.raises(
        UsageError,
        match=r"the backward pass of block\.elu is unknown: elu has no backward rule",
    ):
        training_step(declared(net, (1, 3, 4, 4)))


def test_names_give_whole_training_steps() -> None:
    step = archcalc.graph("nin", training=True, optimizer="adam").profile()
    assert [phase.name for phase in step.by_phase] == ["forward", "backward", "optimizer"]
    forward, backward, _ = step.by_phase
    assert (forward.macs, backward.macs) == (222_486_528, 2 * 222_486_528 - 14_745_600)
    assert archcalc.compare(["nin"], training=True, optimizer="adam").profiles[0].cost == step.cost
    assert not archcalc.graph("nin").training


def test_the_output_of_a_module_is_that_of_its_forward_pass() -> None:
    step: Profile = archcalc.graph("nin", training=True).profile()
    outputs = {module.name: module.output for module in step.modules(1)}
    assert outputs["mlpconv1"] == (1, 96, 32, 32)


@pytest.mark.parametrize(
    ("training", "optimizer", "said"),
    [
        (False, "adam", "--optimizer needs --train; give both"),
        (True, "adma", "unknown optimizer 'adma': one of sgd, sgd-momentum,"),
    ],
)
def test_an_optimizer_needs_a_training_step_and_a_known_name(
    training: bool, optimizer: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        archcalc.graph("nin", training=training, optimizer=optimizer)
