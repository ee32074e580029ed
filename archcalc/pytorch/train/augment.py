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


def augment(images: Tensor, recipe: Recipe, drawn: Draw, colour: Tensor) -> Tensor:
    """Mirror, shift and cut out images (N, C, H, W) according to the recipe.

    ``colour`` (C) fills the squares that are cut out.
    """
    if recipe.flip:
        images = mirror(images, drawn.mirrored.to(images.device))
    if recipe.shift:
        images = move(images, drawn.shift.to(images.device), recipe.edge)
    if recipe.cutout:
        images = cut_out(images, drawn.blank.to(images.device), recipe.cutout, colour)
    return images


def mirror(images: Tensor, which: Tensor) -> Tensor:
    """Mirror the marked images left to right."""
    return torch.where(which.view(-1, 1, 1, 1), images.flip(3), images)


def move(images: Tensor, by: Tensor, edge: str = "black") -> Tensor:
    """Shift each image by its own rows and columns, filling with 0 or with its reflection."""
    count, _, height, width = images.shape
    rows = torch.arange(height, device=images.device) - by[:, :1]
    columns = torch.arange(width, device=images.device) - by[:, 1:]
    inside = ((rows >= 0) & (rows < height)).unsqueeze(2) & (
        (columns >= 0) & (columns < width)
    ).unsqueeze(1)
    rows, columns = _reflected(rows, height), _reflected(columns, width)
    each = torch.arange(count, device=images.device).view(-1, 1, 1)
    # With channels last, indexing selects whole pixels.
    moved = images.permute(0, 2, 3, 1)[each, rows.unsqueeze(2), columns.unsqueeze(1)]
    if edge == "black":
        moved = moved * inside.unsqueeze(3)
    return moved.permute(0, 3, 1, 2)


def _reflected(positions: Tensor, length: int) -> Tensor:
    """Positions outside an image, reflected at its border without repeating it."""
    if length == 1:
        return torch.zeros_like(positions)
    return length - 1 - (positions.abs() % (2 * length - 2) - (length - 1)).abs()


def cut_out(images: Tensor, middle: Tensor, size: int, colour: Tensor) -> Tensor:
    """Fill a square in each image with a colour (DeVries and Taylor 2017, arXiv:1708.04552)."""
    _, _, height, width = images.shape
    top = (middle[:, :1] * height).floor() - size // 2
    left = (middle[:, 1:] * width).floor() - size // 2
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    blank = ((rows >= top) & (rows < top + size)).unsqueeze(2) & (
        (columns >= left) & (columns < left + size)
    ).unsqueeze(1)
    return torch.where(blank.unsqueeze(1), colour.to(images.device).view(1, -1, 1, 1), images)


View = Callable[[Tensor], Tensor]
"""A fixed transformation of images (N, C, H, W)."""


def _seen(
    images: Tensor, mirrored: bool = False, by: tuple[int, int] = (0, 0), edge: str = "black"
) -> Tensor:
    if mirrored:
        images = images.flip(3)
    if by == (0, 0):
        return images
    return move(images, torch.tensor(by, device=images.device).expand(len(images), 2), edge)


UNCHANGED: View = partial(_seen)
MOVES: Mapping[str, Sequence[tuple[int, int]]] = {
    "mirror": [(0, 0)],
    "mirror+shift": [(0, 0), (-1, -1), (1, 1)],
}
"""Rows and columns by which the views of ``test_views`` are shifted."""


def views(recipe: Recipe) -> tuple[View, ...]:
    """The views over which a recipe averages logits: the image and its mirror image, perhaps both
    shifted by one pixel up and left, and down and right."""
    return tuple(
        partial(_seen, mirrored=mirrored, by=by, edge=recipe.edge)
        for by in MOVES[recipe.test_views]
        for mirrored in (False, True)
    )
