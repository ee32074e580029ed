"""CSV: the document's main table with raw integers, base units and full precision."""

from __future__ import annotations

import csv as csv_module
import io

from archcalc.report.document import Document
from archcalc.report.escape import for_csv
from archcalc.report.formats import Place
from archcalc.report.table import AtLeast, Cell, Table, raw

LOWER_BOUND = "lower_bound"
"""The column that names the figures of a row which are lower bounds; only where there are some."""


def write(document: Document, place: Place) -> str:
    return csv(document.main or document.tables[0])


def csv(table: Table) -> str:
    """The table without its total row."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    keys = [column.key for column in table.columns]
    bounds = [
        " ".join(key for key, cell in zip(keys, row, strict=True) if isinstance(cell, AtLeast))
        for row in table.body
    ]
    marked = any(bounds)
    writer.writerow([*keys, LOWER_BOUND] if marked else keys)
    for row, bound in zip(table.body, bounds, strict=True):
        cells = ["" if cell is None else _field(raw(cell)) for cell in row]
        writer.writerow([*cells, bound] if marked else cells)
    return out.getvalue()


def _field(cell: Cell) -> Cell:
    return for_csv(cell) if isinstance(cell, str) else int(cell) if type(cell) is AtLeast else cell
