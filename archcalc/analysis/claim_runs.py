"""Accuracies that were published, beside runs that somebody made: a claim is linked to its runs by
hand, as only a person can judge whether a run follows the claim's recipe on the claim's data."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from archcalc.analysis.claims import Claim, Measurement
from archcalc.analysis.runs import Run
from archcalc.errors import UsageError

PERCENT = {
    "% accuracy": lambda accuracy: 100 * accuracy,
    "% error": lambda accuracy: 100 * (1 - accuracy),
}


def measurements(
    claims: Sequence[Claim], runs: Mapping[str, Sequence[Run]]
) -> dict[str, Measurement]:
    """What finished runs say, by the claim's id and in its unit; the mean where there are several.

    Raises UsageError for an id that no claim about an accuracy has, and for a run without a result.
    """
    known = {claim.id: claim for claim in claims if not claim.check and claim.unit in PERCENT}
    found = {}
    for name, made in runs.items():
        if name not in known:
            raise UsageError(
                f"claim {name!r} is not a claim about an accuracy; those are {', '.join(known)}"
            )
        values = []
        for run in made:
            if run.result is None:
                raise UsageError(f"run {run.folder} has no result yet; continue it with --resume")
            values.append(round(PERCENT[known[name].unit](run.result.accuracy), 6))
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        folders = ", ".join(str(run.folder) for run in made)
        found[name] = Measurement(statistics.fmean(values), folders, deviation)
    return found
