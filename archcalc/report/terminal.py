"""Tables for a terminal, by rich."""

from __future__ import annotations

import io
import textwrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from archcalc.report.escape import for_terminal
from archcalc.report.table import Report, Table, text
from archcalc.report.units import Units

PAGE = 80
"""Columns that a report keeps to when nobody says how wide the terminal is."""


def terminal(report: Report, units: Units = "si", *, width: int = 0, colour: bool = False) -> str:
    """The whole report as text.

    ``width`` is the terminal's; 0 is for a file or a pipe, where no name is ever broken.
    """
    parts = [table_text(table, units, width=width, colour=colour) for table in report.tables]
    if report.notes:
        wrap = min(width or PAGE, PAGE)
        notes = [textwrap.fill(for_terminal(note), wrap) for note in report.notes]
        parts.append("\n".join(notes) + "\n")
    return "\n".join(parts)


def table_text(table: Table, units: Units = "si", *, width: int = 0, colour: bool = False) -> str:
    """One table."""
    grid = RichTable(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="bold"
    )
    cells = [
        [text(cell, column.kind, units) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    for column in table.columns:
        grid.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=column.is_number or (not width and column.kind != "prose"),
            overflow="fold",
        )
    for position, row in enumerate(cells, start=1):
        if table.total and position == len(cells):
            grid.add_section()
        grid.add_row(
            *map(Text, row), style="bold" if table.total and position == len(cells) else ""
        )
    out = io.StringIO()
    console = Console(
        file=out,
        width=width or max(PAGE, _unbroken(table, cells)),
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    if table.title:
        console.print(Text(for_terminal(table.title), style="bold"))
    console.print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _unbroken(table: Table, cells: list[list[str]]) -> int:
    """Columns needed so that nothing but prose is broken."""
    needed = 0
    for index, column in enumerate(table.columns):
        widest = max((len(row[index]) for row in cells), default=0)
        needed += 2 + max(len(column.title), 20 if column.kind == "prose" else widest)
    return needed
