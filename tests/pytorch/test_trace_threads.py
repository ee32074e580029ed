"""A trace does not affect other threads' random numbers or models."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archcalc
from archcalc.pytorch.trace import build_on_meta


class Drawing(nn.Module):
    """A module that draws from and seeds every generator, in its constructor and forward pass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        self.layer = nn.Linear(8, 8)
        self.order = torch.randperm(8).tolist()
        self.drop = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        torch.manual_seed(2)
        random.seed(2)
        np.random.seed(2)
        noise = torch.randn(2, 8) + torch.rand_like(x) + random.random() + np.random.rand()
        return self.drop(self.layer(x)) + nn.functional.dropout2d(noise[None])[0]


DRAWS: dict[str, Callable[[], Any]] = {
    "torch": lambda: torch.rand(1, dtype=torch.float64).item(),
    "python": lambda: random.random(),
    "numpy": lambda: np.random.rand(),
}


@contextmanager
def drawing(draw: Callable[[], Any]) -> Iterator[list[Any]]:
    """Draw in another thread until the block ends; yield the list of draws."""
    drawn: list[Any] = []
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            drawn.append(draw())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield drawn
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("way", ["fast", "real"])
@pytest.mark.parametrize("source", DRAWS)
def test_another_threads_draws_are_never_repeated(source: str, way: Any) -> None:
    with drawing(DRAWS[source]) as drawn:
        for _ in range(20):
            archcalc.trace(build_on_meta(Drawing), (2, 8), way=way, real=Drawing, train=True)
    assert len(drawn) > 100
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("way", ["fast", "exact", "real"])
def test_the_random_state_of_the_process_does_not_change(way: Any) -> None:
    def seeded() -> None:
        torch.manual_seed(7)
        random.seed(7)
        np.random.seed(7)

    def draw() -> tuple[Any, ...]:
        return tuple(one() for one in DRAWS.values())

    seeded()
    expected = [draw(), draw()]
    seeded()
    first = draw()
    archcalc.trace(build_on_meta(Drawing), (2, 8), way=way, real=Drawing, train=None)
    assert [first, draw()] == expected


def test_patched_random_functions_are_restored() -> None:
    before = random.random, np.random.rand, torch.manual_seed, torch.random.get_rng_state
    archcalc.trace(Drawing(), (2, 8))
    after = random.random, np.random.rand, torch.manual_seed, torch.random.get_rng_state
    assert before == after


def test_a_real_run_gives_the_same_graph_each_time() -> None:
    def model(x: Tensor) -> Tensor:
        for _ in range(int(torch.randint(1, 100, ()))):
            x = x @ x
        return x

    assert len({archcalc.trace(model, (4, 4)).profile().macs for _ in range(3)}) == 1


class Counted(nn.Module):
    """A module that counts calls in an attribute, in a list and in a buffer that it replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.calls = 0
        self.log: list[int] = []
        self.seen: dict[str, list[int]] = {"all": []}
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.log.append(self.calls)
        self.seen["all"].append(self.calls)
        self.steps = self.steps + 1
        return self.layer(x)


@pytest.mark.parametrize("way", ["fast", "exact", "dispatch", "real"])
def test_what_another_thread_counts_on_the_same_model_is_kept(way: Any) -> None:
    model = Counted()
    x = torch.zeros(1, 4)
    counted = 0
    done = threading.Event()

    def run() -> None:
        nonlocal counted
        while not done.is_set():
            model(x)
            counted += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(20):
            archcalc.trace(model, (1, 4), way=way, train=True)
    finally:
        done.set()
        thread.join()
    assert counted > 20
    assert model.calls == len(model.log) == len(model.seen["all"]) == int(model.steps) == counted
    assert model.training


def test_a_module_that_a_closure_calls_keeps_its_name_and_its_state() -> None:
    model = Counted()
    inner = nn.Sequential(nn.Linear(4, 4), Counted())
    model.inner = inner
    model.calls_inner = lambda x: inner(x)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model(self.model.calls_inner(x))

    graph = archcalc.trace(Outer(), (1, 4))
    names = [node.name for node in graph if node.weights]
    assert names == ["model.inner.0", "model.inner.1.layer", "model.layer"]
    assert (inner[1].calls, inner[1].log, int(inner[1].steps)) == (0, [], 0)
