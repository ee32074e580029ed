"""The training loop learns, is repeatable, resumes, and keeps every finished epoch."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from archcalc.analysis.runs import Epoch, Evaluating, Run
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io.runs import load
from archcalc.lookup.registry import find as model
from archcalc.pytorch.build import build
from archcalc.pytorch.train import Settings, loop, run, train
from archcalc.pytorch.train.evaluate import score
from archcalc.pytorch.train.loop import logits_and_loss, mix
from archcalc.pytorch.train.network import last_layer, optimizer
from archcalc.recipe import Recipe, find

Make = Callable[..., Settings]


def learned(run: Run) -> list[tuple[Any, ...]]:
    """Return the history without times."""
    return [row[:6] for row in run.history]


def same_weights(one: Path, other: Path) -> bool:
    """Whether the weights of the last epoch are equal to the bit."""
    first, second = (load_file(folder / "last.safetensors") for folder in (one, other))
    return all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.long
def test_the_digits_are_learned_to_97_percent(settings: Make) -> None:
    found = train(settings(recipe={"epochs": 20}, limit=0))
    assert found.result is not None
    assert found.result.images == 359
    assert found.result.accuracy > 0.97
    assert {path.name for path in found.folder.iterdir()} == {
        "run.json",
        "history.csv",
        "best.safetensors",
        "last.safetensors",
        "resume.safetensors",
        "result.json",
    }
    again = score(found.folder, device="cpu")[1]
    assert again.accuracy == found.result.accuracy


@pytest.mark.long
@pytest.mark.data
def test_a_few_hundred_mnist_images_are_learned_to_80_percent(
    settings: Make, real_mnist: tuple[int, int]
) -> None:
    few = settings(data="mnist", size=(14, 14), limit=600, recipe={"epochs": 12, "batch": 16})
    result = train(few).result
    assert result is not None
    assert result.accuracy > 0.85


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    settings: Make, tmp_path: Path
) -> None:
    runs = [
        train(settings(folder=tmp_path / str(index), seed=seed))
        for index, seed in enumerate((0, 0, 1))
    ]
    assert learned(runs[0]) == learned(runs[1])
    assert same_weights(runs[0].folder, runs[1].folder)
    assert learned(runs[0]) != learned(runs[2])


def test_a_resumed_run_gives_the_same_bits_as_an_unbroken_one(
    settings: Make, tmp_path: Path
) -> None:
    whole = train(settings(folder=tmp_path / "whole", recipe={"epochs": 4}))
    broken = settings(folder=tmp_path / "broken", recipe={"epochs": 4})
    under_way = run(broken)
    while not (isinstance(event := next(under_way), Epoch) and event.epoch == 2):
        pass
    under_way.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(load(broken.folder).history) == 2
    resumed = train(replace(broken, resume=True))
    assert learned(resumed) == learned(whole)
    assert same_weights(resumed.folder, whole.folder)
    assert resumed.result == whole.result._replace(seconds=resumed.result.seconds)  # type: ignore[union-attr]  # both are finished


def test_a_finished_run_is_not_tested_again(settings: Make) -> None:
    first = train(settings())
    written = (first.folder / "result.json").stat().st_mtime_ns
    assert train(settings(resume=True)).result == first.result
    assert (first.folder / "result.json").stat().st_mtime_ns == written


def test_evaluations_tell_how_many_images_they_have_seen(
    settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_STEP", -1.0)
    how = settings(recipe={"epochs": 1, "validation": 0.1})
    seen = [event for event in run(how) if isinstance(event, Evaluating)]
    # 30 of 300 training images are held out; the 300 test images need two batches.
    assert seen == [Evaluating(30, 30), Evaluating(256, 300), Evaluating(300, 300)]
    told: list[tuple[int, int, str]] = []
    score(how.folder, device="cpu", follow=lambda *step: told.append(step))
    assert told == [(256, 359, "digits"), (359, 359, "digits")]  # all of them


def test_a_run_is_not_overwritten_and_not_mixed_with_another(settings: Make) -> None:
    train(settings())
    with pytest.raises(
        UsageError, match="already has a run of 2 epochs; continue it with --resume"
    ):
        train(settings())
    with pytest.raises(UsageError, match="is another run: its seed is 0, not 1"):
        train(settings(resume=True, seed=1))
    with pytest.raises(UsageError, match=r"its lr is 0\.005, not 0\.1"):
        train(settings(resume=True, recipe={"lr": 0.1}))


def test_epochs_can_be_added_if_the_schedule_does_not_depend_on_them(
    settings: Make,
) -> None:
    constant = {"schedule": "constant", "warmup": 0}
    train(settings(recipe=constant))
    more = train(settings(recipe={**constant, "epochs": 3}, resume=True))
    assert len(more.history) == 3
    assert more.recipe.epochs == 3


def test_files_are_repaired_after_a_kill_between_two_writes(settings: Make, tmp_path: Path) -> None:
    whole = train(settings(folder=tmp_path / "whole"))
    found = train(settings())
    for name in ("last.safetensors", "best.safetensors", "history.csv", "result.json"):
        (found.folder / name).unlink()
    if whole.best is not None and whole.best.epoch != 2:  # written one epoch earlier
        (found.folder / "best.safetensors").write_bytes(
            (whole.folder / "best.safetensors").read_bytes()
        )
    again = train(settings(resume=True))
    assert learned(again) == learned(whole)
    assert same_weights(again.folder, whole.folder)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_finished_epochs(
    settings: Make,
) -> None:
    wild = {"optimizer": "sgd", "schedule": "steps", "milestones": "1", "factor": 1e30}
    with pytest.raises(ArchcalcError) as caught:
        train(settings(recipe={**wild, "epochs": 3, "warmup": 0}))
    message = str(caught.value)
    assert message.startswith("the loss is ")
    assert "in epoch 2; its first 1 epochs are kept" in message
    kept = load(settings().folder)
    assert len(kept.history) == 1
    assert all(
        value.isfinite().all() for value in load_file(kept.folder / "last.safetensors").values()
    )


def test_a_full_disk_is_reported_in_one_sentence_and_the_run_can_be_resumed(
    settings: Make, tmp_path: Path
) -> None:
    whole = train(settings(folder=tmp_path / "whole", recipe={"epochs": 3}))
    full = settings(folder=tmp_path / "full", recipe={"epochs": 3})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    events = run(full)
    while not (isinstance(event := next(events), Epoch) and event.epoch == 2):
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ArchcalcError) as caught:
            list(events)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value) == (
        f"cannot write into the run {full.folder}: file too large; its first 2 epochs are kept; "
        "free some space and give --resume"
    )
    assert not list(full.folder.glob(".*"))  # no partial files are left
    assert len(load(full.folder).history) == 2
    assert same_weights(train(replace(full, resume=True)).folder, whole.folder)


def test_damaged_weights_and_an_invalid_folder_are_refused_in_one_sentence(
    settings: Make, tmp_path: Path
) -> None:
    found = train(settings())
    (found.folder / "resume.safetensors").write_bytes(b"not weights")
    with pytest.raises(UsageError, match=r"resume\.safetensors cannot be read"):
        train(settings(resume=True))
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchcalcError, match=r"cannot write into the run .*no epoch is finished"):
        train(settings(folder=tmp_path / "file" / "run"))


def test_the_callers_random_state_does_not_change(settings: Make) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train(settings())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_in_pieces_gives_the_same_gradients(settings: Make, tmp_path: Path) -> None:
    one, pieces = (
        train(
            settings(
                folder=tmp_path / str(count),
                accumulate=count,
                options={"dropout": "0.0"},
                recipe={"optimizer": "sgd", "lr": 0.05},
            )
        )
        for count in (1, 3)
    )
    for first, second in zip(one.history, pieces.history, strict=True):
        assert second.train_loss == pytest.approx(first.train_loss, rel=1e-4)


@pytest.mark.long
def test_bf16_and_either_layout_learn_as_well(settings: Make, tmp_path: Path) -> None:
    for index, changes in enumerate(
        ({"precision": "bf16"}, {"channels_last": False}, {"precision": "fp32"})
    ):
        found = train(settings(folder=tmp_path / str(index), recipe={"epochs": 6}, **changes))
        assert found.history[-1].train_loss < 0.8 * found.history[0].train_loss


def test_auxiliary_heads_have_weight_0_3() -> None:
    recipe = find(model("googlenet"))[1]
    torch.manual_seed(0)
    heads = [torch.randn(4, 5) for _ in range(3)]
    labels = torch.tensor([0, 1, 2, 3])
    main, first, second = (F.cross_entropy(head, labels) for head in heads)
    logits, loss = logits_and_loss(tuple(heads), labels, recipe)
    assert logits is heads[0]
    assert loss.item() == pytest.approx((main + 0.3 * first + 0.3 * second).item())
    assert logits_and_loss(heads[0], labels, recipe)[1].item() == pytest.approx(main.item())


def test_biases_and_the_last_layer_have_the_papers_rates() -> None:
    recipe = find(model("nin"), "paper")[1]
    net = build("nin")
    assert last_layer(net) == "mlpconv3.cccp2.conv"
    assert last_layer(build("googlenet")) == "linear"
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    rates = {
        names[id(parameter)]: (group["scale"], group["weight_decay"])
        for group in optimizer(net, recipe, 3).param_groups
        for parameter in group["params"]
    }
    assert rates["mlpconv1.conv.weight"] == (1.0, 1e-4)
    assert rates["mlpconv1.conv.bias"] == (2.0, 0.0)
    assert rates["mlpconv3.cccp2.conv.weight"] == (0.1, 1e-4)
    assert rates["mlpconv3.cccp2.conv.bias"] == (pytest.approx(0.2), 0.0)


def test_optimizer_steps_equal_those_of_a_plain_loop(settings: Make) -> None:
    """Compare the loop with five lines of torch, on one batch per epoch without randomness."""
    plain = {"optimizer": "sgd", "momentum": 0.9, "schedule": "constant", "warmup": 0, "lr": 0.05}
    plain |= {"batch": 10_000, "validation": 0, "normalise": "none", "weight_decay": 0}
    asked = settings(recipe=plain, options={"dropout": "0.0"}, channels_last=False)
    found = train(asked)
    from archcalc.pytorch.train.loop import load_data

    images = load_data(asked).train
    [(pictures, labels)] = images.read([torch.arange(len(images))])
    net: nn.Module = build("nin-digits", options={"dropout": 0.0}, seed=0)
    plain_sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(2):
        loss = F.cross_entropy(net(pictures.float() / 255), labels)
        plain_sgd.zero_grad()
        loss.backward()
        plain_sgd.step()
        losses.append(loss.item())
    assert [row.train_loss for row in found.history] == pytest.approx(losses, rel=1e-5)


def test_similar_seeds_give_different_hashes() -> None:
    found = {
        mix(seed, epoch, rank) for seed in range(9) for epoch in range(9) for rank in (-1, 0, 1)
    }
    assert len(found) == 9 * 9 * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "cuda"}, "--device cuda: torch finds no CUDA device"),
        ({"precision": "fp16"}, "--precision fp16 needs a GPU"),
        ({"accumulate": 65}, "batch 64 cannot be split into 65 equal steps on 1 processes"),
        ({"options": {"num_classes": "5"}}, "has 5 logits for 10 classes"),
        ({"limit": 1, "recipe": {"validation": 0.9}}, "too few images"),
    ],
)
def test_invalid_settings_are_refused_in_one_sentence(
    settings: Make, changes: dict[str, Any], words: str
) -> None:
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        changes = {"precision": "fp16"}  # fails on a CPU on any machine
        words = "--precision fp16 needs a GPU"
    with pytest.raises(UsageError, match=words):
        train(settings(**changes))


def test_a_users_torch_module_can_be_trained(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_net.py").write_text(
        "from torch import nn\n\n\n"
        "def net() -> nn.Module:\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    found = train(settings(f"{tmp_path}/own_net.py:net", size=(8, 8), recipe={"epochs": 4}))
    assert found.history[-1].train_loss < found.history[0].train_loss


def test_the_recipe_of_a_run_is_a_record() -> None:
    assert isinstance(find(model("nin"))[1], Recipe)
