"""What training runs have measured, and their statistics over seeds.

``archcalc.io.runs`` reads the records from disk.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.analysis.record import Record
from archcalc.recipe import Recipe, from_record

# Student's t, two-sided 95 %, by degrees of freedom; 1.96 is its limit (approached to 2 % at 30).
T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
Z_95 = 1.96


class Epoch(NamedTuple):
    """One row of a run's history."""

    epoch: int
    """From 1."""
    lr: float
    """At the epoch's last step."""
    train_loss: float
    """Mean over the images, each as it was when it was learned from; auxiliary heads included."""
    train_accuracy: float
    validation_loss: float | None
    """None where no images are held out, and where it is not finite."""
    validation_accuracy: float | None
    """None where no images are held out."""
    seconds: float
    """Seconds of training, without the evaluation."""
    images_per_second: float
    height: int | None = None
    """Of the images in this epoch; None in records of older versions."""
    flops: int | None = None
    """Of the forward and backward passes of all images; None where they could not be counted."""


class Result(NamedTuple):
    """The results of a finished run on the test images."""

    accuracy: float
    loss: float | None
    """None where it is not finite."""
    images: int
    epoch: int
    """The epoch whose weights were tested."""
    seconds: float
    """Of training, all parts of a resumed run together, without the evaluations."""
    averaged_accuracy: float | None = None
    """The accuracy of the mean answer over several views of each test image, where the recipe has
    ``test_views``."""
    matrix_rate: float | None = None
    """FLOP/s of the machine's best large matrix product; not measured for runs under a minute."""


class Evaluating(NamedTuple):
    """An evaluation under way."""

    images: int
    """So far."""
    of: int


@dataclass(frozen=True, repr=False)
class Run(Record):
    """One run's record."""

    folder: Path
    config: Mapping[str, Any]
    history: tuple[Epoch, ...]
    result: Result | None
    """None until the run is finished."""

    @property
    def model(self) -> str:
        return str(self.config["model"])

    @property
    def recipe_name(self) -> str:
        return str(self.config["recipe_name"])

    @property
    def recipe(self) -> Recipe:
        return from_record(self.config["recipe"])

    @property
    def data(self) -> str:
        return str(self.config["data"]["name"])

    @property
    def input(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return tuple(self.config["input"])

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def best(self) -> Epoch | None:
        return best(self.history)

    @property
    def seconds(self) -> float:
        """Of training, without the evaluations."""
        return sum(row.seconds for row in self.history)

    @property
    def flops(self) -> int | None:
        """Of all forward and backward passes so far; None where an epoch's are not known."""
        each = [row.flops for row in self.history]
        return None if None in each else sum(flops for flops in each if flops is not None)

    @property
    def rate(self) -> float | None:
        """FLOP/s while training."""
        return self.flops / self.seconds if self.flops and self.seconds else None

    @property
    def share_of_matrix_rate(self) -> float | None:
        """The rate over that of the machine's best large matrix product."""
        best = self.result.matrix_rate if self.result else None
        return self.rate / best if self.rate and best else None

    def rows(self) -> list[dict[str, Any]]:
        return [row._asdict() for row in self.history]


class Accuracy(NamedTuple):
    """The test accuracy of one way of training, over its seeds."""

    model: str
    recipe: str
    data: str
    input: tuple[int, ...]
    """(C, H, W) that it was trained at."""
    runs: int
    mean: float
    deviation: float | None
    """Of the sample; None for one run."""
    low: float
    high: float
    """95 %: of the mean over seeds by Student's t; of one run by Wilson's score, which knows only
    how many images it was tested on."""
    epochs: int
    seconds: float
    """Of training, the mean over the runs."""
    averaged: float | None = None
    """The mean accuracy over several views of each test image, where the recipe has them."""
    flops: float | None = None
    """Of all forward and backward passes, the mean over the runs; None where it is not known."""
    share: float | None = None
    """Of the machine's matrix rate that was reached, the mean over the runs."""

    @property
    def interval(self) -> str:
        return f"{100 * self.low:.2f} – {100 * self.high:.2f} %"


def best(history: Sequence[Epoch]) -> Epoch | None:
    """The epoch of the best accuracy on the images held out, of equal ones that of the lower loss;
    the last one where none are held out."""
    if not history:
        return None
    if history[-1].validation_accuracy is None:
        return history[-1]

    def rank(row: Epoch) -> tuple[float, float]:
        loss = math.inf if row.validation_loss is None else row.validation_loss
        return row.validation_accuracy or 0.0, -loss

    return max(history, key=rank)


def groups(runs: Iterable[Run]) -> list[list[Run]]:
    """Finished runs put together: those that differ only in the seed form one group."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.result is not None:
            found.setdefault(_identity(run), []).append(run)
    return list(found.values())


def accuracies(runs: Iterable[Run]) -> list[Accuracy]:
    """What each group of finished runs reached."""
    return [accuracy(group) for group in groups(runs)]


def accuracy(group: Sequence[Run]) -> Accuracy:
    """The accuracy of finished runs that differ only in the seed."""
    results = [run.result for run in group if run.result is not None]
    values = [result.accuracy for result in results]
    low, high = interval(values, results[0].images)
    return Accuracy(
        group[0].model,
        group[0].recipe_name,
        group[0].data,
        group[0].input,
        len(values),
        statistics.fmean(values),
        statistics.stdev(values) if len(values) > 1 else None,
        low,
        high,
        max(len(run.history) for run in group),
        statistics.fmean(result.seconds for result in results),
        _mean(result.averaged_accuracy for result in results),
        _mean(run.flops for run in group),
        _mean(run.share_of_matrix_rate for run in group),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean; None where a value is not known."""
    known = list(values)
    return None if None in known else statistics.fmean(each for each in known if each is not None)


def winner(found: Sequence[Accuracy]) -> Accuracy | None:
    """The best, where its interval lies above all others'; None where they overlap, or where they
    are of different data sets."""
    if len(found) < 2 or len({one.data for one in found}) > 1:
        return None
    ranked = sorted(found, key=lambda one: one.mean, reverse=True)
    return ranked[0] if ranked[0].low > max(one.high for one in ranked[1:]) else None


def interval(values: Sequence[float], images: int) -> tuple[float, float]:
    """The 95 % interval of accuracies; see :class:`Accuracy`.

    >>> [round(edge, 4) for edge in interval([0.9, 0.91, 0.92], images=10_000)]
    [0.8852, 0.9348]
    >>> [round(edge, 4) for edge in interval([0.95], images=10_000)]
    [0.9456, 0.9541]
    """
    if len(values) > 1:
        mean = statistics.fmean(values)
        freedom = len(values) - 1
        t = T_95[freedom - 1] if freedom <= len(T_95) else Z_95
        half = t * statistics.stdev(values) / math.sqrt(len(values))
        return max(0.0, mean - half), min(1.0, mean + half)
    p, squared = values[0], Z_95**2 / images
    middle = (p + squared / 2) / (1 + squared)
    half = math.sqrt(p * (1 - p) * squared + squared**2 / 4) / (1 + squared)
    return middle - half, middle + half


def _identity(run: Run) -> str:
    """All that decides what a run learns, but for the seed."""
    config = run.config
    data = {key: config["data"].get(key) for key in ("name", "fingerprint", "train")}
    parts = [config[key] for key in ("model", "input", "recipe", "precision")]
    return json.dumps([*parts, data, config.get("begins_with")], sort_keys=True)
