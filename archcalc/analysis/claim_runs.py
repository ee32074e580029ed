"""Accuracies that were published, beside runs that somebody made: a claim is linked to its runs by
hand, as only a person can judge whether a run follows the claim's recipe on the claim's data."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from archcalc.analysis.claims import Claim, Measurement
from archcalc.analysis.runs import T_95, Z_95, Run
from archcalc.errors import UsageError

PERCENT: Mapping[str, Callable[[float], float]] = {
    "% accuracy": lambda accuracy: 100 * accuracy,
    "% error": lambda accuracy: 100 * (1 - accuracy),
}
COMPARED: Mapping[str, Callable[[float, float], float]] = {
    "points of accuracy gained": lambda accuracy, other: 100 * (accuracy - other),
    "% of the error removed": lambda accuracy, other: 100 * (accuracy - other) / (1 - other),
}
"""Units of claims that compare the runs of one network with those of another."""


def measurements(
    claims: Sequence[Claim],
    runs: Mapping[str, Sequence[Run]],
    against: Mapping[str, Sequence[Run]] | None = None,
) -> dict[str, Measurement]:
    """Return the results of finished runs by the claim's id and in its unit.

    Several runs give their mean. A claim that compares has other runs in ``against``, at least two
    of each kind, because a single run has no deviation between seeds. Raises UsageError for an id
    that no claim about an accuracy has, for runs that are missing on one side, and for a run
    without a result.
    """
    against = against or {}
    known = {
        claim.id: claim
        for claim in claims
        if not claim.check and claim.unit in {*PERCENT, *COMPARED}
    }
    found = {}
    for name in dict.fromkeys([*runs, *against]):
        if name not in known:
            raise UsageError(
                f"claim {name!r} is not a claim about an accuracy; those are {', '.join(known)}"
            )
        unit = known[name].unit
        ours, theirs = runs.get(name, ()), against.get(name, ())
        if unit in COMPARED:
            found[name] = _compared(name, unit, ours, theirs)
        elif theirs:
            raise UsageError(f"claim {name!r} compares nothing; give its runs without --against")
        else:
            values = [round(PERCENT[unit](_accuracy(run)), 6) for run in ours]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            found[name] = Measurement(statistics.fmean(values), _folders(ours), deviation)
    return found


def _compared(name: str, unit: str, ours: Sequence[Run], theirs: Sequence[Run]) -> Measurement:
    """The comparison of two means, with the interval of Student's t for a common deviation."""
    if min(len(ours), len(theirs)) < 2:
        raise UsageError(
            f"claim {name!r} compares runs; give at least two with --run and two with --against"
        )
    a, b = ([_accuracy(run) for run in group] for group in (ours, theirs))
    freedom = len(a) + len(b) - 2
    squares = sum((x - statistics.fmean(group)) ** 2 for group in (a, b) for x in group)
    error = math.sqrt(squares / freedom * (1 / len(a) + 1 / len(b)))
    half = (T_95[freedom - 1] if freedom <= len(T_95) else Z_95) * error
    mean, other = statistics.fmean(a), statistics.fmean(b)
    value, low, high = (
        round(COMPARED[unit](mean + shift, other), 6) for shift in (0.0, -half, half)
    )
    return Measurement(value, f"{_folders(ours)} against {_folders(theirs)}", interval=(low, high))


def _accuracy(run: Run) -> float:
    if run.result is None:
        raise UsageError(f"run {run.folder} has no result yet; continue it with --resume")
    return run.result.accuracy


def _folders(runs: Sequence[Run]) -> str:
    return ", ".join(run.folder.as_posix() for run in runs)
