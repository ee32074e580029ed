"""Quantiles and ranks of plain numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def quantiles(samples: Sequence[float], parts: int) -> list[float]:
    """The values that cut the samples into so many equal parts, interpolated between neighbours.

    >>> quantiles([1.0, 2.0, 3.0, 4.0, 5.0], 10)[0]
    1.4
    >>> quantiles([7.0], 4)
    [7.0, 7.0, 7.0]
    """
    if len(samples) == 1:  # statistics refuses a single sample before Python 3.13
        return [*samples] * (parts - 1)
    return statistics.quantiles(samples, n=parts, method="inclusive")


def interquartile_range(samples: Sequence[float]) -> float:
    """The width of the middle half."""
    first, _, third = quantiles(samples, 4)
    return third - first


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Spearman's: 1 where the one always grows with the other, equal values sharing their rank.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    return statistics.correlation(_ranks(xs), _ranks(ys))


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    last = {value: place for place, value in enumerate(ordered)}
    # Equal values take the mean of the places that they fill.
    return [(ordered.index(value) + last[value]) / 2 for value in values]
