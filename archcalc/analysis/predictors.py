"""How well multiply-adds, bytes, the roofline's bound and predictions agree with measured times."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

from archcalc.analysis.latency import Latency
from archcalc.analysis.quantile import rank_correlation

FEWEST = 4
"""The fewest models whose order says anything about a predictor."""

READ: Mapping[str, Callable[[Latency], float | None]] = {
    "macs": lambda row: row.macs or row.least_macs,
    "bytes": lambda row: row.bytes_moved,
    "bound": lambda row: row.bound,
    "prediction": lambda row: row.predicted and row.predicted.seconds,
}
"""The predictors. Only the last is meant to be the time itself."""


class Agreement(NamedTuple):
    """How well one predictor agrees with measured medians."""

    predictor: str
    """A key of :data:`READ`."""
    scaled: bool
    """Whether the predictor was multiplied by the constant that fits these times best, which
    favours it."""
    models: int
    spearman: float | None
    """Spearman's rank correlation with the medians; None where all values are equal."""
    median_error: float
    """The median of abs(predictor / time - 1)."""
    within_10: float
    """The share of models with an error of at most 10 %."""
    within_20: float
    misplaced: str
    """The model whose rank differs most."""
    place: int
    """Its rank by the predictor, from 1."""
    place_in_time: int
    """Its rank by time."""


def agreements(rows: Sequence[Latency]) -> tuple[Agreement, ...]:
    """Return the agreement of each predictor that is known for enough of the models.

    ``rows`` are of one setting. Models without a value are left out.
    """
    found = []
    for name, read in READ.items():
        known = [(row, value) for row in rows if (value := read(row))]
        if len(known) >= FEWEST:
            found.append(_agreement(name, known, scaled=name != "prediction"))
    if [row.predictor for row in found] == ["macs"]:
        return ()  # nothing to compare it with
    return tuple(found)


def _agreement(name: str, known: Sequence[tuple[Latency, float]], *, scaled: bool) -> Agreement:
    values = [value for _, value in known]
    medians = [row.median for row, _ in known]
    ratios = [value / seconds for value, seconds in zip(values, medians, strict=True)]
    # The median in logarithms: a predictor that is twice too high is as wrong as half.
    constant = exp(-statistics.median(map(log, ratios))) if scaled else 1.0
    errors = [abs(constant * ratio - 1) for ratio in ratios]
    by_value, by_time = sorted(values), sorted(medians)
    places = [
        (by_value.index(value) + 1, by_time.index(seconds) + 1)
        for value, seconds in zip(values, medians, strict=True)
    ]
    worst = max(range(len(known)), key=lambda place: abs(places[place][0] - places[place][1]))
    return Agreement(
        name,
        scaled,
        len(known),
        rank_correlation(values, medians) if len({*values}) > 1 < len({*medians}) else None,
        statistics.median(errors),
        sum(error <= 0.1 for error in errors) / len(errors),
        sum(error <= 0.2 for error in errors) / len(errors),
        known[worst][0].spec,
        *places[worst],
    )
