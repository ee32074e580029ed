"""How it was counted, and what was not: the notes under a command's tables, and a section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.profile import Profile
from archcalc.report.document import Block, Text
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.context import Context


def notes(profiles: Sequence[Profile], words: Words = ENGLISH) -> tuple[str, ...]:
    """What MACs and FLOPs are, the mode, and what each graph says about itself."""
    mode = "training" if profiles[0].graph.training else "evaluation"
    batch = profiles[0].input[0] if profiles[0].input else 1
    found = [
        f"{words('note.macs')} {words('note.flops')}",
        words("note.mode", batch=batch, mode=words.term(mode)),
        *outside(profiles, words),
    ]
    for profile in profiles:
        found += [f"{profile.spec}: {note}." for note in profile.graph.notes]
        if profile.not_counted:
            listed = words("title.comma").join(
                words("note.call" if row.where else "note.calls", **row._asdict())
                for row in profile.not_counted
            )
            found.append(words("note.not_counted", model=profile.spec, ops=listed))
    return tuple(found)


def outside(profiles: Sequence[Profile], words: Words = ENGLISH) -> list[str]:
    """The parameters that this pass does not read, where there are any."""
    return [
        words(
            "note.outside",
            model=found.spec,
            outside=f"{found.params - found.params_executed:,}",
            all=f"{found.params:,}",
        )
        for found in profiles
        if found.params != found.params_executed
    ]


def of_report(context: Context) -> Iterator[Block]:
    """How it was counted, and what was not."""
    yield from map(Text, notes(context.report.profiles, context.words))
    for key in ("note.other_operations", "note.free", "note.rounding", "note.other_tools"):
        yield Text(context.words(key))
