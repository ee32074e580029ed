import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings

from archcalc.graph import Graph
from archcalc.pytorch import crosscheck
from archcalc.pytorch.export import export_python
from archcalc.pytorch.layers import TORCH
from tests.pytorch import random_architectures
from tests.pytorch.random_architectures import check, graphs

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

RANDOM = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Use one thread, because the networks are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("examples", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_declared_equals_traced_equals_flop_counter_mode_on_random_architectures(
    examples: int,
) -> None:
    settings(RANDOM, max_examples=examples)(given(graphs())(check))()


@settings(RANDOM, max_examples=40)
@given(graphs())
def test_every_tool_is_explained_to_the_integer_on_random_architectures(graph: Graph) -> None:
    result = crosscheck.check(graph)
    assert result.explained, [count.cause for count in result.counts]


def test_exported_random_architectures_are_formatted_like_ruff(tmp_path: Path) -> None:
    texts: list[str] = []

    @settings(RANDOM, max_examples=100)
    @given(graphs())
    def collect(graph: Graph) -> None:
        texts.append(export_python(graph))

    collect()
    for index, text in enumerate(texts):
        (tmp_path / f"network{index}.py").write_text(text)
    for command in (["format", "--check"], ["check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout


def test_random_architectures_use_every_operator_except_embedding() -> None:
    seen: set[str] = set()

    @settings(RANDOM, max_examples=1000)
    @given(graphs())
    def collect(graph: Graph) -> None:
        seen.update(node.op for node in graph)

    collect()
    assert set(TORCH) - seen == {"embedding"}


def test_a_wrong_count_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a counter that is off by one multiply-add fails."""

    class OffByOne(random_architectures.FlopCounterMode):
        def get_total_flops(self) -> int:
            return super().get_total_flops() + 2

    monkeypatch.setattr(random_architectures, "FlopCounterMode", OffByOne)
    graph = find(graphs(), lambda graph: True, settings=RANDOM)
    with pytest.raises(AssertionError):
        check(graph)
    assert torch.is_grad_enabled()
