"""Findings of the lint rules, for ``archcalc lint`` and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.lint import Lint
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def lint(found: Sequence[Lint], *, raw: bool = False) -> Document:
    """A table a model that has findings; a sentence for those that have none. ``raw`` is one table
    of raw values."""
    data = records.head(findings=[row for each in found for row in each.rows()])
    columns = (
        Column("severity", "severity", "term"),
        Column("rule", "rule"),
        Column("node", "node"),
        Column("reason", "reason", "prose"),
        Column("remedy", "instead", "prose"),
        Column("params", "params", "exact", 1),
        Column("macs", "MACs", "exact", 1),
    )
    if raw:
        keys = ("model", *(column.key for column in columns))
        table = Table(
            (Column("model", "model"), *columns),
            tuple(tuple(row[key] for key in keys) for each in found for row in each.rows()),
        )
        return answer((table,), data)
    tables = [
        Table(
            columns,
            tuple(
                (
                    one.severity,
                    one.rule,
                    one.node,
                    one.reason,
                    one.remedy,
                    one.params or None,
                    one.macs or None,
                )
                for one in each.findings
            ),
            each.spec,
        )
        for each in found
        if each.findings
    ]
    quiet = [each.spec for each in found if not each.findings]
    notes = [f"Nothing found in {', '.join(quiet)}."] if quiet else []
    warnings = sum(len(each.warnings) for each in found)
    total = sum(len(each.findings) for each in found)
    if total:
        counted = f"{_several(warnings, 'warning')}, {_several(total - warnings, 'note')}"
        notes.append(f"{counted}; --strict leaves with 1 for warnings alone.")
    return answer(tuple(tables), data, tuple(notes))


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
        for each in context.told.lints
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
    quiet = [each.spec for each in context.told.lints if not each.findings]
    if quiet:
        yield Text(context.words("note.quiet", models=context.words("title.comma").join(quiet)))
