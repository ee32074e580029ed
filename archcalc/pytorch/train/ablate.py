"""Make variants of a run: other seeds, other model options, or a recipe without an ingredient."""

from __future__ import annotations

from dataclasses import replace

from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.train.settings import Settings
from archcalc.recipe import INGREDIENTS, ingredients, without

WHOLE = "whole"
"""The folder of the run with the unchanged recipe."""


def seeds(settings: Settings, count: int) -> list[Settings]:
    """Return the run with ``count`` seeds, each in its own folder."""
    return [
        replace(settings, seed=seed, folder=settings.folder / f"seed{seed}")
        for seed in range(settings.seed, settings.seed + count)
    ]


def ablate(settings: Settings, what: str) -> list[Settings]:
    """Return the runs that show the effect of a model option or of a recipe's ingredients.

    If ``what`` is an option of the model, there is one run per setting: both states of a switch,
    every choice, or a number and 0 (Lin et al. 2013 vary dropout in Figure 3 and the head in Table
    5). Otherwise ``what`` is one or more fields of the recipe, separated by commas, or ``recipe``
    for all that the recipe uses; there is one run with the whole recipe and one without each field.
    Write ``recipe.dropout`` for a field that is also a model option. Each run has its own folder.
    Raises UsageError.
    """
    name = ModelSpec.parse(settings.model).name
    options = registry.find(name).options
    if what in options:
        return _option(settings, what)
    if what == "recipe":
        fields = ingredients(settings.recipe)
        if not fields:
            raise UsageError("--ablate recipe: this recipe has no ingredient that can be left out")
    else:
        fields = tuple(part.removeprefix("recipe.") for part in what.split(","))
    for field in fields:
        if field not in INGREDIENTS:
            raise UsageError(
                f"--ablate {what}: {field!r} is neither an option of {name} "
                f"({', '.join(options) or 'it has none'}) nor an ingredient of a recipe "
                f"({', '.join(INGREDIENTS)})"
            )
        if field not in ingredients(settings.recipe):
            raise UsageError(f"--ablate {what}: the recipe does not use {field}")
    return [
        replace(settings, folder=settings.folder / WHOLE),
        *(
            replace(
                settings,
                recipe=without(settings.recipe, field),
                recipe_name=f"{settings.recipe_name} without {field}",
                folder=settings.folder / f"without-{field}",
            )
            for field in fields
        ),
    ]


def _option(settings: Settings, name: str) -> list[Settings]:
    found = registry.find(ModelSpec.parse(settings.model).name).options[name]
    if found.type is bool:
        values: tuple[object, ...] = (True, False)
    elif found.choices:
        values = found.choices
    elif found.type is float:
        values = (found.default, 0.0)
    else:
        raise UsageError(f"--ablate {name}: the option is not a switch, a choice or a fraction")
    return [
        replace(
            settings,
            options={**settings.options, name: str(value).lower()},
            folder=settings.folder / f"{name}-{str(value).lower()}",
        )
        for value in values
    ]
