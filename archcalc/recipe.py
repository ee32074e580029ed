"""How a network is trained, as data: one frozen record per recipe.

The built-in recipes are defined next to their networks in ``models/`` and belong to their
Architecture; your own recipe is another :class:`Recipe`. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from archcalc.errors import UsageError
from archcalc.guard import shortened

LARGEST = 1e100
"""Every number in a recipe is smaller."""
LARGEST_SIZE = 2**16

if TYPE_CHECKING:
    from archcalc.lookup.registry import Architecture


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training run, apart from the network, the data and the seed.

    The defaults are the plainest choice, so a field that differs from its default is an ingredient
    that ``archcalc train --ablate FIELD`` can leave out.
    """

    data: str
    """The data set that the recipe is written for, named as in ``archcalc train --data``."""
    optimizer: Literal["sgd", "adam", "adamw", "muon"]
    """``muon``: as ``sgd``, but the steps of all weight matrices before the last layer are
    orthogonalised (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/)."""
    lr: float
    """The learning rate before the schedule."""
    batch: int
    """Images per step, summed over all processes."""
    epochs: int
    schedule: Literal["constant", "steps", "cosine", "linear"] = "constant"
    """After the warm-up: multiply by ``factor`` after each epoch of ``milestones`` (``steps``), or
    fall to 0 along a cosine or a straight line. ``linear`` with a warm-up is the one-cycle
    schedule of Smith and Topin 2017 (arXiv:1708.07120) in its triangular form."""
    milestones: tuple[int, ...] = ()
    factor: float = 1.0
    warmup: float = 0.0
    """Epochs in which the learning rate rises from 0 in a straight line."""
    momentum: float = 0.0
    nesterov: bool = False
    """With momentum, take the gradient at the point that the momentum leads to (Sutskever et al.
    2013)."""
    weight_decay: float = 0.0
    decay_biases: bool = True
    """Whether weight decay applies to biases and normalisation scales as well."""
    bias_lr: float = 1.0
    """The learning rate of biases, as a multiple of that of the weights."""
    norm_lr: float = 1.0
    """The learning rate of normalisation scales, as a multiple of that of the weights."""
    last_lr: float = 1.0
    """The learning rate of the last layer with weights, as a multiple of that of the others."""
    matrix_lr: float = 1.0
    """The learning rate of the matrices of ``muon``, as a multiple of that of other weights."""
    matrix_decay: float = 0.0
    """The decoupled weight decay of the matrices of ``muon``, instead of ``weight_decay``: each
    step multiplies them by 1 - learning rate × ``matrix_decay``."""
    init: Literal["kaiming", "torch", "dirac"] = "kaiming"
    """``kaiming``: normal as in He et al. 2015, with zero biases. ``torch``: the default of torch's
    layers. ``dirac``: as ``kaiming``, but convolutions between the first and the last layer start
    by passing on their inputs (Jordan 2024, arXiv:2404.00498, section 3.3)."""
    whiten: bool = False
    """Start the first convolution with filters that whiten patches of the training images, each
    with its negative (Jordan 2024, section 3.2)."""
    frozen: float = 0.0
    """Epochs during which a whitened first convolution keeps its weights."""
    normalise: Literal["none", "channel", "zca"] = "none"
    """``none``: pixels from 0 to 1. ``channel``: normalise each channel by its mean and standard
    deviation over the training images. ``zca``: global contrast normalisation and ZCA whitening,
    as in the NiN article (Goodfellow et al. 2013, arXiv:1302.4389)."""
    flip: bool = False
    """Mirror half of the images."""
    alternate: bool = False
    """Mirror each image in every second epoch, instead of a random half of the images (Jordan 2024,
    section 3.6). Two successive epochs show every image both ways."""
    shift: int = 0
    """Move images by up to this many pixels in each direction."""
    edge: Literal["black", "reflect"] = "black"
    """What a shift brings into an image: zeros, or the reflection of its border."""
    cutout: int = 0
    """Fill a square with sides of this many pixels with the mean colour of the training images
    (DeVries and Taylor 2017, arXiv:1708.04552)."""
    sizes: tuple[int, ...] = ()
    """Heights to which images are scaled in the first epochs, in this order (progressive
    resizing)."""
    growing: float = 0.5
    """The fraction of the epochs that ``sizes`` share equally; the rest uses the full size."""
    dropout: Literal["model", "off", "rising", "falling"] = "model"
    """``model``: the network's own dropout. ``off``: none. ``rising``, ``falling``: the network's
    dropout times a factor that rises from 0 to 1 (Morerio et al. 2017, arXiv:1703.06229) or falls
    from 1 to 0 over the epochs."""
    label_smoothing: float = 0.0
    average: float = 0.0
    """The decay per step of an exponential moving average of weights and statistics. The run
    validates, tests and saves the average. With 0, it uses the weights themselves."""
    lookahead: bool = False
    """Every five steps, continue from the average (Zhang et al. 2019, arXiv:1907.08610). Its decay
    then rises from 0 with the third power of the progress (Jordan 2024, section 3.4)."""
    test_views: Literal["one", "mirror", "mirror+shift"] = "one"
    """Also test with outputs averaged over each image and its mirror image, or over both and their
    copies shifted by one pixel. The run records this accuracy separately."""
    aux_weight: float = 0.3
    """The weight of each auxiliary head's loss (Szegedy et al. 2014, section 5)."""
    validation: float = 0.1
    """The fraction of the training images that is held out to choose the best weights."""
    grows_from: str = ""
    """With ``--staged``: the model whose trained weights this one starts from."""
    new_weights: float = 0.0
    """With ``--staged``: the value that fills the weights of a new 1×1 convolution."""
    identity: bool = False
    """With ``--staged``: start a new 1×1 convolution as the identity instead."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range, or for fields that contradict each other."""
        checks = {
            "lr": self.lr > 0,
            "batch": self.batch >= 1,
            "epochs": self.epochs >= 1,
            "factor": self.factor > 0,
            "warmup": self.warmup >= 0,
            "momentum": 0 <= self.momentum < 1,
            "weight_decay": self.weight_decay >= 0,
            "bias_lr": self.bias_lr >= 0,
            "norm_lr": self.norm_lr >= 0,
            "last_lr": self.last_lr >= 0,
            "matrix_lr": self.matrix_lr >= 0,
            "matrix_decay": self.matrix_decay >= 0,
            "frozen": self.frozen >= 0,
            "growing": 0 < self.growing <= 1,
            "average": 0 <= self.average < 1,
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
        if not all(0 < size < LARGEST_SIZE for size in self.sizes):
            raise UsageError(f"recipe: sizes={shortened(self.sizes)} are out of range")
        if self.nesterov and not (self.optimizer in ("sgd", "muon") and self.momentum):
            raise UsageError(
                "recipe: nesterov=true needs optimizer=sgd or muon, and a momentum above 0"
            )
        if self.matrix_lr != 1 and self.optimizer != "muon":
            raise UsageError("recipe: matrix_lr needs optimizer=muon")
        if self.matrix_decay and self.optimizer != "muon":
            raise UsageError("recipe: matrix_decay needs optimizer=muon")
        if self.lookahead and not self.average:
            raise UsageError("recipe: lookahead=true needs a decay; set average=0.95")
        if self.frozen and not self.whiten:
            raise UsageError("recipe: frozen needs a whitened first convolution; set whiten=true")

    def lr_at(self, epoch: float) -> float:
        """The learning rate after this many epochs, which may be a fraction.

        >>> recipe = Recipe(data="cifar-10", optimizer="adam", lr=4e-4, batch=128, epochs=800,
        ...                 schedule="steps", milestones=(100, 200), factor=0.8)
        >>> [round(recipe.lr_at(epoch), 6) for epoch in (0, 99.9, 100, 250)]
        [0.0004, 0.0004, 0.00032, 0.000256]
        """
        rate = self.lr * min(1.0, epoch / self.warmup) if self.warmup else self.lr
        if self.schedule == "steps":
            return rate * self.factor ** sum(epoch >= after for after in self.milestones)
        if self.schedule in ("cosine", "linear") and epoch >= self.warmup:
            part = min((epoch - self.warmup) / max(self.epochs - self.warmup, 1e-9), 1.0)
            fallen = 0.5 * (1 + math.cos(math.pi * part)) if self.schedule == "cosine" else 1 - part
            return rate * fallen
        return rate

    def size_at(self, epoch: int) -> int | None:
        """The height of the images in this epoch (from 1); None for the full height.

        >>> recipe = Recipe(data="cifar-10", optimizer="sgd", lr=0.1, batch=128, epochs=10,
        ...                 sizes=(16, 24), growing=0.6)
        >>> [recipe.size_at(epoch) for epoch in range(1, 11)]
        [16, 16, 16, 24, 24, 24, None, None, None, None]
        """
        place = math.floor((epoch - 1) * len(self.sizes) / (self.growing * self.epochs) + 1e-9)
        return self.sizes[place] if place < len(self.sizes) else None

    def dropout_at(self, epoch: int) -> float:
        """The factor on the network's dropout in this epoch (from 1)."""
        done = (epoch - 1) / max(self.epochs - 1, 1)
        return {"model": 1.0, "off": 0.0, "rising": done, "falling": 1 - done}[self.dropout]

    def in_epochs(self, epochs: int) -> Recipe:
        """The same recipe for another number of epochs, with its schedules scaled in proportion."""
        ratio = epochs / self.epochs
        return replace(
            self,
            epochs=epochs,
            warmup=self.warmup * ratio,
            frozen=self.frozen * ratio,
            milestones=tuple(round(epoch * ratio) for epoch in self.milestones),
        )

    @property
    def can_go_on(self) -> bool:
        """Whether a finished run can train for more epochs: not if a schedule depends on their
        number."""
        depends = self.schedule in ("cosine", "linear") or self.sizes or self.lookahead
        return not depends and self.dropout in ("model", "off")


def override(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some fields replaced. Values may be text, as on the command line.

    Raises UsageError for an unknown field or an invalid value.
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


INGREDIENTS = (
    *("schedule", "warmup", "momentum", "nesterov", "weight_decay", "matrix_decay", "bias_lr"),
    *("norm_lr", "whiten", "frozen", "normalise", "flip", "alternate", "shift", "edge", "cutout"),
    *("sizes", "dropout", "label_smoothing", "average", "lookahead", "init"),
)
"""Optional fields: the default of each has no effect."""

NEEDS = {
    "momentum": ("nesterov",),
    "whiten": ("frozen",),
    "flip": ("alternate",),
    "shift": ("edge",),
    "average": ("lookahead",),
}
"""For each field, the fields that have no effect without it."""


def ingredients(recipe: Recipe) -> tuple[str, ...]:
    """The fields of :data:`INGREDIENTS` that a recipe uses.

    >>> ingredients(Recipe(data="digits", optimizer="sgd", lr=0.1, batch=32, epochs=3, flip=True))
    ('flip',)
    """
    default = _defaults()
    return tuple(name for name in INGREDIENTS if getattr(recipe, name) != default[name])


def without(recipe: Recipe, name: str) -> Recipe:
    """The recipe without one of its ingredients, and without the fields that depend on it."""
    default = _defaults()
    return replace(recipe, **{each: default[each] for each in (name, *NEEDS.get(name, ()))})


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in fields(Recipe)}


def find(architecture: Architecture, name: str = "") -> tuple[str, Recipe]:
    """The name and the recipe of this architecture: the named one or, by default, ``article`` if it
    exists, else the first. Raises UsageError if there is none."""
    known = architecture.recipes
    if not known:
        raise UsageError(
            f"{architecture.name} has no recipe; use that of another model with --recipe MODEL:NAME"
        )
    chosen = name or ("article" if "article" in known else next(iter(known)))
    if chosen not in known:
        raise UsageError(f"{architecture.name} has no recipe {chosen!r}; it has {', '.join(known)}")
    return chosen, known[chosen]


def from_record(record: Mapping[str, Any]) -> Recipe:
    """A recipe from the JSON record of a run."""
    lists = {name: tuple(value) for name, value in record.items() if isinstance(value, list)}
    return Recipe(**{**record, **lists})


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
