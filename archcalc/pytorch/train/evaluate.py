"""Load a finished run's network with its best weights, and evaluate its accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from archcalc.analysis.profiles import Follow
from archcalc.analysis.runs import Run
from archcalc.errors import UsageError
from archcalc.io import runs
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.train import data as image_sets
from archcalc.pytorch.train import network as networks
from archcalc.pytorch.train import run_folder
from archcalc.pytorch.train.data import ImageSet
from archcalc.pytorch.train.loop import Score, evaluate, outcome, start
from archcalc.pytorch.train.pixels import Pixels
from archcalc.pytorch.train.settings import Settings


def network(run: Run) -> tuple[nn.Module, Pixels]:
    """Return the run's network with its best weights, in evaluation mode, and its preprocessing.

    Raises UsageError if the weights are missing or damaged.
    """
    check(run)
    channels, *size = run.config["input"]
    asked = ModelSpec.parse(run.model)
    with torch.random.fork_rng(devices=[]):
        model, _ = networks.make(
            asked.name,
            asked.options,
            run.recipe,
            channels=channels,
            size=tuple(size),
            classes=len(run.config["classes"]),
            seed=run.seed,
        )
    file = run.folder / run_folder.BEST
    run_folder.load_weights(model, run_folder.weights(file), file)
    return model.eval(), pixels(run)


def check(run: Run) -> None:
    """Raise UsageError if the record lacks a field that is needed to build the network."""
    for key in ("classes", "pixels", "channels_last"):
        if run.config.get(key) in (None, []):
            raise UsageError(f"{run.folder / runs.RUN} has no {key}, so the run cannot be loaded")


def pixels(run: Run) -> Pixels:
    """Return the run's preprocessing of images. Raises UsageError."""
    made = run.config["pixels"]
    height, width = made["size"]
    whitened = run.recipe.normalise == "zca"
    return Pixels(
        (height, width),
        tuple(made["mean"]),
        tuple(made["std"]),
        run_folder.whitening(run.folder) if whitened else None,
    )


def test_set(run: Run, data: str, made: Pixels) -> ImageSet:
    """Load the run's own data set, or the one that ``data`` names. Raises UsageError."""
    folder = run.data.startswith("folder:")
    if folder and not data:
        raise UsageError(f"the run {run.folder} was trained on a folder; name it with --data")
    return image_sets.load(data, "folder" if folder else run.data, size=made.size)


def score(
    folder: str | Path,
    *,
    data: str = "",
    device: str = "auto",
    precision: str = "",
    follow: Follow = lambda done, total, name: None,
) -> tuple[Run, Score, str]:
    """Test a run on its own test images or on another set with the same classes.

    Returns the run, the score and the set's name, and passes its progress to ``follow``. Raises
    UsageError.
    """
    run = runs.load(folder)
    check(run)
    settings = _settings(run, data, device, precision)
    accelerator = start(settings)
    model, made = network(run)
    model.to(accelerator.device)
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)
    found = test_set(run, data, made)
    if found.shape[0] != run.config["input"][0] or len(found.classes) != len(run.config["classes"]):
        raise UsageError(
            f"{found.name} has {len(found.classes)} classes in {found.shape[0]} channels; the run "
            f"{run.folder} was trained on {len(run.config['classes'])} in {run.config['input'][0]}"
        )
    test = found.test.to(accelerator.device)
    prepared = accelerator.prepare(model)
    steps = evaluate(accelerator, prepared, test, torch.arange(len(test)), made, settings)
    tested = outcome(steps, lambda step: follow(step.images, step.of, found.name))
    assert tested is not None  # every data set has test images
    return run, tested, found.name


def _settings(run: Run, data: str, device: Any, precision: Any) -> Settings:
    return Settings(
        model=run.model,
        recipe_name=run.recipe_name,
        recipe=run.recipe,
        folder=run.folder,
        data=data,
        device=device,
        precision=precision or run.config["precision"],
        channels_last=run.config["channels_last"],
    )
