"""Findings of the lint rules, for ``archcalc lint`` and for reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.lint import Finding, Lint
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def show(*found: Lint) -> Document:
    """A table per model that has findings; a sentence for those that have none. CSV has the
    findings of all models in one table."""
    data = records.head(findings=[row for each in found for row in each.rows()])
    rows = [(each.spec, *_cells(one, ENGLISH)) for each in found for one in each.findings]
    everything = Table((Column("model", "model"), *_columns(ENGLISH)), tuple(rows))
    quiet = [each.spec for each in found if not each.findings]
    notes = [f"Nothing found in {', '.join(quiet)}."] if quiet else []
    warnings = sum(len(each.warnings) for each in found)
    if rows:
        counted = f"{_several(warnings, 'warning')}, {_several(len(rows) - warnings, 'note')}"
        notes.append(f"{counted}; with --strict, warnings make the command exit with 1.")
    return answer(by_model(found), data, notes, main=everything)


def by_model(found: Sequence[Lint], words: Words = ENGLISH) -> Iterator[Table]:
    """A table per model that has findings."""
    for each in found:
        if each.findings:
            rows = tuple(_cells(one, words) for one in each.findings)
            yield Table(_columns(words), rows, each.spec)


def _columns(words: Words) -> tuple[Column, ...]:
    return (
        Column("severity", words("column.severity"), "term"),
        Column("rule", words("column.rule")),
        Column("node", words("column.node")),
        Column("reason", words("column.reason"), "prose"),
        Column("remedy", words("column.remedy"), "prose"),
        Column("params", words("column.params"), "exact", 1),
        Column("macs", words("column.macs"), "exact", 1),
    )


def _cells(found: Finding, words: Words) -> tuple[Cell, ...]:
    return (
        words.term(found.severity),
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
    tables = [*by_model(context.report.lints, context.words)]
    if not tables:
        return
    yield from map(Tabular, tables)
    quiet = [each.spec for each in context.report.lints if not each.findings]
    if quiet:
        yield Text(context.words("note.quiet", models=context.words("title.comma").join(quiet)))
