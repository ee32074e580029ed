"""Laws of a document on terminals of every usual width."""

from __future__ import annotations

from rich.cells import cell_len

from archcalc.report.document import Document, LayerList, Tabular
from archcalc.report.formats.terminal import terminal
from archcalc.report.table import Table, text
from archcalc.report.units import Units

WIDTHS = (60, 80, 120, 200)


def check(document: Document) -> None:
    """Assert that no line is too long, and that no name and no number is missing or broken."""
    tables = [
        block.table if isinstance(block, Tabular) else block.short
        for block in document.blocks
        if isinstance(block, (Tabular, LayerList))
    ]
    for width in WIDTHS:
        shown = terminal(document, document.units, width=width)
        for line in shown.splitlines():
            assert cell_len(line) <= width or len(line.split()) == 1, (width, line)
        left_out = " ".join(_notes(shown))
        words = set(shown.split())
        for table in tables:
            for place, column in enumerate(table.columns):
                if place and column.priority and (column.title or column.key) in left_out:
                    continue
                _is_there(table, place, shown, words, width, document.units)
        notes = _notes(shown)
        assert len(notes) == len(set(notes)), (width, "a note is repeated")


def _is_there(
    table: Table, place: int, shown: str, words: set[str], width: int, units: Units
) -> None:
    column = table.columns[place]
    for row in table.rows:
        cell = text(row[place], column.kind, units)
        if column.kind == "prose":  # wraps, but between words alone
            assert set(cell.split()) <= words, (width, column.title, cell)
        else:
            assert cell in shown, (width, column.title, cell)


def _notes(shown: str) -> list[str]:
    """The sentences that say what was left out."""
    joined = " ".join(shown.split())
    return [part.split(". ")[0] for part in joined.split("Left out to fit ")[1:]]
