"""Recipes as data: their schedules, their overrides, and the built-in ones."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import pytest

from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.recipe import Recipe, find, from_record, override

PLAIN = Recipe(data="digits", optimizer="sgd", lr=0.1, batch=32, epochs=10)


def recipe(model: str, name: str) -> Recipe:
    return find(registry.find(model), name)[1]


def test_steps_multiply_the_rate_after_each_milestone() -> None:
    steps = replace(PLAIN, schedule="steps", milestones=(4, 8), factor=0.5)
    assert [steps.lr_at(epoch) for epoch in (0, 3.99, 4, 7.5, 8, 9)] == [
        *(0.1, 0.1),
        *(0.1 * 0.5, 0.1 * 0.5),
        *(0.1 * 0.25, 0.1 * 0.25),
    ]


def test_a_cosine_starts_at_the_rate_and_ends_at_0() -> None:
    cosine = replace(PLAIN, schedule="cosine")
    assert cosine.lr_at(0) == 0.1
    assert cosine.lr_at(5) == pytest.approx(0.05)
    assert cosine.lr_at(10) == pytest.approx(0)


def test_the_warm_up_is_linear_and_the_cosine_continues_from_it() -> None:
    warm = replace(PLAIN, schedule="cosine", warmup=2)
    assert [warm.lr_at(epoch) for epoch in (0, 1)] == [0, pytest.approx(0.05)]
    assert warm.lr_at(2) == pytest.approx(0.1)
    assert warm.lr_at(6) == pytest.approx(0.05)


def test_a_constant_rate_stays() -> None:
    assert {PLAIN.lr_at(epoch) for epoch in range(11)} == {0.1}


def test_fields_are_overridden_by_text_as_from_the_command_line() -> None:
    changed = override(
        PLAIN,
        {
            "lr": "0.01",
            "epochs": "3",
            "flip": "true",
            "milestones": "1+2",
            "schedule": "steps",
        },
    )
    assert changed == replace(
        PLAIN, lr=0.01, epochs=3, flip=True, milestones=(1, 2), schedule="steps"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": "1"}, "a recipe has no 'learning_rate'; it has data, optimizer, lr"),
        ({"lr": "much"}, "recipe: lr=much is not a number"),
        ({"lr": "nan"}, "recipe: lr=nan is out of range"),
        ({"lr": "-1"}, "recipe: lr=-1.0 is out of range"),
        ({"epochs": "0"}, "recipe: epochs=0 is out of range"),
        ({"epochs": "2.5"}, "recipe: epochs=2.5 is not a whole number"),
        ({"optimizer": "lion"}, "recipe: optimizer=lion is not sgd or adam or adamw"),
        ({"flip": "perhaps"}, "recipe: flip=perhaps is not true or false"),
        ({"milestones": "1,2"}, "such as 200+230"),
        ({"validation": "1"}, "recipe: validation=1.0 is out of range"),
    ],
)
def test_an_invalid_override_is_refused_in_one_sentence(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        override(PLAIN, settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_restored_from_its_record() -> None:
    steps = replace(PLAIN, schedule="steps", milestones=(4, 8), factor=0.5)
    assert from_record({**asdict(steps), "milestones": [4, 8]}) == steps


def test_the_article_is_the_default_recipe_and_an_unknown_name_is_refused() -> None:
    assert find(registry.find("nin"))[0] == "article"
    assert find(registry.find("nin-digits"))[0] == "fast"
    with pytest.raises(
        UsageError, match="nin has no recipe 'slow'; it has article, paper, fast, plain, short"
    ):
        find(registry.find("nin"), "slow")
    with pytest.raises(UsageError, match="vgg16 has no recipe"):
        find(registry.find("vgg16"))


def test_the_article_on_cifar_10_ends_at_the_rate_that_it_prints() -> None:
    article = recipe("nin", "article")
    assert (article.optimizer, article.batch, article.epochs) == ("adam", 128, 800)
    # Its log ends with 6.7108864e-05, the rate after the eighth step, which no epoch uses.
    assert article.lr_at(799) == pytest.approx(4e-4 * 0.8**7)
    assert math.isclose(4e-4 * 0.8**8, 6.7108864e-05)


def test_the_papers_rate_decreases_in_three_steps() -> None:
    paper = recipe("nin", "paper")
    rates = [paper.lr_at(epoch) for epoch in (0, 199, 200, 229, 230, 239)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert (paper.momentum, paper.weight_decay) == (0.9, 1e-4)
    assert (paper.last_lr, paper.bias_lr) == (0.1, 2.0)


def test_the_recipe_on_fashion_mnist_follows_the_article_exactly() -> None:
    article = recipe("nin-fashion", "article")
    assert (article.optimizer, article.lr, article.batch, article.epochs) == ("adam", 1e-4, 32, 12)


def test_the_three_stages_on_mnist_grow_from_one_another() -> None:
    stages = [recipe(f"nin-mnist-{stage}", "article") for stage in ("v0", "v1", "v2")]
    assert [stage.grows_from for stage in stages] == ["", "nin-mnist-v0", "nin-mnist-v1"]
    assert [stage.new_weights for stage in stages] == [0.0, 1.0, 0.01]
    assert [stage.lr for stage in stages] == [0.001, 0.001, 0.0004]
    assert {(stage.batch, stage.optimizer, stage.momentum) for stage in stages} == {
        (60, "sgd", 0.3)
    }


@pytest.mark.parametrize("name", registry.names())
def test_every_registered_recipe_is_valid_and_has_the_papers_auxiliary_weight(
    name: str,
) -> None:
    for found in registry.find(name).recipes.values():
        assert 0 <= found.lr_at(found.epochs) <= found.lr
        assert found.aux_weight == 0.3
        if found.grows_from:
            assert registry.find(found.grows_from).name == found.grows_from
