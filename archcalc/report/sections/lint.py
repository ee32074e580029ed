"""Findings of the lint rules, for ``archcalc lint`` and for reports."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.lint import Finding, Lint
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table

COLUMNS = (
    Column("severity", "severity", "term"),
    Column("rule", "rule"),
    Column("node", "node"),
    Column("reason", "reason", "prose"),
    Column("remedy", "instead", "prose"),
    Column("params", "params", "exact", 1),
    Column("macs", "MACs", "exact", 1),
)


def show(*found: Lint) -> Document:
    """A table per model that has findings; a sentence for those that have none. CSV has the
    findings of all models in one table."""
    data = records.head(findings=[row for each in found for row in each.rows()])
    rows = [(each.spec, *_cells(one)) for each in found for one in each.findings]
    everything = Table((Column("model", "model"), *COLUMNS), tuple(rows))
    tables = [
        Table(COLUMNS, tuple(map(_cells, each.findings)), each.spec)
        for each in found
        if each.findings
    ]
    quiet = [each.spec for each in found if not each.findings]
    notes = [f"Nothing found in {', '.join(quiet)}."] if quiet else []
    warnings = sum(len(each.warnings) for each in found)
    if rows:
        counted = f"{_several(warnings, 'warning')}, {_several(len(rows) - warnings, 'note')}"
        notes.append(f"{counted}; with --strict, warnings make the command exit with 1.")
    return answer(tables, data, notes, main=everything)


def _cells(found: Finding) -> tuple[Cell, ...]:
    return (
        found.severity,
        found.rule,
        found.node,
        found.reason,
        found.remedy,
        found.params or None,
        found.macs or None,
    )


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def of_report(context: Context) -> Iterator[Block]:
    """What a reader of the architectures would have wanted to know."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.spec,
            context.words.term(found.severity),
            found.rule,
            found.node,
            found.reason,
            found.remedy,
        )
        for each in context.report.lints
        for found in each.findings
    ]
    if not rows:
        return
    columns = context.columns(
        ("model", "text"),
        ("severity", "text"),
        ("rule", "text"),
        ("node", "text"),
        ("reason", "prose"),
        ("remedy", "prose"),
    )
    yield Tabular(Table(columns, tuple(rows)))
    quiet = [each.spec for each in context.report.lints if not each.findings]
    if quiet:
        yield Text(context.words("note.quiet", models=context.words("title.comma").join(quiet)))
