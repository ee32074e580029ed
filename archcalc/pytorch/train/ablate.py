"""Variants of one run: other seeds, or other settings of one option of the model."""

from __future__ import annotations

from dataclasses import replace

from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.train.settings import Settings


def seeds(settings: Settings, count: int) -> list[Settings]:
    """The run with ``count`` seeds, each in a folder of its own."""
    return [
        replace(settings, seed=seed, folder=settings.folder / f"seed{seed}")
        for seed in range(settings.seed, settings.seed + count)
    ]


def ablate(settings: Settings, option: str) -> list[Settings]:
    """The run with each setting of an option of the model: a switch both ways, a choice each way,
    a number as it is and at 0. Lin et al. 2013 do it to dropout (Figure 3) and to the head (Table
    5). Raises UsageError."""
    name = ModelSpec.parse(settings.model).name
    found = registry.find(name).options.get(option)
    if found is None:
        known = ", ".join(registry.find(name).options) or "none"
        raise UsageError(f"--ablate {option}: {name} has no such option; it has {known}")
    if found.type is bool:
        values: tuple[object, ...] = (True, False)
    elif found.choices:
        values = found.choices
    elif found.type is float:
        values = (found.default, 0.0)
    else:
        raise UsageError(f"--ablate {option}: it is neither a switch, a choice nor a part")
    return [
        replace(
            settings,
            options={**settings.options, option: str(value).lower()},
            folder=settings.folder / f"{option}-{str(value).lower()}",
        )
        for value in values
    ]
