"""Small networks train faster on one thread than on many, and to the same bits everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archcalc import registry
from archcalc.pytorch.train import Settings
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
