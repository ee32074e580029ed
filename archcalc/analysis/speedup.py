"""How many times faster one model is than another, with the interval that the samples allow."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from archcalc.analysis.latency import Latency
from archcalc.analysis.quantile import quantiles
from archcalc.language import _

RESAMPLES = 1000
CONFIDENCE = 0.95


class Ratio(NamedTuple):
    """One median over another, with the interval that a bootstrap gives it."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether there is a difference: the interval does not hold 1."""
        return not self.low <= 1 <= self.high

    def __str__(self) -> str:
        """``3.1× faster (95 %: 2.9 to 3.3)``; which of the two is meant is the caller's to say."""
        if not self.shown:
            return _(
                "no difference shown (95 %: {low:.3g}× to {high:.3g}×)",
                low=self.low,
                high=self.high,
            )
        if self.value < 1:
            slower = {"value": 1 / self.value, "low": 1 / self.high, "high": 1 / self.low}
            return _("{value:.3g}× slower (95 %: {low:.3g}× to {high:.3g}×)", **slower)
        return _("{value:.3g}× faster (95 %: {low:.3g}× to {high:.3g}×)", **self._asdict())


def speedup(before: Latency, after: Latency, *, seed: int = 0, resamples: int = RESAMPLES) -> Ratio:
    """How many times faster ``after`` is: the ratio of medians, 1 when they are equal.

    The interval is a percentile bootstrap over turns. Two models that took turns are resampled
    together, turn by turn, so a drift of the machine that hit both does not widen it; two that were
    measured apart are resampled each by itself.
    """
    value = before.median / after.median
    left, right = turns(before), turns(after)
    together = before.setting == after.setting and len(left) == len(right)
    generator = random.Random(seed)
    ratios = []
    for _turn in range(resamples):
        chosen = generator.choices(range(len(left)), k=len(left))
        other = chosen if together else generator.choices(range(len(right)), k=len(right))
        ratios.append(_median_of(left, chosen) / _median_of(right, other))
    cuts = quantiles(ratios, round(2 / (1 - CONFIDENCE)))  # half of what is left out on either side
    return Ratio(value, cuts[0], cuts[-1])


def turns(latency: Latency) -> list[tuple[float, ...]]:
    """The samples, turn by turn."""
    samples, size = latency.samples, latency.per_turn
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def _median_of(groups: Sequence[Sequence[float]], chosen: Sequence[int]) -> float:
    return statistics.median([sample for index in chosen for sample in groups[index]])
