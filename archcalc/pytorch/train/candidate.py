"""Train a candidate of a sweep and return its test accuracy as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURES = ("accuracy",)


@dataclass(frozen=True)
class TrainedCandidate:
    """Trains ``spec`` with a candidate's options, resuming an interrupted run."""

    spec: str
    recipe: str = ""
    data: str = ""
    changes: Mapping[str, Any] | None = None
    runs: str = "runs"
    device: str = "auto"

    def __call__(self, candidate: Mapping[str, Any]) -> dict[str, float]:
        import archcalc

        options = {name: str(value) for name, value in candidate.items() if name != "input"}
        side = candidate.get("input")
        settings = "".join(f"-{name}={value}" for name, value in candidate.items())
        folder = Path(self.runs) / f"{self.spec.replace(',', '-')}{settings}"
        run = archcalc.train(
            self.spec,
            recipe=self.recipe,
            data=self.data,
            options=options,
            changes=dict(self.changes or {}),
            folder=str(folder),
            device=self.device,
            resume=folder.exists(),
            **({"input": f"{side}x{side}x3"} if side else {}),
        )
        assert run.result is not None  # train() runs to the end
        return {"accuracy": run.result.accuracy}
