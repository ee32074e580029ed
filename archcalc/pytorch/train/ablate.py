"""Variants of one run: other seeds, another setting of the model, or a recipe without a part."""

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
    """The run with ``count`` seeds, each in a folder of its own."""
    return [
        replace(settings, seed=seed, folder=settings.folder / f"seed{seed}")
        for seed in range(settings.seed, settings.seed + count)
    ]


def ablate(settings: Settings, what: str) -> list[Settings]:
    """The runs that show what a part of a network or a recipe is worth, each in its own folder.

    ``what`` is an option of the model, which takes each of its settings: a switch both ways, a
    choice each way, a number as it is and 0 (Lin et al. 2013 do this to dropout in Figure 3 and to
    the head in Table 5). Or it is one or more fields of the recipe, with commas between them, or
    ``recipe`` for all that the recipe uses: one run is whole, and one is made without each. Write
    ``recipe.dropout`` for a field whose name the model's options have too. Raises UsageError.
    """
    name = ModelSpec.parse(settings.model).name
    options = registry.find(name).options
    if what in options:
        return _option(settings, what)
    if what == "recipe":
        fields = ingredients(settings.recipe)
        if not fields:
            raise UsageError("--ablate recipe: this recipe uses no ingredient that can be left out")
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
