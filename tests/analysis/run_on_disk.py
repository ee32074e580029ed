"""Runs as training leaves them, made without training."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archcalc.analysis.runs import Epoch, Result
from archcalc.io.runs import history_csv
from archcalc.recipe import Recipe

RECIPE = Recipe(data="digits", optimizer="sgd", lr=0.1, batch=32, epochs=2)


def epoch(number: int, accuracy: float | None, loss: float | None = 1.0) -> Epoch:
    return Epoch(
        number, 0.1, 2.0, 0.3, loss if accuracy is not None else None, accuracy, 5.0, 200.0
    )


def make(folder: Path, accuracy: float | None, *, seconds: float = 10.0, **changes: Any) -> Path:
    """A run on disk; a finished one if it has an accuracy."""
    folder.mkdir(parents=True)
    config = {
        "model": "nin",
        "input": [3, 32, 32],
        "recipe_name": "fast",
        "recipe": asdict(RECIPE),
        "seed": 0,
        "precision": "fp32",
        "data": {"name": "cifar-10", "fingerprint": "ab", "train": 100},
        **changes,
    }
    (folder / "run.json").write_text(json.dumps(config))
    (folder / "history.csv").write_text(history_csv([epoch(1, 0.4), epoch(2, 0.6)]))
    if accuracy is not None:
        result = Result(accuracy, 0.5, 10_000, 2, seconds)
        (folder / "result.json").write_text(json.dumps(result._asdict()))
    return folder
