"""Text for a terminal, by rich.

On a terminal every table fits. Names, numbers and units are never broken: prose wraps, then the
least important columns are left out and a note says which, and a table that still does not fit
becomes one block of labelled values per row.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from archcalc.language import _, listed
from archcalc.report.document import (
    Chart,
    Diagram,
    Document,
    LayerList,
    Listing,
    Notes,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.escape import for_terminal, visible
from archcalc.report.formats import Place
from archcalc.report.table import Cell, Column, Table, text
from archcalc.report.units import Units

PAGE = 80
"""Columns of prose in a file or a pipe."""
GAP = 2
"""Columns between two columns of a table."""
PROSE = 20
"""The narrowest column of prose."""

WIDE = "\u2e80-\u2fff\u3040-\u9fff\uf900-\ufaff"
"""Characters of scripts that break lines between any two of them."""
WORD = re.compile(rf"\s*(?:[{WIDE}][\u3000-\u303f\uff00-\uffef]*|[^\s{WIDE}]+)")
"""What stands on one line, with the space before it."""

STYLES = {
    "error": "bold red",
    "warning": "yellow",
    "note": "cyan",
    "false": "bold red",
    "off": "yellow",
    "holds": "green",
    "rounds to it": "green",
    "breach": "bold red",
    "advice": "yellow",
    "kept": "green",
}
"""Colours of severities, verdicts and outcomes."""


def write(document: Document, place: Place) -> str:
    return terminal(document, document.units, width=place.width, colour=place.colour)


def terminal(
    document: Document, units: Units = "si", *, width: int = 0, colour: bool = False
) -> str:
    """The whole document as text. A ``width`` of 0 is for a file or a pipe."""
    parts = [f"{for_terminal(document.title)}\n"] if document.title else []
    wrap = min(width or PAGE, PAGE)
    notes: dict[str, int] = {}  # of adjacent tables: what was left out, and under which it stands
    for section in document.sections:
        if section.title:
            parts.append(f"{section.title}\n{'─' * cell_len(section.title)}\n")
        for block in section.blocks:
            match block:
                case Tabular() | LayerList():
                    if isinstance(block, Tabular) and block.caption:
                        parts.append(_wrapped([block.caption], wrap))
                    table = block.table if isinstance(block, Tabular) else block.short
                    shown, note = _fitted(table, units, width, colour)
                    if note in notes:
                        parts[notes[note]] = parts[notes[note]].removesuffix(note)
                    if note:
                        notes[note] = len(parts)
                    parts.append(shown + note)
                    continue
                case Notes():
                    parts.append(_wrapped(block.texts, wrap))
                case Text():
                    parts.append(_wrapped([block.text], wrap))
                case Listing():
                    parts.append(f"{for_terminal(block.text)}\n")
                case Subsection():
                    parts.append(f"{for_terminal(block.title)}\n")
                case Chart() | Diagram():
                    continue  # pictures have no place here
            notes = {}
    return "\n".join(parts)


def table_text(table: Table, units: Units = "si", *, width: int = 0, colour: bool = False) -> str:
    """One table."""
    return "".join(_fitted(table, units, width, colour))


def _fitted(table: Table, units: Units, width: int, colour: bool) -> tuple[str, str]:
    """One table, and the note that says what was left out of it."""
    if not table.columns:
        return "", ""
    if not width:
        width = max(PAGE, _natural(table, units))
        return _grid(table, _texts(table, units), width, colour), ""
    kept, left_out = _fitting(table, units, width)
    cells = _texts(kept, units)
    if _least(kept, cells) > width:
        return _blocks(table, _texts(table, units), width, colour), ""
    names = listed(column.title or column.key for column in left_out)
    left = _("Left out to fit {columns} columns: {names}.", columns=width, names=names)
    note = _wrapped([left], width) if names else ""
    return _grid(kept, cells, width, colour), note


def _texts(table: Table, units: Units) -> list[list[str]]:
    return [
        [
            visible(text(cell, column.kind, units))
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]


def _fitting(table: Table, units: Units, width: int) -> tuple[Table, list[Column]]:
    """The table without the least important columns that do not fit, and those columns."""
    left_out: list[Column] = []
    while _least(table, _texts(table, units)) > width:
        expendable = max(table.columns[1:], key=lambda column: column.priority, default=None)
        if expendable is None or not expendable.priority:
            break
        # Of equally important columns the last goes first.
        place = max(
            index
            for index, column in enumerate(table.columns)
            if index and column.priority == expendable.priority
        )
        left_out.insert(0, table.columns[place])
        table = table.without(place)
    return table, left_out


def _least(table: Table, cells: Sequence[Sequence[str]]) -> int:
    """The narrowest that this table can be."""
    needs = [_need(table, cells, index) for index in range(len(table.columns))]
    return sum(needs) + GAP * (len(needs) - 1)


def _need(table: Table, cells: Sequence[Sequence[str]], index: int) -> int:
    column = table.columns[index]
    head = max(map(cell_len, column.title.split()), default=0)
    body = max((cell_len(row[index]) for row in cells), default=0)
    if column.kind == "prose":
        words = (cell_len(word.lstrip()) for row in cells for word in WORD.findall(row[index]))
        body = min(body, max(PROSE, max(words, default=0)))
    return max(head, body)


def _want(table: Table, cells: Sequence[Sequence[str]], index: int) -> int:
    body = max((cell_len(row[index]) for row in cells), default=0)
    return max(cell_len(table.columns[index].title), body)


def _natural(table: Table, units: Units) -> int:
    """Columns needed so that nothing but prose wraps."""
    cells = _texts(table, units)
    return sum(
        GAP + (PROSE if column.kind == "prose" and index else _want(table, cells, index))
        for index, column in enumerate(table.columns)
    )


def _widths(table: Table, cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """The width of each column: at least its minimum; prose gets what is left."""
    found = [_need(table, cells, index) for index in range(len(table.columns))]
    spare = width - sum(found) - GAP * (len(found) - 1)
    order = sorted(range(len(found)), key=lambda index: table.columns[index].kind == "prose")
    for place, index in enumerate(order):
        wanted = _want(table, cells, index) - found[index]
        prose = table.columns[index].kind == "prose"
        most = spare // (len(order) - place) if prose else spare
        given = max(0, min(wanted, most))
        found[index] += given
        spare -= given
    return found


def _grid(table: Table, cells: list[list[str]], width: int, colour: bool) -> str:
    grid = RichTable(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="bold"
    )
    widths = _widths(table, cells, width)
    for column, columns in zip(table.columns, widths, strict=True):
        grid.add_column(
            RichText(column.title),
            justify="right" if column.is_number else "left",
            width=columns,
            overflow="fold",
        )
    for place, (row, raw) in enumerate(zip(cells, table.rows, strict=True), start=1):
        last = table.total and place == len(cells)
        if last:
            grid.add_section()
        grid.add_row(
            *(
                RichText(cell, style=_style(value, column))
                for cell, value, column in zip(row, raw, table.columns, strict=True)
            ),
            style="bold" if last else "",
        )
    return _printed(table, [grid], width, colour)


def _blocks(table: Table, cells: list[list[str]], width: int, colour: bool) -> str:
    """A block per row: its first cell, then a line per value."""
    label = max((cell_len(column.title) for column in table.columns[1:]), default=0)
    label = min(label, width // 2)
    lines = []
    for row, raw in zip(cells, table.rows, strict=True):
        style = _style(raw[0], table.columns[0]) or "bold"
        lines += [RichText(piece, style=style) for piece in _lines(row[0], width)]
        for column, cell, value in zip(table.columns[1:], row[1:], raw[1:], strict=True):
            if not cell:
                continue
            head = "  " + column.title.ljust(label) + "  "
            pieces = _lines(cell, width - cell_len(head))
            if cell_len(head) + max(map(cell_len, pieces)) > width:  # a long word goes below
                lines.append(RichText(head.rstrip()))
                head = " " * 4
                pieces = _lines(cell, width - 4)
            style = _style(value, column)
            for piece in pieces:
                lines.append(RichText(head) + RichText(piece, style=style))
                head = " " * cell_len(head)
    return _printed(table, lines, width, colour)


def _style(cell: Cell, column: Column) -> str:
    return STYLES.get(str(cell), "") if column.kind == "term" else ""


def _printed(table: Table, parts: Sequence[RichTable | RichText], width: int, colour: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    if table.title:
        for line in _lines(for_terminal(table.title), width):
            console.print(RichText(line, style="bold"), soft_wrap=True)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, RichText))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _wrapped(texts: Sequence[str], width: int) -> str:
    return "\n".join(line for each in texts for line in _lines(for_terminal(each), width)) + "\n"


def _lines(text: str, width: int) -> list[str]:
    """A paragraph in lines. No word is broken: a longer one has a line of its own."""
    found = [""]
    for word in WORD.findall(" ".join(text.split())):
        if found[-1] and cell_len(found[-1]) + cell_len(word) > width:
            found.append("")
        found[-1] += word if found[-1] else word.lstrip()
    return found
