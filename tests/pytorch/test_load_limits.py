"""Unusual models and names: lazy, very deep, very large, or not a model at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import Tensor, nn

import archcalc
from archcalc.errors import UsageError
from archcalc.lookup.resolve import resolve

FILE = """
from torch import Tensor, nn
whole = int


class Net(nn.Module):
    pass


class Other(nn.Module):
    pass


def huge():
    return nn.Linear(3_000_000_000, 2_000_000_000, bias=False)


def deep():
    inner = nn.Linear(4, 4)
    for _ in range(2000):
        inner = nn.Sequential(inner)
    return inner


def _hidden():
    return 3
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return str(path)


def test_lazy_layers_take_their_sizes_from_the_input_and_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(4))
    found = archcalc.trace(model, (2, 3, 8, 8)).profile()
    assert found.params == (6 * 3 * 3 * 3 + 6) + 2 * 6 + (4 * 6 * 6 * 6 + 4)
    assert found.macs == 2 * (6 * 6 * 6 * 3 * 3 * 3 + 4 * 6 * 6 * 6)
    assert all(isinstance(each, nn.UninitializedParameter) for each in model.parameters())
    assert [type(layer).__name__ for layer in model] == [
        *("LazyConv2d", "LazyBatchNorm2d", "Flatten", "LazyLinear")
    ]
    assert archcalc.trace(model, (2, 5, 6, 6), train=True).training


def test_lazy_layers_that_cannot_infer_their_sizes_name_a_remedy() -> None:
    with pytest.raises(UsageError, match="call the model once on a valid input"):
        archcalc.trace(nn.Sequential(nn.LazyConv2d(4, 3)), (2, 3))


def test_modules_2000_deep_in_a_file_are_built_and_traced(net: str) -> None:
    assert resolve(f"{net}:deep", input=["1,4"]).profile().macs == 4 * 4


def test_weights_larger_than_the_address_space_are_traced(net: str) -> None:
    found = resolve(f"{net}:huge", input=["1,3000000000"]).profile()
    assert found.params == found.macs == 3_000_000_000 * 2_000_000_000


def test_a_file_without_a_class_names_its_classes(net: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(net)
    assert f"{net} is a file: name a model in it, {net}:Net" in str(caught.value)
    assert "it has Net, Other, huge" in str(caught.value)
    other = tmp_path / "x.bin"
    other.write_bytes(b"")
    with pytest.raises(UsageError, match="it reads Python files"):
        resolve(str(other))


def test_a_builtin_in_a_file_is_not_a_model(net: str) -> None:
    with pytest.raises(UsageError, match="returns int, which is not a model"):
        resolve(f"{net}:whole", input=["1,8"])
    with pytest.raises(UsageError, match="has no 'int'"):
        resolve(f"{net}:int", input=["1,8"])


def test_modules_2000_deep_are_traced_and_the_limit_is_restored() -> None:
    class Level(nn.Module):
        def __init__(self, inner: nn.Module | None) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return x if self.inner is None else self.inner(x) + 1

    model = Level(None)
    for _ in range(2000):
        model = Level(model)
    limit = sys.getrecursionlimit()
    assert len(archcalc.trace(model, (1, 3))) == 1 + 2000
    assert sys.getrecursionlimit() == limit
