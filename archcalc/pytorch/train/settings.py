"""The settings of one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.guard import shortened
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.recipe import Recipe, find, override

Precision = Literal["fp32", "bf16", "fp16"]
New = float | Literal["identity"]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The source of a stage's initial weights."""

    model: str
    weights: Path
    new: New
    """The initial value of the weights of a new 1×1 convolution."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A model, a recipe, data, and how the machine is used."""

    model: str
    recipe_name: str
    recipe: Recipe
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    """The data set in the form of ``--data``, by default the recipe's own."""
    size: Shape | None = None
    """(H, W) to which images are resized, by default the model's own."""
    seed: int = 0
    precision: Precision = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    channels_last: bool = True
    compile: bool = False
    accumulate: int = 1
    """Gradient-accumulation steps: parts of a batch that are computed in turn, to save memory."""
    limit: int = 0
    """Use only this many training images and test images; 0 uses all of them."""
    download: bool = False
    resume: bool = False
    stop_at: float | None = None
    """End the run after the first epoch with this accuracy on the held-out images."""
    time: float | None = None
    """Seconds for the whole run, which determine the number of epochs."""
    begins_with: Growth | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid value."""
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {shortened(self.seed)} is not a number from 0 to 2^63 - 1")
        if self.stop_at is not None and not 0 < self.stop_at <= 1:
            raise UsageError(f"stop_at {self.stop_at:g} is not an accuracy from 0 to 1")
        if self.stop_at is not None and not self.recipe.validation:
            raise UsageError("stop_at needs held-out images; set validation above 0")
        if self.time is not None and not 0 < self.time < 1e9:
            raise UsageError(f"time {self.time:g} is not a number of seconds above 0")

    @classmethod
    def of(
        cls,
        model: str,
        *,
        recipe: str = "",
        changes: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        data: str = "",
        input: Shape | str | None = None,
        folder: str | Path = "",
        runs: str | Path = "runs",
        label: str | None = None,
        **how: Any,
    ) -> Settings:
        """Make settings from names, as on the command line.

        ``recipe`` is one of the model's recipes, by default ``article`` or else its first, or
        another model's (``nin:fast``). ``changes`` replaces fields of the recipe. ``input`` is
        (H, W) or text. The default ``folder`` is in ``runs``; its name consists of the model, the
        recipe, the data set unless it is the recipe's own, and ``label``, by default the seed.
        ``how`` are further fields. Raises UsageError.

        >>> Settings.of("nin-digits", changes={"epochs": 3}, seed=1).folder.as_posix()
        'runs/nin-digits-fast-seed1'
        """
        place, _, name = recipe.rpartition(":")
        asked = ModelSpec.parse(model)
        if not place and not asked.registered:
            raise UsageError(
                f"{model} has no recipe; use that of another model, such as --recipe nin:fast"
            )
        name, found = find(registry.find(place or asked.name), name)
        found = override(found, changes or {})
        if not folder:
            called = "".join(sign if sign.isalnum() or sign in ".-=" else "_" for sign in model)
            called += "".join(f"_{key}={value}" for key, value in (options or {}).items())
            parts = [
                called,
                name,
                _set(data, found),
                f"seed{how.get('seed', 0)}" if label is None else label,
            ]
            folder = Path(runs, "-".join(part for part in parts if part))
        return cls(
            model=model,
            recipe_name=name,
            recipe=found,
            folder=Path(folder),
            options=dict(options or {}),
            data=data,
            size=_size(input) if isinstance(input, str) else input,
            **how,
        )


def _set(data: str, recipe: Recipe) -> str:
    """Return the data set's part of a run's name, which is empty for the recipe's own set."""
    name, colon, place = data.partition(":")
    name = Path(place).name if name == "folder" else name
    return "" if name == recipe.data or (not colon and Path(data).is_dir()) else name


def _size(text: str) -> tuple[int, ...] | None:
    """Parse ``32x32`` or ``32x32x3`` as (H, W); the number of channels depends on the data."""
    if not text:
        return None
    parts = text.lower().replace("×", "x").split("x")
    sizes = [int(part) if re.fullmatch("[0-9]{1,6}", part) else 0 for part in parts]
    if len(parts) not in (2, 3) or not all(sizes):
        raise UsageError(f"--input {shortened(text)}: write height and width, such as 32x32")
    return sizes[0], sizes[1]
