"""What stands at the end: how it was counted, and whom to cite."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.lookup import registry
from archcalc.report.document import Block, Listing, Tabular, Text
from archcalc.report.table import Table
from archcalc.report.telling.teller import Teller
from archcalc.version import VERSION


def conventions(teller: Teller) -> Iterator[Block]:
    """How it was counted, and what was not."""
    first = teller.told.profiles[0]
    mode = "training" if first.graph.training else "evaluation"
    batch = first.input[0] if first.input else 1
    yield Text(teller.words("note.macs"))
    yield Text(teller.words("note.mode", batch=batch, mode=teller.words.term(mode)))
    for profile in teller.told.profiles:
        outside = profile.params - profile.params_executed
        if outside:
            values = {"outside": f"{outside:,}", "all": f"{profile.params:,}"}
            yield Text(teller.words("note.outside", model=profile.spec, **values))
        yield from (Text(f"{profile.spec}: {note}.") for note in profile.graph.notes)
        if profile.not_counted:
            ops = ", ".join(f"{row.op} ({row.calls}×)" for row in profile.not_counted)
            yield Text(teller.words("note.not_counted", model=profile.spec, ops=ops))
    for key in ("note.free", "note.rounding", "note.other_tools"):
        yield Text(teller.words(key))


def citation(teller: Teller) -> Iterator[Block]:
    """The papers of the architectures, and archcalc itself."""
    yield Text(teller.words("note.cite"))
    rows = []
    for profile in teller.told.profiles:
        if profile.graph.declared and profile.name in registry.names():
            rows.append((profile.spec, registry.find(profile.name).source))
        else:
            yield Text(teller.words("note.own", model=profile.spec))
    if rows:
        yield Tabular(Table(teller.columns(("model", "text"), ("source", "prose")), tuple(rows)))
    yield Listing(
        "@software{archcalc,\n"
        "  title = {archcalc: what a neural-network architecture costs, and why},\n"
        f"  version = {{{VERSION}}},\n"
        "}"
    )
