"""Find warnings about a measurement, as codes and values; the report phrases them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archcalc.analysis.latency import OTHERS, Caution, Warmup
from archcalc.analysis.quantile import interquartile_range, quantiles

FEW = 10
SPREAD = 0.15
"""The largest ratio of IQR to median without a warning."""
DRIFT = 0.05
OUTLIERS = 0.02
"""The largest fraction of outliers without a warning."""
PROBE = 1.1
"""The largest p90/p10 ratio of fixed work at a constant processor speed."""


def find(
    samples: Sequence[float],
    warmup: Warmup,
    conditions: Mapping[str, Any],
    threads: int | None = None,
    share_of_ceiling: float | None = None,
) -> Iterator[Caution]:
    """Yield the warnings about one measurement."""
    if not warmup.steady:
        yield Caution("unsteady", {"seconds": warmup.seconds})
    if len(samples) < FEW:
        yield Caution("few", {"samples": len(samples)})
    speeds = two_speeds(samples)
    if speeds:
        low, high = speeds
        yield Caution("two speeds", {"low": 1e3 * low, "high": 1e3 * high})
    elif relative_iqr(samples) > SPREAD:
        yield Caution("spread", {"percent": 100 * relative_iqr(samples)})
    change = drift(samples)
    if abs(change) > DRIFT:
        yield Caution("drift", {"percent": 100 * change})
    far = outliers(samples)
    if far > OUTLIERS * len(samples):
        yield Caution("outliers", {"outliers": far, "samples": len(samples)})
    cores = conditions.get("cores")
    if threads is not None and cores is not None and threads > cores:
        yield Caution("threads", {"threads": threads, "cores": cores})
    others = conditions.get("other_cores_used")
    if others is not None and others > OTHERS:
        yield Caution("others", {"cores": others})
    spread = conditions.get("probe_spread")
    if spread is not None and spread > PROBE:
        yield Caution("frequency", {"ratio": spread})
    if share_of_ceiling is not None and share_of_ceiling > 1:
        yield Caution("ceiling", {"ratio": share_of_ceiling})
    for reason in conditions.get("throttle_reasons") or ():
        yield Caution("throttled", {"reason": reason})


def relative_iqr(samples: Sequence[float]) -> float:
    """Return the interquartile range divided by the median."""
    distance = interquartile_range(samples)
    return distance / statistics.median(samples)


def drift(samples: Sequence[float]) -> float:
    """Return the relative change of the median from the first half to the second, or 0 for too few
    samples."""
    half = len(samples) // 2
    if half < FEW // 2:
        return 0.0
    return statistics.median(samples[half:]) / statistics.median(samples[:half]) - 1


def outliers(samples: Sequence[float]) -> int:
    """Count samples more than 3 IQR above the third quartile (Tukey) and 10 % above the median.

    The 10 % keep the clock's resolution from making outliers of very even samples.
    """
    first, _, third = quantiles(samples, 4)
    limit = max(third + 3 * (third - first), 1.1 * statistics.median(samples))
    return sum(sample > limit for sample in samples)


def two_speeds(samples: Sequence[float]) -> tuple[float, float] | None:
    """Return the medians of two clusters of samples, or None.

    Each has at least a fifth of the samples. The gap between them is over 10 % and exceeds the sum
    of their IQRs.
    """
    ordered = sorted(samples)
    least = max(len(ordered) // 5, 3)
    places = range(least, len(ordered) - least + 1)
    if not places:
        return None
    cut = max(places, key=lambda place: ordered[place] - ordered[place - 1])
    low, high = ordered[:cut], ordered[cut:]
    gap = high[0] - low[-1]
    inside = sum(map(interquartile_range, (low, high)))
    if gap > inside and gap > 0.1 * low[-1]:
        return statistics.median(low), statistics.median(high)
    return None
