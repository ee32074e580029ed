"""Turn bytes into a network's input: resize, scale to 0 to 1, and normalise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from archcalc.errors import UsageError
from archcalc.pytorch.train.data import Images
from archcalc.recipe import Recipe

SAMPLE = 10_000
"""Most images from which the channels' means and standard deviations are computed."""
CONTRAST = 55.0
"""The norm of an image after contrast normalisation. This and ``ADDED_VARIANCE`` are those of the
CIFAR-10 preprocessing of maxout, which NiN uses too."""
ADDED_VARIANCE = 0.1
"""The variance that is added along each axis before whitening."""
LARGEST = 64 * 64 * 3
"""Most values of an image for ZCA, whose matrix has the square of as many."""


class Whitening(NamedTuple):
    """ZCA: subtract the mean image, then multiply by the whitening matrix."""

    mean: Tensor
    """(C·H·W)"""
    matrix: Tensor
    """(C·H·W, C·H·W), symmetric."""

    def apply(self, images: Tensor) -> Tensor:
        flat = contrast(images).flatten(1) - self.mean.to(images.device)
        return (flat @ self.matrix.to(images.device)).view_as(images)


@dataclass(frozen=True)
class Pixels:
    """The preprocessing of every image, in training and in testing."""

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    whitening: Whitening | None = None
    scaled: tuple[int, int] | None = None
    """The size to which normalised images are resized, or None to keep ``size``."""

    def __call__(self, images: Tensor) -> Tensor:
        values = images.float().div_(255)
        size = self.size if self.whitening or self.scaled is None else self.scaled
        values = self._normalised(_resized(values, size))
        return values if self.scaled is None else _resized(values, self.scaled)

    def _normalised(self, values: Tensor) -> Tensor:
        if self.whitening:
            return self.whitening.apply(values)
        if all(mean == 0 for mean in self.mean) and all(std == 1 for std in self.std):
            return values
        mean, std = (
            torch.tensor(numbers, device=values.device).view(1, -1, 1, 1)
            for numbers in (self.mean, self.std)
        )
        return values.sub_(mean).div_(std)

    def at(self, height: int | None) -> Pixels:
        """Return the same preprocessing at another height, in proportion, or at full size."""
        if height is None:
            return replace(self, scaled=None)
        return replace(self, scaled=(height, round(height * self.size[1] / self.size[0])))

    def record(self) -> dict[str, Any]:
        """Return the fields for a run's record; the whitening matrix has its own file."""
        return {"size": self.size, "mean": self.mean, "std": self.std}


def of(normalise: str, images: Images, size: tuple[int, int]) -> Pixels:
    """Compute a recipe's preprocessing from the training images. Raises UsageError."""
    channels = images.shape[0]
    plain = Pixels(size, (0.0,) * channels, (1.0,) * channels)
    if normalise == "zca":
        return replace(plain, whitening=_whitening(images, plain))
    return _by_channel(images, size) if normalise == "channel" else plain


def mean_colour(images: Images, recipe: Recipe) -> Tensor:
    """Return the mean of each channel over the training images, as bytes, for a recipe with
    cutout; otherwise black."""
    if not recipe.cutout:
        return torch.zeros(images.shape[0], dtype=torch.uint8)
    found = torch.tensor(_by_channel(images, images.shape[1:]).mean)
    return found.mul(255).round().to(torch.uint8)


def contrast(images: Tensor) -> Tensor:
    """Apply global contrast normalisation: subtract each image's mean and scale to one norm."""
    centred = images - images.mean((1, 2, 3), keepdim=True)
    norm = centred.flatten(1).norm(dim=1).clamp(min=1e-8)
    return centred.mul(CONTRAST / norm.view(-1, 1, 1, 1))


def _by_channel(images: Images, size: tuple[int, int]) -> Pixels:
    channels = images.shape[0]
    step = max(1, len(images) // SAMPLE)
    # Integer sums do not depend on the order of the images.
    sums = torch.zeros(2, channels, dtype=torch.int64)
    count = 0
    for batch in _batches(images, step):
        values = batch.to(torch.int64)
        sums += torch.stack([values.sum((0, 2, 3)), values.square().sum((0, 2, 3))])
        count += values.numel() // channels
    mean = [total / count / 255 for total in sums[0].tolist()]
    std = [
        math.sqrt(max(count * squares - total**2, 1e-12 * (255 * count) ** 2)) / count / 255
        for total, squares in sums.T.tolist()
    ]
    return Pixels(size, tuple(mean), tuple(std))


def _whitening(images: Images, plain: Pixels) -> Whitening:
    values = images.shape[0] * plain.size[0] * plain.size[1]
    if values > LARGEST:
        raise UsageError(
            f"normalise=zca whitens images of up to {LARGEST:,} values; these have {values:,}; "
            "use normalise=channel, or smaller images with --input"
        )
    total, squares, count = torch.zeros(values), torch.zeros(values, values), 0
    for batch in _batches(images, 1):
        flat = contrast(plain(batch)).flatten(1)
        total += flat.sum(0)
        squares += flat.T @ flat
        count += len(flat)
    mean = total / count
    covariance = squares / count - torch.outer(mean, mean)
    variances, axes = torch.linalg.eigh(covariance)
    # Rounding in single precision can make variances slightly negative.
    scaled = axes * (variances.clamp(min=0) + ADDED_VARIANCE).rsqrt()
    return Whitening(mean, scaled @ axes.T)


def _batches(images: Images, step: int) -> Iterator[Tensor]:
    for batch, _ in images.read(torch.split(torch.arange(0, len(images), step), 1000)):
        yield batch.cpu()


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(values.shape[2:]) == size:
        return values
    return F.interpolate(values, size, mode="bilinear", antialias=True, align_corners=False)
