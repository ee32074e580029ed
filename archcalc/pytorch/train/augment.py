"""Augment a whole batch of images at random, on their device.

The random numbers come from one generator and are drawn for the whole batch of all processes, so
several processes together see the same images as a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from archcalc.recipe import Recipe


@dataclass(frozen=True)
class Draw:
    """Random numbers for some images, one row each."""

    mirrored: Tensor
    shift: Tensor
    """Rows and columns, N×2."""
    blank: Tensor
    """The centre of the blank square, N×2, as fractions of height and width."""

    def part(self, positions: slice) -> Draw:
        return Draw(self.mirrored[positions], self.shift[positions], self.blank[positions])


def draw(count: int, recipe: Recipe, generator: torch.Generator) -> Draw:
    """Draw numbers for ``count`` images, on the CPU, so that they do not depend on the device."""
    return Draw(
        torch.rand(count, generator=generator) < 0.5,
        torch.randint(-recipe.shift, recipe.shift + 1, (count, 2), generator=generator),
        torch.rand(count, 2, generator=generator),
    )


def alternated(positions: Tensor, count: int, epoch: int, seed: int) -> Tensor:
    """Return which of these images are mirrored in this epoch.

    Half of all ``count`` images, drawn once from the seed, are mirrored in odd epochs and the other
    half in even ones.
    """
    generator = torch.Generator().manual_seed(seed)
    odd = torch.rand(count, generator=generator) < 0.5
    return odd[positions] ^ (epoch % 2 == 0)


def augment(images: Tensor, recipe: Recipe, drawn: Draw) -> Tensor:
    """Mirror, shift and cut out images (N, C, H, W) according to the recipe."""
    if recipe.flip:
        images = mirror(images, drawn.mirrored.to(images.device))
    if recipe.shift:
        images = move(images, drawn.shift.to(images.device))
    if recipe.cutout:
        images = cut_out(images, drawn.blank.to(images.device), recipe.cutout)
    return images


def mirror(images: Tensor, which: Tensor) -> Tensor:
    """Mirror the marked images left to right."""
    return torch.where(which.view(-1, 1, 1, 1), images.flip(3), images)


def move(images: Tensor, by: Tensor) -> Tensor:
    """Shift each image by its own rows and columns, filling with 0."""
    count, _, height, width = images.shape
    rows = torch.arange(height, device=images.device) - by[:, :1]
    columns = torch.arange(width, device=images.device) - by[:, 1:]
    inside = ((rows >= 0) & (rows < height)).unsqueeze(2) & (
        (columns >= 0) & (columns < width)
    ).unsqueeze(1)
    each = torch.arange(count, device=images.device).view(-1, 1, 1)
    # With channels last, indexing selects whole pixels.
    moved = images.permute(0, 2, 3, 1)[
        each, rows.clamp(0, height - 1).unsqueeze(2), columns.clamp(0, width - 1).unsqueeze(1)
    ]
    return (moved * inside.unsqueeze(3)).permute(0, 3, 1, 2)


def cut_out(images: Tensor, middle: Tensor, size: int) -> Tensor:
    """Set a square in each image to 0 (DeVries and Taylor 2017, arXiv:1708.04552)."""
    _, _, height, width = images.shape
    top = (middle[:, :1] * height).floor() - size // 2
    left = (middle[:, 1:] * width).floor() - size // 2
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    blank = ((rows >= top) & (rows < top + size)).unsqueeze(2) & (
        (columns >= left) & (columns < left + size)
    ).unsqueeze(1)
    return images * ~blank.unsqueeze(1)


View = Callable[[Tensor], Tensor]
"""A fixed transformation of images (N, C, H, W)."""


def _seen(images: Tensor, mirrored: bool, by: tuple[int, int]) -> Tensor:
    if mirrored:
        images = images.flip(3)
    if by == (0, 0):
        return images
    return move(images, torch.tensor(by, device=images.device).expand(len(images), 2))


def _views(moves: Sequence[tuple[int, int]]) -> tuple[View, ...]:
    return tuple(
        partial(_seen, mirrored=mirrored, by=by) for by in moves for mirrored in (False, True)
    )


UNCHANGED: View = partial(_seen, mirrored=False, by=(0, 0))
VIEWS: Mapping[str, tuple[View, ...]] = {
    "mirror": _views([(0, 0)]),
    "mirror+shift": _views([(0, 0), (-1, -1), (1, 1)]),
}
"""Views over which ``test_views`` averages logits: the image and its mirror image, and both shifted
by one pixel up and left, and down and right."""
