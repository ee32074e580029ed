"""Augmentation of a batch agrees with augmentation of one image at a time."""

from __future__ import annotations

import torch

from archcalc.pytorch.train.augment import augment, cut_out, draw, mirror, move
from archcalc.recipe import Recipe

RECIPE = Recipe(
    data="digits", optimizer="sgd", lr=0.1, batch=8, epochs=1, flip=True, shift=3, cutout=2
)


def images(count: int = 6) -> torch.Tensor:
    return torch.arange(1, count * 3 * 5 * 7 + 1).view(count, 3, 5, 7)


def test_only_the_marked_images_are_mirrored() -> None:
    given = images(2)
    found = mirror(given, torch.tensor([True, False]))
    assert torch.equal(found[0], given[0].flip(2))
    assert torch.equal(found[1], given[1])


def test_each_image_shifts_by_its_own_rows_and_columns_and_is_filled_with_0() -> None:
    given = images(3)
    found = move(given, torch.tensor([[0, 0], [1, 0], [-2, 3]]))
    assert torch.equal(found[0], given[0])
    assert torch.equal(found[1][:, 1:], given[1][:, :-1])
    assert not found[1][:, 0].any()
    assert torch.equal(found[2][:, :3, 3:], given[2][:, 2:, :4])
    assert not found[2][:, 3:].any()
    assert not found[2][:, :, :3].any()


def test_a_square_of_its_size_is_blanked_and_nothing_else() -> None:
    given = images(1)
    found = cut_out(given, torch.tensor([[0.5, 0.5]]), 2)
    assert (found == 0).sum() == 3 * 2 * 2
    assert torch.equal(found[found != 0], given[found != 0])


def test_augmented_bytes_stay_bytes_with_existing_values() -> None:
    given = images().remainder(256).to(torch.uint8)
    found = augment(given, RECIPE, draw(6, RECIPE, torch.Generator().manual_seed(0)))
    assert found.dtype == torch.uint8
    assert found.shape == given.shape


def test_a_part_of_a_draw_does_what_the_whole_does_to_that_part() -> None:
    given = images()
    drawn = draw(6, RECIPE, torch.Generator().manual_seed(0))
    whole = augment(given, RECIPE, drawn)
    part = augment(given[2:5], RECIPE, drawn.part(slice(2, 5)))
    assert torch.equal(whole[2:5], part)


def test_shifts_take_every_value_up_to_the_recipes() -> None:
    drawn = draw(2000, RECIPE, torch.Generator().manual_seed(0))
    assert sorted(drawn.shift.unique().tolist()) == [-3, -2, -1, 0, 1, 2, 3]
    assert 0.45 < drawn.mirrored.float().mean() < 0.55
