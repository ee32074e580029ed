"""Several runs give the same results in parallel as in sequence."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archcalc.analysis.runs import Epoch
from archcalc.errors import ArchcalcError, UsageError
from archcalc.lookup import registry
from archcalc.pytorch.train import Settings
from archcalc.pytorch.train.series import plan, train_all
from archcalc.recipe import find

Make = Callable[..., Settings]


def test_parallel_seeds_learn_the_same_as_sequential_ones(settings: Make, tmp_path: Path) -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    found, heard = {}, []
    for jobs in (1, 2):
        chains = plan(settings(folder=tmp_path / str(jobs)), seeds=2)

        def follow(one: Settings, event: Any) -> None:
            if isinstance(event, Epoch):
                heard.append((one.seed, event.epoch))

        runs = train_all(chains, jobs=jobs, follow=follow)
        found[jobs] = [[row[:6] for row in run.history] for run in runs]
        assert [run.seed for run in runs] == [0, 1]
        assert runs[0].config["environment"]["threads"] == 1
    assert found[1] == found[2]
    assert sorted(heard) == sorted([(seed, epoch) for seed in (0, 1) for epoch in (1, 2)] * 2)
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_a_run_that_fails_in_a_process_raises_its_own_error(settings: Make, tmp_path: Path) -> None:
    good = settings(folder=tmp_path / "good")
    bad = settings(folder=tmp_path / "bad", options={"num_classes": "5"})
    with pytest.raises(UsageError, match="has 5 logits for 10 classes"):
        train_all([[good], [bad]], jobs=2)


def test_a_process_that_dies_is_reported_in_one_sentence(settings: Make, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os\n\n\ndef net():\n    os._exit(3)\n", encoding="utf-8"
    )
    model = f"{tmp_path}/deadly.py:net"
    chains = [[settings(model, folder=tmp_path / name, size=(8, 8))] for name in "ab"]
    with pytest.raises(ArchcalcError, match="a process died while training"):
        train_all(chains, jobs=2)


def test_each_seed_of_a_staged_run_goes_through_all_stages(settings: Make) -> None:
    name, recipe = find(registry.find("nin-mnist-v2"), "fast")
    asked = replace(settings("nin-mnist-v2"), recipe_name=name, recipe=recipe)
    chains = plan(asked, seeds=2, staged=True)
    assert [[(one.seed, one.folder.name) for one in chain] for chain in chains] == [
        [(seed, f"nin-mnist-v{stage}") for stage in range(3)] for seed in (0, 1)
    ]
    with pytest.raises(UsageError, match="--ablate and --staged cannot be combined"):
        plan(asked, ablate="dropout", staged=True)
