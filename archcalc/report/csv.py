"""CSV: one table, raw integers, base units, full precision."""

from __future__ import annotations

import csv as csv_module
import io

from archcalc.report.escape import for_csv
from archcalc.report.table import Cell, Table, raw


def csv(table: Table) -> str:
    """The table without its total row. Text that a spreadsheet would take for a formula gets a
    leading apostrophe."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.body:
        writer.writerow(["" if cell is None else _safe(raw(cell)) for cell in row])
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    return for_csv(cell) if isinstance(cell, str) else cell
