"""Whom to cite."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.lookup import registry
from archcalc.report.document import Block, Listing, Tabular, Text
from archcalc.report.sections.context import Context
from archcalc.report.table import Table
from archcalc.version import VERSION


def of_report(context: Context) -> Iterator[Block]:
    """The papers of the architectures, and archcalc itself."""
    yield Text(context.words("note.cite"))
    rows = []
    for profile in context.report.profiles:
        if profile.graph.declared and profile.name in registry.names():
            rows.append((profile.spec, registry.find(profile.name).source))
        else:
            yield Text(context.words("note.own", model=profile.spec))
    if rows:
        yield Tabular(Table(context.columns(("model", "text"), ("source", "prose")), tuple(rows)))
    yield Listing(
        "@software{archcalc,\n"
        "  title = {archcalc: what a neural-network architecture costs, and why},\n"
        f"  version = {{{VERSION}}},\n"
        "}"
    )
