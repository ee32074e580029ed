"""What a reader of measurements should know: one sentence per kind of warning, for all models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from archcalc.analysis.latency import Caution, CautionKind, Latency


class Words(NamedTuple):
    """How one kind of warning is worded."""

    what: str
    each: str = ""
    """About one measurement, with its values."""
    advice: str = ""


CAUTIONS: Mapping[CautionKind, Words] = {
    "unsteady": Words(
        "The running median was not steady at the end of the warm-up",
        "{seconds:.3g} s",
        "Give a longer --warmup, or a quieter machine",
    ),
    "few": Words("There are few samples", "{samples}", "Give a longer --time"),
    "two speeds": Words(
        "There are two speeds, so that the median is of a mixture",
        "{low:,.4g} ms and {high:,.4g} ms",
        "Look at the samples",
    ),
    "spread": Words(
        "The middle half of the samples spreads over a large part of the median",
        "{percent:.0f} %",
        "Measure on a quieter machine",
    ),
    "drift": Words(
        "The speed changed from the first half of the samples to the second",
        "time {percent:+.0f} %",
    ),
    "outliers": Words(
        "Samples lie more than 3 IQR above the third quartile; they are kept",
        "{outliers} of {samples}",
    ),
    "threads": Words(
        "There are more threads than cores, so that they wait for one another",
        "{threads} threads, {cores} cores",
        "Give fewer --threads",
    ),
    "others": Words(
        "Other processes used the processor meanwhile",
        "{cores:.1f} cores",
        "Measure again without them",
    ),
    "frequency": Words(
        "The processor's frequency or its other users changed meanwhile: a fixed piece of work "
        "took longer at its 90th percentile than at its 10th",
        "{ratio:.2f}×",
    ),
    "ceiling": Words(
        "The measured ceiling is too low, as more was reached",
        "{ratio:.2f}×",
        "Measure it again on a quiet machine with --ceilings",
    ),
    "throttled": Words("The GPU lowered its clocks meanwhile", "{reason}"),
}


def sentences(latencies: Iterable[Latency], *, with_setting: bool = True) -> list[str]:
    """Each kind of warning once, with the measurements that it is about."""
    about: dict[str, dict[str, list[str]]] = {}
    advice: dict[str, str] = {}
    for row in latencies:
        label = f"{row.spec} ({row.setting})" if with_setting else row.spec
        for caution in row.warnings:
            words, values = _words(caution)
            advice[words.what] = words.advice
            each = about.setdefault(words.what, {}).setdefault(label, [])
            each += [words.each.format(**values)] if words.each else []
    found = []
    for what, rows in about.items():
        listed = "; ".join(
            " ".join((label, ", ".join(each))).strip() for label, each in rows.items()
        )
        ending = f" {advice[what]}." if advice[what] else ""
        found.append(f"Warning: {what}: {listed}.{ending}")
    return found


def _words(caution: Caution | str) -> tuple[Words, Mapping[str, int | float | str]]:
    """The words of a warning; files of older versions have a sentence."""
    if isinstance(caution, str):
        return Words(caution), {}
    return CAUTIONS[caution.kind], caution.values
