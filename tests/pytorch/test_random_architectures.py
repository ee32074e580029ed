import pytest
import torch
from hypothesis import HealthCheck, find, given, settings

from archcalc import ops
from archcalc.graph import Graph
from archcalc.ops import TABLE
from archcalc.pytorch import crosscheck
from tests.pytorch import random_architectures
from tests.pytorch.random_architectures import check, graphs

RANDOM = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@settings(RANDOM, max_examples=200)
@given(graphs())
def test_declared_is_traced_is_flop_counter_mode_on_random_architectures(graph: Graph) -> None:
    check(graph)


@settings(RANDOM, max_examples=40)
@given(graphs())
def test_every_tool_is_explained_to_the_integer_on_random_architectures(graph: Graph) -> None:
    result = crosscheck.check(graph)
    assert result.explained, [count.cause for count in result.counts]


def test_random_architectures_use_every_operator_but_those_of_whole_numbers() -> None:
    """Every operator is drawn at some time: each has an example."""
    drawn = {name for name in ops.__all__ if name in TABLE} - {"embedding"}
    for name in sorted(drawn):
        find(
            graphs(),
            lambda graph, name=name: any(node.op == name for node in graph),
            settings=settings(RANDOM, max_examples=5000),
        )


def test_a_wrong_count_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is seen to fail: a counter that is off by one multiply-add."""

    class OffByOne(random_architectures.FlopCounterMode):
        def get_total_flops(self) -> int:
            return super().get_total_flops() + 2

    monkeypatch.setattr(random_architectures, "FlopCounterMode", OffByOne)
    graph = find(graphs(), lambda graph: True, settings=RANDOM)
    with pytest.raises(AssertionError):
        check(graph)
    assert torch.is_grad_enabled()
