"""Class maps of the last mlpconv layer, and ablations of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from archcalc.errors import UsageError
from archcalc.lookup.registry import find
from archcalc.pytorch.build import build
from archcalc.pytorch.train import Settings, train
from archcalc.pytorch.train.ablate import ablate, seeds
from archcalc.pytorch.train.featuremaps import before_the_pool, draw, feature_maps, strongest

Make = Callable[..., Settings]


def test_the_means_of_the_maps_are_the_networks_logits() -> None:
    net = build("nin-digits").eval()
    maps_graph = before_the_pool(net.architecture, 10)
    body = build(maps_graph).eval()
    body.load_state_dict(net.state_dict())
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(body(images).mean((2, 3)), net(images))


def test_only_the_top_tenth_of_each_map_is_left() -> None:
    maps = torch.rand(2, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    found = strongest(maps)
    assert (found > 0).sum((2, 3)).unique().tolist() == [10]
    assert torch.equal(found.amax((2, 3)), maps.amax((2, 3)))


def test_maps_of_test_images_and_of_files_are_drawn(settings: Make, tmp_path: Path) -> None:
    run = train(settings())
    found = feature_maps(run, [])
    assert found.maps.shape == (10, 10, 4, 4)
    target = tmp_path / "maps.png"
    draw(found, target)
    with Image.open(target) as image:
        assert image.size == (11 * 66 - 2, 10 * 66 - 2)  # image and ten maps per row
    picture = tmp_path / "own.png"
    Image.new("RGB", (20, 20), (200, 10, 10)).save(picture)
    assert feature_maps(run, [str(picture)]).names == ("own.png",)
    with pytest.raises(UsageError, match="is not a readable image"):
        feature_maps(run, [str(run.folder / "run.json")])


@pytest.mark.parametrize(("name", "options"), [("vgg16", {}), ("nin", {"head": "fc"})])
def test_a_network_without_a_map_per_class_is_refused(name: str, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="does not end in an average over one map per class"):
        before_the_pool(find(name).graph(options=options), 10)


def test_an_option_is_ablated_in_both_states_in_separate_folders(settings: Make) -> None:
    dropout = ablate(settings(), "dropout")
    assert [one.options for one in dropout] == [{"dropout": "0.2"}, {"dropout": "0.0"}]
    assert [one.folder.name for one in dropout] == ["dropout-0.2", "dropout-0.0"]
    assert [one.options["head"] for one in ablate(settings(), "head")] == ["gap", "fc"]
    assert [one.options["mlp"] for one in ablate(settings("nin"), "mlp")] == ["true", "false"]
    with pytest.raises(UsageError, match="neither an option of nin-digits"):
        ablate(settings(), "depth")
    with pytest.raises(UsageError, match="is not a switch, a choice or a fraction"):
        ablate(settings(), "num_classes")


def test_a_recipe_is_ablated_by_leaving_out_each_ingredient(settings: Make) -> None:
    asked = settings(recipe={"whiten": True, "frozen": 1, "flip": True, "label_smoothing": 0.1})
    whole, *others = ablate(asked, "whiten,label_smoothing")
    assert whole.recipe == asked.recipe
    assert [one.folder.name for one in others] == ["without-whiten", "without-label_smoothing"]
    assert others[0].recipe == replace(asked.recipe, whiten=False, frozen=0)
    assert others[1].recipe == replace(asked.recipe, label_smoothing=0)
    every = {one.folder.name for one in ablate(asked, "recipe")}
    assert {"whole", "without-whiten", "without-flip", "without-label_smoothing"} <= every
    with pytest.raises(UsageError, match="the recipe does not use cutout"):
        ablate(asked, "cutout")
    # The model has an option of this name, which comes first.
    assert [one.folder.name for one in ablate(asked, "dropout")] == ["dropout-0.2", "dropout-0.0"]
    scheduled = replace(asked, recipe=replace(asked.recipe, dropout="rising"))
    assert ablate(scheduled, "recipe.dropout")[1].recipe.dropout == "model"


def test_seeds_differ_only_in_the_seed_and_the_folder(settings: Make) -> None:
    found = seeds(settings(), 3)
    assert [one.seed for one in found] == [0, 1, 2]
    assert len({one.folder for one in found}) == 3
    assert len({one.recipe for one in found}) == 1
