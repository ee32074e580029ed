"""Warnings about measurements: one sentence per kind, for all models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from archcalc.analysis.latency import Caution, CautionKind, Latency
from archcalc.language import _, listed, mark


class Wording(NamedTuple):
    """The sentences of one kind of warning."""

    what: str
    each: str = ""
    """About one measurement, with its values."""
    advice: str = ""


CAUTIONS: Mapping[CautionKind, Wording] = {
    "unsteady": Wording(
        mark("The running median was not steady at the end of the warm-up"),
        "{seconds:.3g} s",
        mark("Give a longer --warmup, or a quieter machine"),
    ),
    "few": Wording(mark("There are few samples"), "{samples}", mark("Give a longer --time")),
    "two speeds": Wording(
        mark("There are two speeds, so that the median is of a mixture"),
        mark("{low:,.4g} ms and {high:,.4g} ms"),
        mark("Look at the samples"),
    ),
    "spread": Wording(
        mark("The middle half of the samples spreads over a large part of the median"),
        "{percent:.0f} %",
        mark("Measure on a quieter machine"),
    ),
    "drift": Wording(
        mark("The speed changed from the first half of the samples to the second"),
        mark("time {percent:+.0f} %"),
    ),
    "outliers": Wording(
        mark("Samples lie more than 3 IQR above the third quartile; they are kept"),
        mark("{outliers} of {samples}"),
    ),
    "threads": Wording(
        mark("There are more threads than cores, so that they wait for one another"),
        mark("{threads} threads, {cores} cores"),
        mark("Give fewer --threads"),
    ),
    "others": Wording(
        mark("Other processes used the processor meanwhile"),
        mark("{cores:.1f} cores"),
        mark("Measure again without them"),
    ),
    "frequency": Wording(
        mark(
            "The processor's frequency or its other users changed meanwhile: a fixed piece of work "
            "took longer at its 90th percentile than at its 10th"
        ),
        "{ratio:.2f}×",
    ),
    "ceiling": Wording(
        mark("The measured ceiling is too low, as more was reached"),
        "{ratio:.2f}×",
        mark("Measure it again on a quiet machine with --ceilings"),
    ),
    "throttled": Wording(mark("The GPU lowered its clocks meanwhile"), "{reason}"),
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
            each += [_(words.each, **values)] if words.each else []
    found = []
    for what, rows in about.items():
        whole = "; ".join(" ".join((label, listed(each))).strip() for label, each in rows.items())
        found.append(_("Warning: {what}: {measurements}.", what=_(what), measurements=whole))
        if advice[what]:
            found[-1] += _(" {advice}.", advice=_(advice[what]))
    return found


def _words(caution: Caution | str) -> tuple[Wording, Mapping[str, int | float | str]]:
    """The sentences of a warning. Files of older versions store the sentence itself."""
    if isinstance(caution, str):
        return Wording(caution), {}
    return CAUTIONS[caution.kind], caution.values
