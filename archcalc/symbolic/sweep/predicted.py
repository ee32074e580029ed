"""The predicted latency of each candidate of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from archcalc.analysis.prediction.calibration import Calibration, dtype_of
from archcalc.analysis.prediction.predict import predict
from archcalc.io.calibrations import find
from archcalc.symbolic.sweep.count import Measure, candidate_graph

LATENCIES = ("latency_ms", "latency_low_ms", "latency_high_ms")
"""The figures: the predicted median, and the ends of its interval."""


@dataclass(frozen=True)
class Predicted:
    """Predicts one candidate of a model, by resolving its name."""

    spec: str
    calibration: str
    """A file, or a device of this machine with settings."""
    options: Mapping[str, Any]
    input: tuple[str, ...] = ()
    batch: int = 1
    further: Measure | None = None
    """What else is measured of the candidate."""

    def __call__(self, candidate: Mapping[str, Any]) -> dict[str, float]:
        graph = candidate_graph(self.spec, candidate, self.options, self.input, self.batch)
        found = predict(graph, _calibration(self.calibration, dtype_of(graph)))
        times = (found.seconds, found.low, found.high)
        figures = {name: 1e3 * seconds for name, seconds in zip(LATENCIES, times, strict=True)}
        return figures | dict(self.further(candidate) if self.further is not None else {})


@cache
def _calibration(asked: str, dtype: str) -> Calibration:
    """Read once for all candidates of a process."""
    return find(asked, dtype)
