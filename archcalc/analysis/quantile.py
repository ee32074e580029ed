"""Quantiles and ranks of plain numbers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def quantile(samples: Sequence[float], share: float) -> float:
    """The value below which this share of the samples lies, between neighbours in proportion.

    >>> quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.1)
    1.4
    """
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


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
