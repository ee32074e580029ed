"""Every hard case gives the same integer in every kind of run."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from archcalc.graph import Graph
from archcalc.ops import TABLE
from archcalc.pytorch.trace import trace

CASES = runpy.run_path(str(Path(__file__).with_name("hard_cases.py")))["CASES"]


def macs(graph: Graph, phase: str = "forward") -> int:
    return sum(
        TABLE[node.op].cost(node, graph.training).macs
        for node in graph
        if node.op in TABLE and node.phase == phase
    )


@contextmanager
def gradients(mode: str) -> Iterator[None]:
    with {
        "grad": torch.enable_grad,
        "no_grad": torch.no_grad,
        "inference": torch.inference_mode,
    }[mode]():
        yield


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)


@every_case
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("built_on", ["cpu", "meta"])
def test_a_trace_has_the_expected_count(case: Any, training: bool, built_on: str) -> None:
    with torch.device(built_on):
        module = case.build().train(training)
    real = (lambda: case.build().train(training)) if built_on == "meta" else None
    graph = trace(module, *case.inputs, real=real, train=None, **case.kwargs)
    assert macs(graph) == case.macs
    total = sum(parameter.numel() for parameter in module.parameters())
    assert sum(weight.numel for weight in graph.weights) >= total
    if case.title != "layers in a plain list":
        assert sum(weight.numel for weight in graph.weights) == total
    assert all(node.op in TABLE for node in graph)


@every_case
@pytest.mark.parametrize("mode", ["grad", "no_grad", "inference"])
def test_the_callers_gradient_mode_changes_nothing(case: Any, mode: str) -> None:
    module = case.build().eval()
    with gradients(mode):
        assert macs(trace(module, *case.inputs, **case.kwargs)) == case.macs


@every_case
def test_asking_torch_for_every_shape_gives_the_same_graph(case: Any) -> None:
    module = case.build().eval()
    fast = trace(module, *case.inputs, **case.kwargs)
    exact = trace(module, *case.inputs, way="exact", **case.kwargs)
    assert fast.nodes == exact.nodes
    assert fast.outputs == exact.outputs


@every_case
def test_a_real_run_on_the_cpu_gives_the_same_nodes(case: Any) -> None:
    module = case.build().eval()
    fast = trace(module, *case.inputs, **case.kwargs)
    real = trace(module, *case.inputs, way="real", **case.kwargs)
    assert [(n.name, n.op, n.output) for n in fast] == [(n.name, n.op, n.output) for n in real]


@every_case
def test_counting_the_backward_pass_leaves_the_forward_count(case: Any) -> None:
    module = case.build().train()
    graph = trace(module, *case.inputs, train=True, optimizer="adam", **case.kwargs)
    assert macs(graph) == case.macs


@every_case
def test_a_run_without_handlers_agrees(case: Any) -> None:
    """Check runs without handlers, which record what torch dispatches below its decompositions."""
    module = case.build().eval()
    assert macs(trace(module, *case.inputs, way="dispatch", **case.kwargs)) == case.macs
