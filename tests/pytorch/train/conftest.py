"""Fixtures for training. One thread is fastest for small networks and gives the same bits
everywhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archcalc.lookup import registry
from archcalc.pytorch.train import Settings, data
from archcalc.recipe import find, override


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that makes settings of a short run on the digits.

    ``recipe={...}`` changes fields of the recipe.
    """

    def make(
        model: str = "nin-digits", *, recipe: dict[str, Any] | None = None, **changes: Any
    ) -> Settings:
        name, found = find(registry.find("nin-digits"))
        made = Settings(
            model=model,
            recipe_name=name,
            recipe=override(found, {"epochs": 2, **(recipe or {})}),
            folder=tmp_path / "run",
            device="cpu",
            limit=300,
        )
        return replace(made, **changes)

    return make


EXCERPT = Path(__file__).parents[2] / "data" / "mnist"
"""A few hundred images of MNIST that are part of the tests."""


@pytest.fixture
def real_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Make MNIST available as ``--data mnist``; return the numbers of training and test images.

    It is the full set if the folder ``ARCHCALC_DATA`` has it, else the excerpt.
    """
    if (Path(os.environ.get(data.ROOT, "")) / "MNIST" / "raw").is_dir():
        return 60_000, 10_000
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in EXCERPT.glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    monkeypatch.setenv(data.ROOT, str(tmp_path / "data"))
    return 600, 300
