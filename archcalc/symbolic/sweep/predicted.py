"""The predicted latency of each candidate of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from archcalc.analysis.prediction.calibration import Calibration, dtype_of
from archcalc.analysis.prediction.predict import predict
from archcalc.errors import UsageError
from archcalc.io.calibrations import find
from archcalc.lookup.resolve import find_declared
from archcalc.lookup.spec import ModelSpec
from archcalc.symbolic.sweep.count import Measure, candidate_graph

LATENCIES = ("latency_ms", "latency_low_ms", "latency_high_ms")
"""The figures: the predicted median in milliseconds, and the ends of its interval."""


@dataclass(frozen=True)
class Predicted:
    """Predicts the latency of one candidate by resolving its name."""

    spec: str
    calibration: str
    """A file, or a device of this machine with settings."""
    options: Mapping[str, Any]
    input: tuple[str, ...] = ()
    batch: int = 1
    further: Measure | None = None
    """A further measure of the candidate, if any."""

    def check(self) -> None:
        """Raise UsageError early if there is no calibration. Declared networks are in float32; the
        dtype of other models is known only after tracing."""
        if find_declared(ModelSpec.parse(self.spec, options=self.options)) is not None:
            _calibration(self.calibration, "float32")

    @property
    def source(self) -> str:
        """The machine and the setting of the predictions, or the requested calibration if the dtype
        is not known yet."""
        with suppress(UsageError):
            found = _calibration(self.calibration, "float32")
            return f"{found.machine}, {found.setting}"
        return self.calibration

    def __call__(self, candidate: Mapping[str, Any]) -> dict[str, float]:
        graph = candidate_graph(self.spec, candidate, self.options, self.input, self.batch)
        found = predict(graph, _calibration(self.calibration, dtype_of(graph)))
        times = (found.seconds, found.low, found.high)
        figures = {name: 1e3 * seconds for name, seconds in zip(LATENCIES, times, strict=True)}
        return figures | dict(self.further(candidate) if self.further is not None else {})


@cache
def _calibration(asked: str, dtype: str) -> Calibration:
    """The calibration, read once per process."""
    return find(asked, dtype)
