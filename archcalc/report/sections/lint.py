"""Findings of the lint rules, for ``archcalc lint`` and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.lint import Finding, Lint
from archcalc.language import _, listed, several
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def show(*found: Lint) -> Document:
    """A table per model that has findings; a sentence for those that have none. CSV has the
    findings of all models in one table."""
    data = records.head(findings=[row for each in found for row in each.rows()])
    rows = [(each.spec, *_cells(one)) for each in found for one in each.findings]
    everything = Table((Column("model", _("model")), *_columns()), tuple(rows))
    quiet = [each.spec for each in found if not each.findings]
    notes = [_("Nothing found in {models}.", models=listed(quiet))] if quiet else []
    warnings = sum(len(each.warnings) for each in found)
    if rows:
        notes.append(
            _(
                "{warnings}, {notes}; with --strict, warnings make the command exit with 1.",
                warnings=several("{count} warning", "{count} warnings", warnings),
                notes=several("{count} note", "{count} notes", len(rows) - warnings),
            )
        )
    return answer(by_model(found), data, notes, main=everything)


def by_model(found: Sequence[Lint]) -> Iterator[Table]:
    """A table per model that has findings."""
    for each in found:
        if each.findings:
            rows = tuple(_cells(one) for one in each.findings)
            yield Table(_columns(), rows, each.spec)


def _columns() -> tuple[Column, ...]:
    return (
        Column("severity", _("severity"), "term"),
        Column("rule", _("rule")),
        Column("node", _("node")),
        Column("reason", _("reason"), "prose"),
        Column("remedy", _("instead"), "prose"),
        Column("params", _("params"), "exact", 1),
        Column("macs", _("MACs"), "exact", 1),
    )


def _cells(found: Finding) -> tuple[Cell, ...]:
    return (
        found.severity,
        found.rule,
        found.node,
        _(found.reason),
        _(found.remedy),
        found.params or None,
        found.macs or None,
    )


def of_report(context: Context) -> Iterator[Block]:
    """A table per model that has findings, and the models without any."""
    tables = [*by_model(context.report.lints)]
    if not tables:
        return
    yield from map(Tabular, tables)
    quiet = [each.spec for each in context.report.lints if not each.findings]
    if quiet:
        yield Text(_("Nothing found in {models}.", models=listed(quiet)))
