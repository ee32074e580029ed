"""What one run is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from archcalc.graph import Shape
from archcalc.recipe import Recipe

Precision = Literal["fp32", "bf16", "fp16"]
New = float | Literal["identity"]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Where a stage takes its first weights from."""

    model: str
    weights: Path
    new: New
    """What the weights of a new 1×1 convolution are filled with."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A model, a recipe, data, and how the machine is used."""

    model: str
    recipe_name: str
    recipe: Recipe
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    """As ``--data`` takes it; the recipe's own set unless given."""
    size: Shape | None = None
    """(H, W) that images are brought to; the model's own unless given."""
    seed: int = 0
    precision: Precision = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    channels_last: bool = True
    compile: bool = False
    accumulate: int = 1
    """Pieces that a batch is computed in, one after another: the same batch in less memory."""
    limit: int = 0
    """Use this many images of each half alone; 0 is all of them."""
    download: bool = False
    resume: bool = False
    begins_with: Growth | None = None
