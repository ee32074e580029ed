"""Train in stages: a network starts with the trained weights of a smaller one.

Weights are transferred by the names of their nodes, so inserting a layer does not shift them. Only
1×1 convolutions can be new.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from archcalc.errors import UsageError
from archcalc.io.files import write_text
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.train import run_folder
from archcalc.pytorch.train.settings import Growth, Settings
from archcalc.recipe import find


class Carried(NamedTuple):
    """The origin of one weight of the larger network."""

    weight: str
    shape: str
    begins: str
    """``carried``, or its initial value."""


def stages(settings: Settings) -> list[Settings]:
    """Return a run per stage, the smallest network first, with folders inside the settings' one.

    :func:`after` adds the initial weights when the previous stage is finished. Raises UsageError
    for a model that does not grow from another.
    """
    _, own = find(registry.find(ModelSpec.parse(settings.model).name), settings.recipe_name)
    # Changes to the last stage's recipe apply to all stages.
    changes = {
        field.name: getattr(settings.recipe, field.name)
        for field in fields(own)
        if getattr(settings.recipe, field.name) != getattr(own, field.name)
    }
    chain = [settings]
    while chain[0].recipe.grows_from:
        name = chain[0].recipe.grows_from
        _, recipe = find(registry.find(name), settings.recipe_name)
        chain.insert(0, replace(settings, model=name, recipe=replace(recipe, **changes)))
    if len(chain) == 1:
        raise UsageError(
            f"{settings.model} does not extend a smaller model with the recipe "
            f"{settings.recipe_name}; nin-mnist does"
        )
    return [
        replace(one, folder=settings.folder / registry.find(ModelSpec.parse(one.model).name).name)
        for one in chain
    ]


def after(smaller: Settings, larger: Settings) -> Settings:
    """Return the larger stage with the best weights of the smaller one as initial weights."""
    growth = Growth(
        model=registry.find(smaller.model).name,
        weights=smaller.folder / run_folder.BEST,
        new="identity" if larger.recipe.identity else larger.recipe.new_weights,
    )
    return replace(larger, begins_with=growth)


@torch.no_grad()
def carry(model: nn.Module, growth: Growth) -> list[Carried]:
    """Copy weights with the same name and shape, and initialise new ones.

    Raises UsageError for a new weight that is not of a 1×1 convolution.
    """
    before = run_folder.weights(growth.weights)
    found = []
    for name, value in model.state_dict().items():
        shape = "×".join(map(str, value.shape))
        if name in before and before[name].shape == value.shape:
            value.copy_(before[name])
            begins = "carried"
        else:
            begins = _fill(name, value, growth)
        found.append(Carried(name, shape, begins))
    return found


def write(folder: Path, transfer: Sequence[Carried]) -> None:
    """Write the origin of every weight to ``transfer.csv`` in the run's folder."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([Carried._fields, *transfer])
    write_text(folder / "transfer.csv", out.getvalue())


def _fill(name: str, value: Tensor, growth: Growth) -> str:
    if name.endswith(".bias"):
        value.zero_()
        return "new: 0"
    if tuple(value.shape[2:]) != (1, 1):
        raise UsageError(
            f"{name} ({'×'.join(map(str, value.shape))}) is not in {growth.model}, and only 1×1 "
            "convolutions can be added to a trained network"
        )
    if growth.new == "identity":
        nn.init.dirac_(value)
        return "new: identity"
    value.fill_(growth.new)
    return f"new: {growth.new:g}"
