"""Memory by liveness, worked by hand on small graphs."""

import archcalc
from archcalc.analysis.memory import memory, step
from archcalc.graph import Builder, Graph, Handle
from archcalc.ops import add, concat, conv2d, dropout, flatten, max_pool2d, relu
from archcalc.training_step import OPTIMIZERS

KB = 1024


def finish(x: Handle) -> Graph:
    return x.builder.finish("net", {"output": x})


def start() -> Handle:
    """16 channels of 4×4 float32: one kibibyte."""
    return Builder().input((1, 16, 4, 4))


def test_a_chain_keeps_what_it_reads_and_what_it_writes() -> None:
    reading = memory(finish(relu(relu(start()))))
    assert [row.live for row in reading.activations] == [1 * KB, 2 * KB, 2 * KB]
    assert reading.peak_bytes == 2 * KB
    assert reading.peak is not None
    assert reading.peak.name == "relu"


def test_a_residual_keeps_its_shortcut_alive() -> None:
    x = start()
    reading = memory(finish(add(relu(relu(x)), x)))
    # input, relu: 2; second relu: the input waits for the sum, so 3; sum: 3 with its own output.
    assert [row.live for row in reading.activations] == [1 * KB, 2 * KB, 3 * KB, 3 * KB]
    assert reading.peak is not None
    assert reading.peak.name == "relu_2"


def test_branches_wait_for_the_concatenation() -> None:
    x = start()
    reading = memory(finish(concat([relu(x), relu(x), relu(x)])))
    assert reading.peak_bytes == (3 + 3) * KB  # the input is gone: three branches and their copy
    assert [row.live // KB for row in reading.activations] == [1, 2, 3, 4, 6]


def test_views_and_dropout_in_evaluation_cost_nothing() -> None:
    reading = memory(finish(flatten(dropout(start()))))
    assert [row.nbytes for row in reading.activations] == [1 * KB, 0, 0]
    assert reading.peak_bytes == 1 * KB


def test_an_output_stays_alive_to_the_end() -> None:
    x = relu(start())
    builder = x.builder
    y = relu(relu(x))
    graph = builder.finish("net", {"main": y, "early": x})
    assert [row.live // KB for row in memory(graph).activations] == [1, 2, 2, 3]


def test_training_keeps_each_storage_once() -> None:
    x = relu(conv2d(start(), 16, 1))
    reading = memory(finish(conv2d(x, 16, 1)))
    # conv keeps its input, relu its output; the second conv's input is that very output.
    assert [(row.what, row.nbytes) for row in reading.saved] == [
        ("input", 1 * KB),
        ("output", 1 * KB),
        ("input", 0),
    ]
    assert reading.saved_bytes == 2 * KB


def test_a_max_pool_keeps_its_input_and_the_places_of_its_maxima_as_int64() -> None:
    reading = memory(finish(max_pool2d(conv2d(start(), 16, 1), 2)))
    assert reading.saved_bytes == (1 * KB) + (1 * KB + 8 * (16 * 2 * 2))


def test_dropout_keeps_its_mask_as_numbers_on_the_cpu_and_as_bytes_on_a_gpu() -> None:
    graph = finish(dropout(conv2d(start(), 16, 1)))
    assert memory(graph).saved_bytes == 1 * KB + 1 * KB
    assert memory(graph, device="cuda").saved_bytes == 1 * KB + 16 * 4 * 4


def test_dropout_of_nothing_keeps_nothing() -> None:
    assert memory(finish(dropout(conv2d(start(), 16, 1), p=0.0))).saved_bytes == 1 * KB


def test_the_caller_holds_the_input_in_eager_torch() -> None:
    reading = memory(finish(relu(relu(start()))))
    assert reading.eager == (1 * KB, 2 * KB, 3 * KB)
    assert reading.peak_bytes == 2 * KB  # an allocator could free the input


def test_a_max_pool_makes_places_in_inference_too() -> None:
    reading = memory(finish(max_pool2d(start(), 2)))
    outputs = 16 * 2 * 2
    assert reading.eager_peak_bytes == 1 * KB + 4 * outputs + 8 * outputs


def test_a_training_step_adds_up() -> None:
    weights = 4 * (16 * 16 + 16)
    found = memory(finish(relu(conv2d(start(), 16, 1))), optimizer="adam").step
    assert found is not None
    # Two numbers for each weight, and a counter for each of the two parameters.
    assert (found.weights, found.gradients) == (weights, weights)
    assert found.optimizer_state == 2 * weights + 2 * 4
    assert found.saved == 2 * KB  # the convolution's input and the result of the relu
    # At the convolution: input, output, the gradient behind the relu, and the weights' gradients.
    assert found.backward_peak == weights + found.optimizer_state + 3 * KB + weights
    # Input, output and gradients; Adam needs twice the largest parameter while it updates it.
    assert found.step_peak == 2 * weights + found.optimizer_state + 2 * KB + 2 * 4 * 16 * 16
    assert found.peak == max(found.forward_peak, found.backward_peak, found.step_peak)


def test_every_optimizer_that_is_counted_has_its_memory() -> None:
    states = {"average", "squares", "momentum"}
    assert {name: needs.state for name, needs in step.OPTIMIZERS.items()} == {
        name: len(states & {update.writes for update in updates})
        for name, updates in OPTIMIZERS.items()
    }


def test_nothing_is_kept_in_front_of_the_first_weights() -> None:
    assert memory(finish(relu(max_pool2d(start(), 2)))).saved_bytes == 0


def test_weights_are_four_bytes_each_and_heads_are_in() -> None:
    found = archcalc.graph("googlenet").profile()
    assert found.memory.weight_bytes == 4 * 13_378_280 == found.weight_bytes


def test_the_peak_of_nin_is_at_its_first_relu() -> None:
    reading = archcalc.graph("nin").profile().memory
    assert reading.peak is not None
    assert reading.peak.name == "mlpconv1.relu"
    assert reading.peak_bytes == 2 * (32 * 32 * 192) * 4


def test_twice_the_batch_is_twice_the_activations() -> None:
    one, two = (archcalc.graph("googlenet", batch=n).profile().memory for n in (1, 2))
    assert two.peak_bytes == 2 * one.peak_bytes
    assert two.saved_bytes == 2 * one.saved_bytes
    assert two.weight_bytes == one.weight_bytes
