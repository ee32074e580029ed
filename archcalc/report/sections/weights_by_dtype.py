"""Weights by data type, as ``archcalc params`` shows them."""

from __future__ import annotations

from archcalc.analysis.profile import Profile
from archcalc.analysis.weights_by_dtype import weights_by_dtype
from archcalc.language import _, term
from archcalc.report.table import Cell, Column, Table


def table(found: Profile) -> Table:
    columns = (
        Column("dtype", _("dtype")),
        Column("params", _("params"), "count"),
        Column("bytes", _("bytes"), "bytes"),
    )
    by_dtype = weights_by_dtype(found.graph)
    rows: list[tuple[Cell, ...]] = [tuple(row) for row in by_dtype]
    rows.append(
        (term("total"), sum(row.params for row in by_dtype), sum(row.nbytes for row in by_dtype))
    )
    return Table(columns, tuple(rows), _("{model}: weights by dtype", model=found.spec), total=True)
