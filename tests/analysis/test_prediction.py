"""Predicted latencies: the arithmetic by hand, what widens an interval, what is refused."""

from __future__ import annotations

from math import exp, log, log2

import numpy as np
import pytest

import archcalc
from archcalc import ops
from archcalc.analysis.prediction.features import NAMES, calls
from archcalc.analysis.prediction.predict import predict
from archcalc.analysis.prediction.trees import Trees
from archcalc.graph import Attributes, Builder, Graph
from tests.analysis.calibrations import calibration, kind


def feature(graph: Graph, node: str, name: str) -> float:
    (call,) = (each for each in calls(graph) if each.name == node)
    return call.values[NAMES.index(name)]


def small() -> Graph:
    x = Builder().input((1, 4, 8, 8))
    y = ops.relu(ops.conv2d(x, 4, 3, padding=1, bias=False))
    return x.builder.finish("small", {"output": y})


def test_trees_add_what_their_leaves_say() -> None:
    # Two trees: feature 0 up to 0.5 gives 1 else 2; feature 1 up to 3 gives 10 else 20.
    trees = Trees(
        0.25, (0, 3), (0, -1, -1, 1, -1, -1), (0.5, 1, 2, 3, 10, 20), (1, 0, 0, 4, 0, 0),
        (2, 0, 0, 5, 0, 0),
    )  # fmt: skip
    rows = np.array([[0.5, 3.0], [0.6, 3.0], [0.0, 9.0]])
    assert trees.evaluate(rows).tolist() == [11.25, 12.25, 21.25]
    assert trees.is_sound(features=2)
    assert not trees.is_sound(features=1)


@pytest.mark.parametrize(
    ("left", "right"),
    [((0, 0, 0), (2, 0, 0)), ((1, 0, 0), (3, 0, 0)), ((1, 0), (2, 0, 0))],
    ids=["a cycle", "a child that is not there", "lists of different lengths"],
)
def test_trees_that_would_not_end_are_not_sound(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    assert not Trees(0.0, (0,), (0, -1, -1), (0.5, 1.0, 2.0), left, right).is_sound(1)


def test_a_network_takes_the_sum_of_its_calls() -> None:
    # The convolution: 2 FLOPs for each of 8·8·4·(3·3·4) multiply-adds, and 8·8·4 floats read, as
    # many written, 4·4·3·3 weights. relu: a comparison and a read and a write for each of 8·8·4.
    conv = 2 * 8 * 8 * 4 * 36 / 1e9 + 4 * (256 + 256 + 144) / 1e9 + 1e-6
    relu = 256 / 1e9 + 4 * 512 / 1e9 + 1e-6
    found = predict(small(), calibration())
    assert [node.seconds for node in found.nodes] == pytest.approx([conv, relu])
    assert found.seconds == pytest.approx(conv + relu)
    # Every call has a spread of 0.1, so the interval reaches 1.645 of them either way.
    assert log(found.high / found.seconds) == pytest.approx(0.1645)
    assert log(found.seconds / found.low) == pytest.approx(0.1645)
    assert found.lacks == ()


def test_a_kind_takes_as_many_times_its_least_time_as_its_trees_say() -> None:
    plain = predict(small(), calibration())
    kinds = {**calibration().kinds, "activation": kind("relu", ratio=log(3))}
    slower = predict(small(), calibration(kinds=kinds))
    assert slower.nodes[0] == plain.nodes[0]
    assert slower.nodes[1].seconds == pytest.approx(3 * plain.nodes[1].seconds)


def test_an_operator_that_was_not_timed_widens_the_interval_and_is_named() -> None:
    kinds = {**calibration().kinds, "activation": kind("gelu", "silu", ratio=0.5)}
    plain, found = predict(small(), calibration()), predict(small(), calibration(kinds=kinds))
    assert [(lack.op, lack.lacks, lack.calls) for lack in found.lacks] == [("relu", "operator", 1)]
    assert found.nodes[1].seconds == pytest.approx(exp(0.5) * plain.nodes[1].seconds)
    assert found.high / found.low > plain.high / plain.low


def test_a_kind_that_was_not_timed_is_named_too() -> None:
    kinds = {"conv": calibration().kinds["conv"]}
    found = predict(small(), calibration(kinds=kinds))
    assert [lack.op for lack in found.lacks] == ["relu"]
    assert found.nodes[1].spread >= 1  # a factor of five either way


def test_sizes_beyond_those_timed_widen_the_interval() -> None:
    kinds = {**calibration().kinds, "conv": kind("conv2d", most=10.0)}
    found = predict(small(), calibration(kinds=kinds))
    assert [(lack.op, lack.lacks) for lack in found.lacks] == [("conv2d", "size")]
    # 9,216 multiply-adds are 3.17 doublings above 2¹⁰ - 1.
    beyond = log2(1 + 9216) - 10
    assert found.nodes[0].spread == pytest.approx(0.1 + 0.15 * beyond)


def test_a_network_s_interval_is_never_narrower_than_two_runs_differ() -> None:
    kinds = {name: kind(*model.ops, spread=0.0) for name, model in calibration().kinds.items()}
    found = predict(small(), calibration(kinds=kinds))
    assert log(found.high / found.low) == pytest.approx(2 * 1.645 * 0.02)


def test_a_view_computes_and_moves_nothing() -> None:
    x = Builder().input((2, 3, 4, 4))
    graph = x.builder.finish("flat", {"output": ops.dropout(ops.flatten(x))})
    assert [(call.kind, call.flops, call.nbytes) for call in calls(graph)] == [("view", 0, 0)] * 2


def test_a_reshape_that_has_to_copy_is_no_view() -> None:
    x = Builder().input((2, 3, 4, 4))
    y = ops.reshape(ops.permute(x, (0, 2, 3, 1)), (2, 48))
    graph = x.builder.finish("turned", {"output": y})
    permute, reshape = calls(graph)
    assert (permute.kind, reshape.kind) == ("view", "movement")
    assert feature(graph, "reshape", "strided") == 1


def test_distances_are_the_bytes_moved_since_an_input_was_written() -> None:
    x = Builder().input((1, 4, 8, 8))
    a = ops.relu(x, name="a")
    b = ops.conv2d(a, 4, 1, bias=False, name="b")
    graph = x.builder.finish("skip", {"output": ops.add(b, ops.flatten(a, 0, 0), name="sum")})
    # Between a and the sum, b read 4·4 weights and wrote 8·8·4 floats; a view is as old as a.
    assert feature(graph, "sum", "least_distance") == 0
    assert feature(graph, "sum", "largest_distance") == log2(1 + 4 * (16 + 256))
    # Nobody knows where the network's input lies: a whole pass ago it was there.
    assert feature(graph, "a", "least_distance") == feature(graph, "a", "footprint")


def test_in_place_work_is_told_apart_and_is_not_a_view() -> None:
    graph = small()
    relu = graph.nodes[-1]._replace(attrs=Attributes(inplace=True))
    changed = Graph("small", (*graph.nodes[:-1], relu), graph.outputs, declared=True)
    assert [call.kind for call in calls(changed)] == ["conv", "activation"]
    assert feature(changed, "relu", "in_place") == 1


def test_every_registered_network_has_finite_features() -> None:
    for name in ("nin", "googlenet", "vit-b-16", "shufflenet-v2", "unet", "convnext-tiny"):
        for call in calls(archcalc.graph(name)):
            assert len(call.values) == len(NAMES)
            assert all(0 <= value < 64 for value in call.values)


def test_a_training_step_is_refused() -> None:
    with pytest.raises(archcalc.UsageError, match="cannot be predicted in training mode"):
        predict(archcalc.graph("nin", training=True), calibration())


def test_another_dtype_is_refused() -> None:
    with pytest.raises(archcalc.UsageError, match="not in float32, the dtype of the calibration"):
        predict(small().to("bfloat16"), calibration())


def test_a_batch_of_eight_takes_longer_than_one() -> None:
    one = archcalc.predict("nin", calibration())
    eight = archcalc.predict("nin", calibration(), batch=8)
    assert one.seconds < eight.seconds < 8 * one.seconds


def test_a_prediction_shows_itself() -> None:
    found = archcalc.predict("nin", calibration())
    assert repr(found).startswith("<Prediction nin: ")
    assert "90 % between" in str(found)
    assert found.rows()[0]["name"] == "mlpconv1.conv"
