"""The ingredients of the fast recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import archcalc
from archcalc.analysis.runs import Epoch
from archcalc.errors import UsageError
from archcalc.pytorch.build import build
from archcalc.pytorch.train import Settings, run, train
from archcalc.pytorch.train import pixels as image_pixels
from archcalc.pytorch.train.augment import UNCHANGED, alternated, views
from archcalc.pytorch.train.average import Average
from archcalc.pytorch.train.data import InMemory
from archcalc.pytorch.train.evaluate import score
from archcalc.pytorch.train.loop import set_rates
from archcalc.pytorch.train.network import initialise_weights, optimizer
from archcalc.pytorch.train.whitening import filters, whiten
from archcalc.pytorch.train.work import epochs_within, flops_per_image
from archcalc.recipe import Recipe

Make = Callable[..., Settings]
PLAIN = Recipe(data="digits", optimizer="sgd", lr=0.1, batch=32, epochs=10)

EVERYTHING: dict[str, Any] = {
    "optimizer": "muon",
    "matrix_lr": 0.1,
    "matrix_decay": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "schedule": "linear",
    "warmup": 1,
    "whiten": True,
    "frozen": 1,
    "normalise": "zca",
    "flip": True,
    "alternate": True,
    "shift": 1,
    "edge": "reflect",
    "cutout": 2,
    "sizes": (4, 6),
    "dropout": "rising",
    "label_smoothing": 0.1,
    "average": 0.9,
    "lookahead": True,
    "init": "dirac",
    "test_views": "mirror+shift",
    "epochs": 4,
}


def pictures(count: int = 200, channels: int = 3, size: int = 6) -> InMemory:
    """Return images whose neighbouring pixels are similar, as in photographs."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 3, 3, generator=generator)
    smooth = nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    noisy = smooth + 0.1 * torch.rand(smooth.shape, generator=generator)
    return InMemory((noisy * 230).to(torch.uint8), torch.arange(count) % 10)


@pytest.mark.long
def test_a_run_with_every_ingredient_that_is_resumed_equals_an_unbroken_one(
    settings: Make, tmp_path: Path
) -> None:
    whole = train(settings(folder=tmp_path / "whole", recipe=EVERYTHING, limit=0))
    broken = settings(folder=tmp_path / "broken", recipe=EVERYTHING, limit=0)
    under_way = run(broken)
    while not (isinstance(event := next(under_way), Epoch) and event.epoch == 2):
        pass
    under_way.close()  # type: ignore[attr-defined]  # it is a generator
    resumed = train(replace(broken, resume=True))
    assert [row[:6] for row in resumed.history] == [row[:6] for row in whole.history]
    for name in ("last.safetensors", "best.safetensors", "resume.safetensors"):
        first, second = (load_file(one.folder / name) for one in (whole, resumed))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert whole.result is not None
    assert resumed.result == whole.result._replace(seconds=resumed.seconds)
    again = score(resumed.folder, device="cpu")[1]  # with the run's saved whitening
    assert again.accuracy == whole.result.accuracy


def test_the_history_has_the_size_and_the_work_of_each_epoch(settings: Make) -> None:
    found = train(settings(recipe={"epochs": 4, "sizes": (4, 6), "growing": 0.5}))
    assert [row.height for row in found.history] == [4, 6, 8, 8]
    learned = 300 - round(300 * found.recipe.validation)
    graph = archcalc.trace(build("nin-digits"), (2, 1, 8, 8), train=True)
    assert found.history[-1].flops == graph.profile().flops // 2 * learned
    each = [row.flops for row in found.history]
    assert each[0] < each[1] < each[2] == each[3]  # type: ignore[operator]  # known here
    assert found.flops == sum(each)  # type: ignore[arg-type]


def test_the_work_of_an_image_is_about_three_forward_passes() -> None:
    graph = archcalc.graph("nin")
    found = flops_per_image(build(graph, seed=0), (3, 32, 32))
    assert found is not None
    # Every product runs once forward and twice backward, but the first layer needs no input
    # gradient.
    macs = 3 * graph.profile().macs - 32 * 32 * 192 * 5 * 5 * 3
    assert 2 * macs < found < 1.02 * 2 * macs


def test_a_network_that_does_not_accept_a_smaller_image_is_refused(settings: Make) -> None:
    with pytest.raises(UsageError, match="nin-digits,head=fc does not accept images of 4×4"):
        train(settings("nin-digits,head=fc", recipe={"sizes": (4,)}))


def test_filters_whiten_the_patches() -> None:
    images = pictures()
    pixels = image_pixels.of("channel", images, (6, 6))
    found = filters(images, pixels, (3, 3))
    assert found.shape == (27, 3, 3, 3)
    patches = nn.functional.unfold(pixels(images.images), 3).transpose(1, 2).reshape(-1, 27)
    answers = patches @ found.flatten(1).T
    second_moments = answers.T @ answers / len(answers)
    # Close to the identity except for the added variance; the smallest variances are about a tenth
    # of it.
    assert torch.allclose(second_moments, torch.diag(second_moments.diagonal()), atol=1e-2)
    assert second_moments.diagonal()[:5] == pytest.approx(torch.ones(5).tolist(), abs=0.02)


def test_a_whitened_layer_has_each_filter_with_its_negative_and_keeps_the_rest() -> None:
    images = pictures()
    pixels = image_pixels.of("channel", images, (6, 6))
    net = nn.Sequential(nn.Conv2d(3, 60, 3), nn.ReLU(), nn.Conv2d(60, 4, 1))
    before = net[0].weight.detach().clone()  # type: ignore[union-attr,operator]
    whiten(net, images, pixels)
    weight = net[0].weight
    assert isinstance(weight, torch.Tensor)
    assert torch.equal(weight[:27], -weight[27:54])
    assert torch.equal(weight[54:], before[54:])


def test_a_network_without_a_convolution_over_the_image_cannot_be_whitened() -> None:
    images = pictures()
    pixels = image_pixels.of("none", images, (6, 6))
    with pytest.raises(UsageError, match="first layer is a convolution over the image"):
        whiten(nn.Sequential(nn.Flatten(), nn.Linear(108, 10)), images, pixels)


def test_a_frozen_layer_does_not_change_for_the_given_epochs() -> None:
    recipe = replace(PLAIN, whiten=True, frozen=2)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1))
    made = optimizer(net, recipe, 3)
    for epoch, rates in ((0.0, {0.0, 0.1}), (1.99, {0.0, 0.1}), (2.0, {0.1})):
        set_rates(made, recipe, epoch)
        assert {group["lr"] for group in made.param_groups} == rates
    set_rates(made, recipe, 0.0)
    frozen = [group["params"] for group in made.param_groups if group["lr"] == 0]
    assert [[tuple(p.shape) for p in group] for group in frozen] == [[(8, 3, 3, 3)]]


def test_normalisation_scales_and_biases_have_their_own_rates() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
    recipe = replace(PLAIN, bias_lr=4, norm_lr=2, weight_decay=0.1, decay_biases=False)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = {
        names[id(parameter)]: (group["scale"], group["weight_decay"])
        for group in optimizer(net, recipe, 3).param_groups
        for parameter in group["params"]
    }
    assert found == {
        "0.weight": (1, 0.1),
        "0.bias": (4, 0),
        "1.weight": (2, 0),
        "1.bias": (4, 0),
        "2.weight": (1, 0.1),
        "2.bias": (4, 0),
    }


def test_zca_whitens_images_and_keeps_them_images() -> None:
    images = pictures(500, size=4)
    pixels = image_pixels.of("zca", images, (4, 4))
    assert pixels.whitening is not None
    matrix = pixels.whitening.matrix
    assert torch.allclose(matrix, matrix.T, atol=1e-4)
    normalised = image_pixels.contrast(images.images.float() / 255)
    assert normalised.flatten(1).norm(dim=1) == pytest.approx([55.0] * 500, rel=1e-4)
    flat = pixels(images.images).flatten(1)
    covariance = flat.T @ flat / len(flat)
    # Each variance v becomes v / (v + 0.1); with 55² / 48 in all, most of them are near 1.
    before = normalised.flatten(1) - normalised.flatten(1).mean(0)
    variances = torch.linalg.eigvalsh(before.T @ before / len(before)).clamp(min=0)
    expected = variances / (variances + 0.1)
    assert torch.allclose(torch.linalg.eigvalsh(covariance), expected, atol=2e-3)


def test_images_too_large_for_zca_are_refused() -> None:
    with pytest.raises(UsageError, match="normalise=zca whitens images of up to 12,288 values"):
        image_pixels.of("zca", pictures(2, size=6), (65, 64))


def test_two_successive_epochs_show_every_image_both_ways() -> None:
    positions = torch.randperm(1000)
    odd, even = (alternated(positions, 1000, epoch, seed=5) for epoch in (1, 2))
    assert torch.equal(odd, ~even)
    assert 400 < odd.sum() < 600
    assert torch.equal(odd, alternated(positions, 1000, 3, seed=5))
    assert torch.equal(odd[:10], alternated(positions[:10], 1000, 1, seed=5))


def test_views_are_the_image_its_mirror_image_and_both_moved() -> None:
    images = pictures(3).images.float()
    seen = [view(images) for view in views(replace(PLAIN, test_views="mirror+shift"))]
    assert torch.equal(UNCHANGED(images), images)
    assert torch.equal(seen[0], images)
    assert torch.equal(seen[1], images.flip(3))
    assert torch.equal(seen[2][:, :, :-1, :-1], images[:, :, 1:, 1:])
    assert torch.equal(seen[4][:, :, 1:, 1:], images[:, :, :-1, :-1])
    assert torch.equal(seen[5][:, :, 1:, 1:], images.flip(3)[:, :, :-1, :-1])
    assert len(views(replace(PLAIN, test_views="mirror"))) == 2


def test_the_average_is_the_documented_sum() -> None:
    net = nn.BatchNorm1d(1)
    average = Average(net, 0.5)
    expected = 1.0
    for step, value in enumerate((2.0, 4.0, 8.0)):
        nn.init.constant_(net.weight, value)
        net.num_batches_tracked.fill_(step)  # type: ignore[union-attr]
        average.update(net, progress=0.0)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.network.weight.item() == pytest.approx(expected)  # type: ignore[operator,union-attr]
    assert average.network.num_batches_tracked == 2
    other = Average(nn.BatchNorm1d(1), 0.5)
    other.restore(average.state())
    assert other.steps == 3
    assert torch.equal(other.network.weight, average.network.weight)  # type: ignore[arg-type]


def test_with_lookahead_the_network_continues_from_the_average_every_five_steps() -> None:
    net = nn.BatchNorm1d(1)  # its weight is 1 at first
    average = Average(net, 0.9, lookahead=True)
    for step in range(1, 11):
        nn.init.constant_(net.weight, float(step))
        average.update(net, progress=step / 10)
        if step % 5:
            assert net.weight.item() == step
    # After 5 steps of 10 the decay is 0.9⁵ / 8, after 10 it is 0.9⁵.
    first = 0.9**5 / 8 * 1 + (1 - 0.9**5 / 8) * 5
    second = 0.9**5 * first + (1 - 0.9**5) * 10
    assert net.weight.item() == pytest.approx(second)
    assert average.network.weight.item() == pytest.approx(second)  # type: ignore[operator,union-attr]
    with pytest.raises(UsageError, match="lookahead=true needs a decay"):
        replace(PLAIN, lookahead=True)


def test_dirac_convolutions_pass_on_their_inputs() -> None:
    net = build(archcalc.graph("nin"), seed=0)
    initialise_weights(net, "dirac", seed=0)
    usual = build(archcalc.graph("nin"), seed=0)
    initialise_weights(usual, "kaiming", seed=0)
    weights, others = dict(net.named_parameters()), dict(usual.named_parameters())
    equal = [name for name in weights if torch.equal(weights[name], others[name])]
    assert "mlpconv1.conv.weight" in equal  # the first
    assert "mlpconv3.cccp2.conv.weight" in equal  # the last
    # 96 inputs, 192 filters of 5×5: the first 96 pass on one input each, the others are random.
    kernel = weights["mlpconv2.conv.weight"]
    x = torch.randn(2, 96, 8, 8)
    assert torch.equal(nn.functional.conv2d(x, kernel, padding=2)[:, :96], x)
    assert torch.equal(kernel[96:], others["mlpconv2.conv.weight"][96:])


def test_dropout_rises_falls_or_is_off() -> None:
    found = {
        kind: [replace(PLAIN, dropout=kind).dropout_at(epoch) for epoch in (1, 10)]  # type: ignore[arg-type]
        for kind in ("model", "off", "rising", "falling")
    }
    assert found == {"model": [1, 1], "off": [0, 0], "rising": [0, 1], "falling": [1, 0]}


def test_a_run_stops_at_the_requested_accuracy(settings: Make) -> None:
    asked = settings(recipe={"epochs": 30}, limit=0, stop_at=0.5)
    found = train(asked)
    assert found.result is not None
    accuracies = [row.validation_accuracy or 0.0 for row in found.history]
    assert max(accuracies[:-1], default=0.0) < 0.5 <= accuracies[-1]
    assert len(accuracies) < 30
    assert train(replace(asked, resume=True)).result == found.result


def test_the_schedule_is_fitted_into_a_time() -> None:
    clock = {"steps": 0}

    def step(network: nn.Module, height: int | None) -> None:
        clock["steps"] += 1

    recipe = replace(PLAIN, sizes=(4,))
    # Steps take no time, so 7 evaluations of 2 seconds fit into 15 seconds.
    found = epochs_within(15.0, recipe, 10, step, nn.Linear(1, 1), 2.0)
    assert found == 7
    assert clock["steps"] == 12
    stretched = replace(recipe, warmup=2.0, milestones=(5, 8)).in_epochs(5)
    assert (stretched.epochs, stretched.warmup, stretched.milestones) == (5, 1.0, (2, 4))


@pytest.mark.long
def test_a_run_within_a_time_is_resumed_with_the_epochs_it_chose(settings: Make) -> None:
    asked = settings(time=3.0, recipe={"epochs": 4})
    found = train(asked)
    assert found.config["time"] == 3.0
    assert found.recipe.epochs == len(found.history)
    assert train(replace(asked, resume=True)).result == found.result


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nesterov": True}, "nesterov=true needs optimizer=sgd or muon, and a mom"),
        ({"matrix_lr": 0.1}, "matrix_lr needs optimizer=muon"),
        ({"frozen": 2.0}, "set whiten=true"),
        ({"sizes": (16, 0)}, "sizes=.* out of range"),
        ({"growing": 0.0}, "growing=0.0 is out of range"),
        ({"average": 1.0}, "average=1.0 is out of range"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(PLAIN, **changes)
