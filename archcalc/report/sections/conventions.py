"""How it was counted, and what was not."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.report.document import Block, Text
from archcalc.report.sections.context import Context


def of_report(context: Context) -> Iterator[Block]:
    """How it was counted, and what was not."""
    first = context.told.profiles[0]
    mode = "training" if first.graph.training else "evaluation"
    batch = first.input[0] if first.input else 1
    yield Text(context.words("note.macs"))
    yield Text(context.words("note.mode", batch=batch, mode=context.words.term(mode)))
    for profile in context.told.profiles:
        outside = profile.params - profile.params_executed
        if outside:
            values = {"outside": f"{outside:,}", "all": f"{profile.params:,}"}
            yield Text(context.words("note.outside", model=profile.spec, **values))
        yield from (Text(f"{profile.spec}: {note}.") for note in profile.graph.notes)
        if profile.not_counted:
            ops = ", ".join(f"{row.op} ({row.calls}×)" for row in profile.not_counted)
            yield Text(context.words("note.not_counted", model=profile.spec, ops=ops))
    for key in ("note.free", "note.rounding", "note.other_tools"):
        yield Text(context.words(key))
