"""How it was counted, and what was not: the notes under a command's tables, and a section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.profile import NotCounted, Profile
from archcalc.language import _, listed, mark, term
from archcalc.report.document import Block, Text
from archcalc.report.sections.context import Context

MACS = mark("MACs: multiply-adds of convolutions, linear layers and matrix products.")
FLOPS = mark("FLOPs: 2 per MAC and 1 per other counted operation.")
MODE = mark("Batch {batch}, {mode} mode; params are those that this pass reads.")
PRINCIPLES = (
    mark(
        "The other counted operations are bias, normalisation, activation, pooling and "
        "element-wise."
    ),
    mark(
        "An operation is counted, free (with the reason), or not counted and listed. An unknown "
        "value is left empty, never 0."
    ),
    mark("Counts are exact integers; tables round. CSV and JSON carry every digit."),
    mark(
        "What other counters report for the same networks, explained step by step: archcalc "
        "reconcile MODEL."
    ),
)
"""Notes on counting that every report has."""


def notes(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """What MACs and FLOPs are, the mode, and the notes of each graph."""
    mode = "training" if profiles[0].graph.training else "evaluation"
    batch = profiles[0].input[0] if profiles[0].input else 1
    found = [
        f"{_(MACS)} {_(FLOPS)}",
        _(MODE, batch=batch, mode=term(mode)),
        *outside(profiles),
    ]
    for profile in profiles:
        found += [f"{profile.spec}: {_(note)}." for note in profile.graph.notes]
        if profile.not_counted:
            found.append(
                _(
                    "Not counted in {model}: {ops}. The totals are lower bounds.",
                    model=profile.spec,
                    ops=listed(map(_call, profile.not_counted)),
                )
            )
    return tuple(found)


def _call(row: NotCounted) -> str:
    if row.where:
        return _("{op} ({calls}× at {where})", **row._asdict())
    return _("{op} ({calls}×)", **row._asdict())


def outside(profiles: Sequence[Profile]) -> list[str]:
    """The parameters that this pass does not read, where there are any."""
    return [
        _(
            "{model}: {outside} more parameters do not run in this pass ({all} in all).",
            model=found.spec,
            outside=f"{found.params - found.params_executed:,}",
            all=f"{found.params:,}",
        )
        for found in profiles
        if found.params != found.params_executed
    ]


def of_report(context: Context) -> Iterator[Block]:
    """How it was counted, and what was not."""
    yield from map(Text, notes(context.report.profiles))
    yield from (Text(_(message)) for message in PRINCIPLES)
