"""References to cite."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.language import _
from archcalc.lookup import registry
from archcalc.report.document import Block, Listing, Tabular, Text
from archcalc.report.sections.context import Context
from archcalc.report.table import Column, Table
from archcalc.version import VERSION


def of_report(context: Context) -> Iterator[Block]:
    """The papers of the architectures, and archcalc itself."""
    yield Text(
        _(
            "These networks are defined after the following papers; cite them for the "
            "architectures, and archcalc for the counts."
        )
    )
    rows = []
    for profile in context.report.profiles:
        if profile.graph.declared and profile.name in registry.names():
            rows.append((profile.spec, registry.find(profile.name).source))
        else:
            yield Text(_("{model}: the user's own model.", model=profile.spec))
    if rows:
        columns = (Column("model", _("model")), Column("source", _("source"), "prose"))
        yield Tabular(Table(columns, tuple(rows)))
    yield Listing(
        "@software{archcalc,\n"
        "  title = {archcalc: what a neural-network architecture costs, and why},\n"
        f"  version = {{{VERSION}}},\n"
        "}"
    )
