"""Markdown, by tabulate."""

from __future__ import annotations

from collections.abc import Sequence

from archcalc.report.escape import for_markdown
from archcalc.report.table import Table, text
from archcalc.report.units import Units


def markdown(tables: Sequence[Table], notes: Sequence[str] = (), units: Units = "si") -> str:
    """Tables under their titles, then the notes as a list."""
    parts = [_table(table, units) for table in tables]
    if notes:
        parts.append("\n".join(f"- {for_markdown(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, units: Units) -> str:
    from tabulate import tabulate

    head = f"### {for_markdown(table.title)}\n\n" if table.title else ""
    return head + tabulate(
        [
            [
                for_markdown(text(cell, column.kind, units))
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ],
        headers=[column.title for column in table.columns],
        tablefmt="pipe",
        colalign=["right" if column.is_number else "left" for column in table.columns],
        disable_numparse=True,
    )
