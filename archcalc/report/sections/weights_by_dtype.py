"""Weights by data type, as ``archcalc params`` shows them."""

from __future__ import annotations

from archcalc.analysis.profile import Profile
from archcalc.analysis.weights_by_dtype import weights_by_dtype
from archcalc.report.table import Cell, Column, Table


def table(found: Profile) -> Table:
    columns = (
        Column("dtype", "dtype"),
        Column("params", "params", "count"),
        Column("bytes", "bytes", "bytes"),
    )
    by_dtype = weights_by_dtype(found.graph)
    rows: list[tuple[Cell, ...]] = [tuple(row) for row in by_dtype]
    rows.append(("total", sum(row.params for row in by_dtype), sum(row.nbytes for row in by_dtype)))
    return Table(columns, tuple(rows), f"{found.spec}: weights by dtype", total=True)
