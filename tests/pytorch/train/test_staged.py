"""Training in stages: which weights are carried or new, and that identity changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.pytorch.build import build
from archcalc.pytorch.train import Growth, Settings, train
from archcalc.pytorch.train.staged import after, carry, stages
from archcalc.recipe import find, override

INPUT = "28x28x1"
POOLED = {"global_pool": True}


def grown(
    tmp_path: Path, smaller: str, larger: str, new: float | str
) -> tuple[torch.nn.Module, ...]:
    """Return two stages, with the second started from the first one's weights in a file."""
    first = build(smaller, INPUT, options=POOLED, seed=1).eval()
    file = tmp_path / "weights.safetensors"
    save_file(first.state_dict(), file)
    second = build(larger, INPUT, options=POOLED, seed=2).eval()
    carry(second, Growth(model=smaller, weights=file, new=new))  # type: ignore[arg-type]  # as given
    return first, second


@pytest.mark.parametrize(
    ("smaller", "larger", "new", "fill"),
    [
        ("nin-mnist-v0", "nin-mnist-v1", ("group1.cccp2", "group3.cccp2"), 1.0),
        ("nin-mnist-v1", "nin-mnist-v2", ("group2.cccp2",), 0.01),
    ],
)
def test_weights_are_carried_by_name_and_new_1x1_are_filled_as_the_article_does(
    tmp_path: Path, smaller: str, larger: str, new: tuple[str, ...], fill: float
) -> None:
    first, second = grown(tmp_path, smaller, larger, fill)
    before, weights = first.state_dict(), second.state_dict()
    for name, value in weights.items():
        if name.rpartition(".")[0] in new:
            wanted = torch.zeros_like(value) if name.endswith("bias") else value * 0 + fill
            assert torch.equal(value, wanted), name
        else:
            assert torch.equal(value, before[name]), name
    assert len(weights) - len(before) == 2 * len(new)


def test_a_new_identity_after_a_relu_does_not_change_the_output(tmp_path: Path) -> None:
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    first, second = grown(tmp_path, "nin-mnist-v1", "nin-mnist-v2", "identity")
    torch.testing.assert_close(second(images), first(images))
    first, second = grown(tmp_path, "nin-mnist-v1", "nin-mnist-v2", 0.01)
    assert not torch.allclose(second(images), first(images))


def test_a_larger_window_cannot_be_new(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({"nothing": torch.zeros(1)}, file)
    with pytest.raises(UsageError, match=r"group1.conv.weight \(10×1×3×3\) is not in it, .*1×1"):
        carry(build("nin-mnist-v0"), Growth(model="it", weights=file, new=1.0))


def test_three_stages_train_one_after_another(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, recipe = find(registry.find("nin-mnist"), "fast")
    last = replace(
        settings("nin-mnist"),
        recipe_name=name,
        recipe=override(recipe, {"epochs": 1}),
        options=POOLED,
        size=(28, 28),
        data="digits",
        limit=100,
    )
    chain = stages(last)
    assert [stage.folder.name for stage in chain] == [f"nin-mnist-v{index}" for index in range(3)]
    before: Settings | None = None
    for stage in chain:
        run = train(after(before, stage) if before else stage)
        assert run.result is not None
        before = stage
    assert run.config["begins_with"] == {"model": "nin-mnist-v1", "new_weights": "identity"}
    transfer = (run.folder / "transfer.csv").read_text().splitlines()
    assert "group1.cccp2.weight,10×10×1×1,carried" in transfer
    assert "group2.cccp2.weight,20×20×1×1,new: identity" in transfer


def test_a_model_that_does_not_grow_is_refused(settings: Callable[..., Settings]) -> None:
    with pytest.raises(UsageError, match="nin-digits does not extend a smaller model"):
        stages(settings())


def test_changes_to_the_recipe_apply_to_every_stage(tmp_path: Path) -> None:
    asked = Settings.of(
        "nin-mnist", recipe="article", changes={"epochs": 2, "momentum": 0.9}, folder=tmp_path
    )
    found = [stage.recipe for stage in stages(asked)]
    assert [recipe.momentum for recipe in found] == [0.9, 0.9, 0.9]
    assert [recipe.epochs for recipe in found] == [2, 2, 2]
    assert [recipe.lr for recipe in found] == [0.001, 0.001, 0.0004]  # the stages' own
    assert [recipe.new_weights for recipe in found] == [0.0, 1.0, 0.01]
