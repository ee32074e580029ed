"""Augmentation of a batch agrees with augmentation of one image at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from archcalc.pytorch.train.augment import augment, cut_out, draw, mirror, move, views
from archcalc.pytorch.train.data import InMemory
from archcalc.pytorch.train.pixels import mean_colour
from archcalc.recipe import Recipe

RECIPE = Recipe(
    data="digits", optimizer="sgd", lr=0.1, batch=8, epochs=1, flip=True, shift=3, cutout=2
)

BLACK = torch.zeros(3, dtype=torch.uint8)


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


@pytest.mark.parametrize("by", [(1, -2), (-3, 2), (-4, 6), (0, 0)])
def test_a_shift_reflects_the_border_as_torch_pads_it(by: tuple[int, int]) -> None:
    given = images(1)
    found = move(given, torch.tensor([by]), "reflect")
    rows, columns = by
    around = F.pad(given.float(), (6, 6, 4, 4), mode="reflect")
    expected = around[:, :, 4 - rows : 9 - rows, 6 - columns : 13 - columns]
    assert torch.equal(found.float(), expected)


def test_a_row_of_pixels_reflects_itself() -> None:
    given = images(1)[:, :, :1]
    assert torch.equal(move(given, torch.tensor([[2, 0]]), "reflect"), given)


def test_a_square_of_its_size_takes_the_colour_and_nothing_else_does() -> None:
    given = images(1) + 9
    found = cut_out(given, torch.tensor([[0.5, 0.5]]), 2, torch.tensor([7, 8, 9]))
    changed = found != given
    assert changed.sum() == 3 * 2 * 2
    assert [set(channel.tolist()) for channel in found[changed].view(3, 4)] == [{7}, {8}, {9}]


def test_the_mean_colour_is_that_of_all_pixels() -> None:
    bright = torch.tensor([[0, 10, 20], [10, 30, 60]], dtype=torch.uint8).view(2, 3, 1, 1)
    set_of_two = InMemory(bright.expand(2, 3, 4, 5).contiguous(), torch.zeros(2, dtype=torch.int64))
    assert mean_colour(set_of_two, RECIPE).tolist() == [5, 20, 40]
    assert mean_colour(set_of_two, replace(RECIPE, cutout=0)).tolist() == [0, 0, 0]


def test_views_of_a_recipe_reflect_as_its_shifts_do() -> None:
    given = images(1)
    unchanged, mirrored, left, *_ = views(replace(RECIPE, test_views="mirror+shift"))
    assert torch.equal(unchanged(given), given)
    assert torch.equal(mirrored(given), given.flip(3))
    assert not left(given)[:, :, -1].any()
    reflecting = views(replace(RECIPE, test_views="mirror+shift", edge="reflect"))[2]
    # Up and left by one: the last row repeats the one that is now the last but two.
    assert torch.equal(reflecting(given)[0, :, -1, :-1], given[0, :, -2, 1:])


def test_augmented_bytes_stay_bytes_with_existing_values() -> None:
    given = images().remainder(256).to(torch.uint8)
    found = augment(given, RECIPE, draw(6, RECIPE, torch.Generator().manual_seed(0)), BLACK)
    assert found.dtype == torch.uint8
    assert found.shape == given.shape


def test_a_part_of_a_draw_does_what_the_whole_does_to_that_part() -> None:
    given = images()
    drawn = draw(6, RECIPE, torch.Generator().manual_seed(0))
    whole = augment(given, RECIPE, drawn, BLACK)
    part = augment(given[2:5], RECIPE, drawn.part(slice(2, 5)), BLACK)
    assert torch.equal(whole[2:5], part)


def test_shifts_take_every_value_up_to_the_recipes() -> None:
    drawn = draw(2000, RECIPE, torch.Generator().manual_seed(0))
    assert sorted(drawn.shift.unique().tolist()) == [-3, -2, -1, 0, 1, 2, 3]
    assert 0.45 < drawn.mirrored.float().mean() < 0.55
