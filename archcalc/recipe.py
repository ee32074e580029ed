"""How a network is trained, as data: one frozen record a recipe.

The built-in recipes stand beside their networks in ``models/`` and belong to their Architecture;
a recipe of your own is another :class:`Recipe`. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from archcalc.errors import UsageError
from archcalc.guard import shortened

LARGEST = 1e100
"""No field of a recipe is as large."""

if TYPE_CHECKING:
    from archcalc.lookup.registry import Architecture


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run learns, but for the network, the data and the seed."""

    data: str
    """The set that it was written for, under the names of ``archcalc train --data``."""
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: float
    """The learning rate before the schedule."""
    batch: int
    """Images a step, over all processes together."""
    epochs: int
    schedule: Literal["constant", "steps", "cosine"] = "constant"
    """``steps``: times ``factor`` after each epoch of ``milestones``; ``cosine``: down to 0."""
    milestones: tuple[int, ...] = ()
    factor: float = 1.0
    warmup: float = 0.0
    """Epochs in which the learning rate rises from 0 in a straight line."""
    momentum: float = 0.0
    weight_decay: float = 0.0
    decay_biases: bool = True
    """Whether weight decay is for biases and scales of normalisation too."""
    bias_lr: float = 1.0
    """The learning rate of biases, as a multiple of the others'."""
    last_lr: float = 1.0
    """The learning rate of the last layer with weights, as a multiple of the others'."""
    init: Literal["kaiming", "torch"] = "kaiming"
    """Normal by He et al. with zero biases, or what torch's layers do by themselves."""
    normalise: Literal["none", "channel"] = "none"
    """Pixels from 0 to 1, or with each channel's mean and deviation over the training images."""
    flip: bool = False
    """Mirror half of the images."""
    shift: int = 0
    """Move images by up to this many pixels each way; what comes in is 0."""
    cutout: int = 0
    """Blank a square of this many pixels."""
    label_smoothing: float = 0.0
    aux_weight: float = 0.3
    """Of each auxiliary head's loss (Szegedy et al. 2014, section 5)."""
    validation: float = 0.1
    """The part of the training images that is held out to choose the best weights."""
    grows_from: str = ""
    """With ``--staged``: the model whose trained weights this one begins with."""
    new_weights: float = 0.0
    """With ``--staged``: what the weights of a new 1×1 convolution are filled with."""
    identity: bool = False
    """With ``--staged``: a new 1×1 convolution begins with weights that change nothing instead."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value that no run can have."""
        checks = {
            "lr": self.lr > 0,
            "batch": self.batch >= 1,
            "epochs": self.epochs >= 1,
            "factor": self.factor > 0,
            "warmup": self.warmup >= 0,
            "momentum": 0 <= self.momentum < 1,
            "weight_decay": self.weight_decay >= 0,
            "bias_lr": self.bias_lr >= 0,
            "last_lr": self.last_lr >= 0,
            "shift": self.shift >= 0,
            "cutout": self.cutout >= 0,
            "label_smoothing": 0 <= self.label_smoothing < 1,
            "aux_weight": self.aux_weight >= 0,
            "validation": 0 <= self.validation < 1,
        }
        for name, holds in checks.items():
            value = getattr(self, name)
            if not holds or not -LARGEST < value < LARGEST:  # false for nan too
                raise UsageError(f"recipe: {name}={shortened(value)} is out of range")

    def lr_at(self, epoch: float) -> float:
        """The learning rate after this many epochs, parts of one included.

        >>> recipe = Recipe(data="cifar-10", optimizer="adam", lr=4e-4, batch=128, epochs=800,
        ...                 schedule="steps", milestones=(100, 200), factor=0.8)
        >>> [round(recipe.lr_at(epoch), 6) for epoch in (0, 99.9, 100, 250)]
        [0.0004, 0.0004, 0.00032, 0.000256]
        """
        rate = self.lr * min(1.0, epoch / self.warmup) if self.warmup else self.lr
        if self.schedule == "steps":
            return rate * self.factor ** sum(epoch >= after for after in self.milestones)
        if self.schedule == "cosine" and epoch >= self.warmup:
            part = (epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9)
            return rate * 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))
        return rate

    @property
    def can_go_on(self) -> bool:
        """Whether a run may be given more epochs later: a cosine hangs on how many there are."""
        return self.schedule != "cosine"


def override(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some fields replaced; values may be text, as from the command line.

    Raises UsageError for a field that does not exist or a value that it cannot have.
    """
    hints = get_type_hints(Recipe)
    values = {}
    for name, value in settings.items():
        if name not in hints:
            known = ", ".join(field.name for field in fields(Recipe))
            raise UsageError(f"a recipe has no {name!r}; it has {known}")
        try:
            values[name] = _parse(value, hints[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise UsageError(
                f"recipe: {name}={shortened(value)} is not {_wanted(hints[name])}"
            ) from None
    return replace(recipe, **values)


def find(architecture: Architecture, name: str = "") -> tuple[str, Recipe]:
    """A recipe of this architecture, ``article`` or else its first unless named. Raises
    UsageError."""
    known = architecture.recipes
    if not known:
        raise UsageError(
            f"{architecture.name} has no recipe; take another model's with --recipe MODEL:NAME"
        )
    chosen = name or ("article" if "article" in known else next(iter(known)))
    if chosen not in known:
        raise UsageError(f"{architecture.name} has no recipe {chosen!r}; it has {', '.join(known)}")
    return chosen, known[chosen]


def from_record(record: Mapping[str, Any]) -> Recipe:
    """A recipe from the JSON of a run."""
    return Recipe(**{**record, "milestones": tuple(record["milestones"])})


def _parse(value: Any, wanted: Any) -> Any:
    if get_origin(wanted) is Literal:
        return {choice: choice for choice in get_args(wanted)}[value]
    if get_origin(wanted) is tuple:
        return tuple(int(part) for part in value.split("+")) if isinstance(value, str) else value
    if wanted is bool:
        return {"true": True, "false": False}[str(value).lower()]
    return wanted(value)


def _wanted(wanted: Any) -> str:
    if get_origin(wanted) is Literal:
        return " or ".join(get_args(wanted))
    if get_origin(wanted) is tuple:
        return "whole numbers with + between them, such as 200+230"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[wanted]
