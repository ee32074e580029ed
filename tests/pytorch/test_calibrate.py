"""A whole calibration on tiny networks, and its parts separately."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import archcalc
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.analysis.prediction.features import NAMES, calls
from archcalc.analysis.prediction.predict import predict
from archcalc.analysis.profile import profile
from archcalc.graph import Graph
from archcalc.io import calibrations
from archcalc.ops import TABLE
from archcalc.pytorch.bench.devices import Cpu, threads
from archcalc.pytorch.build import Network, build
from archcalc.pytorch.calibrate import calibrate
from archcalc.pytorch.calibrate.design import IN_PLACE, LARGEST, networks
from archcalc.pytorch.calibrate.fit import conformal, fit, plane, trees
from archcalc.pytorch.calibrate.timing import Timed, time_networks, undisturbed, with_noise
from tests.analysis.calibrations import calibration

pytestmark = pytest.mark.long


def tiny(count: int) -> list[Graph]:
    """Return the design's first networks that run fast."""
    small = (graph for graph in networks(400, seed=1) if profile(graph).macs < 2e7)
    return list(islice(small, count))


@pytest.fixture(scope="module")
def made() -> Calibration:
    """Calibrate for a second or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHCALC_CACHE", "off")
        patch.setattr("archcalc.pytorch.bench.ceilings.SIZES", (256,))
        patch.setattr("archcalc.pytorch.bench.ceilings.LEAST", 0.001)
        patch.setattr("archcalc.pytorch.bench.ceilings.LARGEST_COPY", 2**22)
        patch.setattr("archcalc.pytorch.calibrate.fit.MEDIAN", {"n_estimators": 20, "max_depth": 3})
        patch.setattr("archcalc.pytorch.calibrate.timing.SHARE", 0.01)
        return calibrate(seconds=0.5, threads=1, graphs=tiny(14))


def test_the_design_is_the_same_for_the_same_seed_and_has_no_network_twice() -> None:
    first, again = list(networks(24)), list(networks(24))
    assert first == again
    assert len({str(graph.nodes) for graph in first}) == 24
    assert list(networks(24, seed=3)) != first
    assert all(profile(graph).macs <= LARGEST for graph in first)


def test_the_design_has_every_kind_of_operator_that_networks_use() -> None:
    kinds = {call.kind for graph in networks(64) for call in calls(graph)}
    used = {call.kind for name in ("googlenet", "vit-b-16") for call in calls(archcalc.graph(name))}
    assert used <= kinds
    assert {"reduction", "elementwise"} <= kinds


def test_the_design_has_large_convolutions_and_large_outputs() -> None:
    found = list(networks(40))
    macs = [TABLE[node.op].cost(node).macs for graph in found for node in graph if node.weights]
    assert sum(each >= 1e9 for each in macs) >= 5
    nbytes = [value.nbytes for graph in found for node in graph for value in node.outputs]
    assert sum(each > 2**25 for each in nbytes) >= 5


def test_no_softmax_of_the_design_has_subnormal_numbers() -> None:
    # A product with subnormal numbers takes ten times as long as any network in use.
    graphs = [
        graph
        for graph in networks(60)
        if any(node.op == "softmax" for node in graph) and profile(graph).macs < 5e8
    ]
    assert len(graphs) >= 3
    tiny = torch.finfo(torch.float32).tiny
    seen: list[int] = []

    def look(layer: object, given: object, output: torch.Tensor) -> None:
        seen.append(int(((output > 0) & (output < tiny)).sum()))

    for graph in graphs:
        network = with_noise(Network(graph)).eval()
        for layer in network.modules():
            if isinstance(layer, torch.nn.Softmax):
                layer.register_forward_hook(look)
        with torch.no_grad():
            network(torch.randn(graph.inputs[0].output.shape))
    assert len(seen) >= 3
    assert not any(seen)


def test_in_place_activations_give_the_same_outputs() -> None:
    graph = next(
        each for each in networks(64) if any(node.attrs.get("inplace") for node in each.nodes)
    )
    assert {node.op for node in graph if node.attrs.get("inplace")} <= set(IN_PLACE)
    network = build(graph, seed=0).eval()
    x = torch.randn(graph.inputs[0].output.shape)
    kept = x.clone()
    with torch.no_grad():
        first = network(x)
        for layer in network.modules():
            if getattr(layer, "inplace", False):
                layer.inplace = False
        torch.testing.assert_close(network(x), first)
    assert torch.equal(x, kept)  # no layer may overwrite the network's input


def test_every_call_of_a_network_gets_a_time() -> None:
    (found,) = time_networks(tiny(1), "float32", False, Cpu(), 0.01)
    assert len(found.seconds) == len(found.calls)
    assert min(found.seconds) > 0
    assert found.whole > 0


def test_a_network_without_a_kernel_in_this_dtype_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr("archcalc.pytorch.calibrate.timing.walk", refuse)
    assert time_networks(tiny(2), "float32", False, Cpu(), 0.01) == []


def test_slow_calls_are_excluded_from_the_mean() -> None:
    assert undisturbed([1.0, 9.0, 1.0, 9.0]) == 1.0
    assert undisturbed([2.0]) == 2.0


def test_a_pass_is_fitted_by_an_overhead_a_time_per_call_and_a_scale() -> None:
    sums = np.array([1.0, 2.0, 4.0, 8.0, 3.0])
    count = np.array([10.0, 20.0, 10.0, 5.0, 40.0])
    found = plane(sums, count, 0.5 + 0.01 * count + 1.1 * sums)
    assert found == pytest.approx((0.5, 0.01, 1.1))


def test_too_little_data_gives_only_a_scale() -> None:
    sums, count = np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.0, 3.0])
    overhead, per_call, scale = plane(sums, count, 5 * sums)  # a factor of 5 is not overhead
    assert (overhead, per_call, scale) == (0.0, 0.0, 5.0)


def test_conformal_bounds_hold_for_new_draws() -> None:
    random = np.random.default_rng(0)
    held = [float(random.normal()) <= conformal(random.normal(size=99)) for _ in range(2000)]
    assert 0.93 <= np.mean(held) <= 0.97  # 95 % on one side


def test_plain_trees_predict_the_same_as_scikit_learn() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 4))
    model = GradientBoostingRegressor(n_estimators=30, max_depth=4, random_state=0)
    model.fit(rows, rows[:, 0] * rows[:, 1])
    plain = trees(model)
    assert plain.is_sound(4)
    np.testing.assert_allclose(plain.evaluate(rows), model.predict(rows), atol=1e-3)


def test_intervals_cover_networks_outside_the_fit() -> None:
    """Generate times by a law with 20 % noise, which the untuned interval must cover."""
    random = np.random.default_rng(0)
    top = calibration().ceilings
    timed = []
    for graph in networks(90, seed=5):
        found = calls(graph)
        own = float(np.exp(0.2 * random.normal()))
        seconds = tuple(own * 3 * (call.flops / 1e9 + call.nbytes / 1e9 + 1e-6) for call in found)
        timed.append(Timed(graph, found, seconds, sum(seconds)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archcalc.pytorch.calibrate.fit.MEDIAN", {"n_estimators": 10, "max_depth": 2})
        kinds, network = fit(timed[:60], top)
    learnt = calibration(kinds=kinds, network=network)
    held = [
        found.low <= each.whole <= found.high
        for each in timed[60:]
        for found in [predict(each.graph, learnt)]
    ]
    assert np.mean(held) >= 0.8


def test_a_calibration_predicts_the_networks_that_it_timed(made: Calibration) -> None:
    assert made.setting.threads == 1
    assert made.features == NAMES
    graph = tiny(1)[0]
    with threads(1):  # timed by the thread's own clock, which excludes other work
        (timed,) = time_networks([graph], "float32", False, Cpu(time.thread_time), 0.05)
    found = predict(graph, made)
    # Only the order of magnitude, because the models are tiny.
    assert timed.whole / 5 < found.seconds < timed.whole * 5
    assert found.low < found.seconds < found.high


def test_a_calibration_is_equal_after_saving_and_loading(made: Calibration, tmp_path: Path) -> None:
    path = calibrations.save(made, str(tmp_path / "cpu.json"))
    again = calibrations.load(path)
    assert predict(archcalc.graph("nin"), again) == predict(archcalc.graph("nin"), made)
    assert str(again) == str(made)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("calibrate --dtype int8", "unknown dtype 'int8'"),
        ("calibrate --time 0", "time 0 is out of range; give more than 0"),
        ("calibrate --threads none", "'none' is not a number above 0"),
        ("calibrate --device cuda:x", "unknown device 'cuda:x'"),
        ("calibrate --save cpu.txt", "write cpu.txt.json"),
        ("calibrate --save cpu.json --dtype float32,bfloat16", "there are 2 settings"),
    ],
)
def test_a_wrong_calibration_is_refused(cli, line: str, sentence: str, tmp_path: Path) -> None:
    save = "" if "--save" in line else f" --save {tmp_path / 'cpu.json'}"
    code, out, err = cli(line + save)
    assert code == 2
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1


def test_a_calibration_without_a_file_is_refused_before_measuring(cli) -> None:
    code, _, err = cli("calibrate --time 1000")  # the cache is off in tests
    assert code == 2
    assert "name a file with --save" in err
