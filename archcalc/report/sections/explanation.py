"""``archcalc explain``: the formula and value of each node."""

from __future__ import annotations

from fnmatch import fnmatchcase

from archcalc.analysis.profile import Profile
from archcalc.analysis.worked_example import counted
from archcalc.errors import UsageError
from archcalc.language import _, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import sum_of, title
from archcalc.report.sections.conventions import notes
from archcalc.report.sections.totals import by_class
from archcalc.report.table import Cell, Column, Table, text


def show(found: Profile, pattern: str = "") -> Document:
    """The formula of every node with multiply-adds; with a pattern, all the work and the reasons of
    the nodes that match. Raises UsageError when none does."""
    chosen = [layer for layer in found.layers if _matches(layer.name, pattern)]
    if pattern and not chosen:
        near = ", ".join(module.name for module in found.modules(1)[:6])
        raise UsageError(f"no node of {found.spec} matches {pattern!r}; its modules: {near}, ...")
    rows: list[tuple[Cell, ...]] = []
    if pattern:
        for layer in chosen:
            for field, formula in (layer.formulas or {layer.status: _(layer.reason)}).items():
                rows.append((layer.name, term(field), formula))
    else:
        rows = [(layer.name, "macs", layer.formula) for layer in counted(found)]
    rows.append((term("total"), "macs", text(sum_of(chosen, "macs"), "exact")))
    columns = (
        Column("name", _("node")),
        Column("class", _("class"), priority=1),
        Column("formula", _("working"), "prose"),
    )
    table = Table(columns, tuple(rows), title(found), total=True)
    return answer((table, by_class(found)), records.models([found]), notes([found]))


def _matches(name: str, pattern: str) -> bool:
    """A shell pattern on the whole name, or a module's name for everything in it."""
    return not pattern or fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")
