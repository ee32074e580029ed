"""Small networks train faster on one thread than on many, and to the same bits everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.datasets import MNIST

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
    """Settings of a short run on the digits; fields of the recipe by ``recipe={...}``."""

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


@pytest.fixture
def real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST in the folder that ``ARCHCALC_DATA`` names; where nothing does, torchvision fetches its
    11 MB once, into the user's cache."""
    if data.ROOT not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archcalc"
        MNIST(cache, download=True)
        monkeypatch.setenv(data.ROOT, str(cache))
