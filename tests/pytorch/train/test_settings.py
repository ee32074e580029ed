"""Settings from names: the recipe, the folder, and invalid values."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc
from archcalc.errors import UsageError
from archcalc.pytorch.train import Settings


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("", "nin-fast-seed0"),
        ("cifar-10", "nin-fast-seed0"),
        ("cifar-10:/data", "nin-fast-seed0"),
        ("cifar-100", "nin-fast-cifar-100-seed0"),
        ("folder:/data/cifar10-jpeg", "nin-fast-cifar10-jpeg-seed0"),
    ],
)
def test_the_folder_name_distinguishes_runs(data: str, name: str) -> None:
    assert Settings.of("nin", recipe="fast", data=data).folder == Path("runs", name)


def test_a_folder_of_the_recipes_own_set_adds_nothing_to_the_name(tmp_path: Path) -> None:
    made = Settings.of("nin,norm=batch", recipe="fast", data=str(tmp_path), seed=3, runs=tmp_path)
    assert made.folder == tmp_path / "nin_norm=batch-fast-seed3"


def test_recipes_of_the_model_or_of_another_one_can_be_changed() -> None:
    assert Settings.of("nin").recipe_name == "article"
    made = Settings.of("./net.py:Net", recipe="nin:fast", changes={"lr": "0.5"}, input="8x9")
    assert (made.recipe_name, made.recipe.lr, made.size) == ("fast", 0.5, (8, 9))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "./net.py:Net"}, "has no recipe"),
        ({"model": "nin", "recipe": "slow"}, "has no recipe 'slow'"),
        ({"model": "nin", "input": "32"}, "--input 32: write height and width"),
        ({"model": "nin", "changes": {"epoch": 3}}, "a recipe has no 'epoch'"),
    ],
)
def test_invalid_settings_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings.of(**given)  # type: ignore[arg-type]  # as users may give it


def test_a_run_from_python(tmp_path: Path) -> None:
    run = archcalc.train(
        "nin-digits", changes={"epochs": 2}, folder=tmp_path / "run", limit=200, device="cpu"
    )
    assert run.result is not None
    assert len(run.history) == 2
    assert run.folder == tmp_path / "run"
