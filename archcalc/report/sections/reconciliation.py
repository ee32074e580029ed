"""``archcalc reconcile``: from our number to each counter's, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.verification import record
from archcalc.report.table import Cell, Column, Table

if TYPE_CHECKING:
    from archcalc.pytorch.crosscheck import Crosscheck


def show(check: Crosscheck) -> Document:
    """A table per counter."""
    tables = []
    for count in check.counts:
        rows: list[tuple[Cell, ...]] = [("declared multiply-adds", count.steps[0].amount)]
        rows += [(step.label, step.amount) for step in count.steps[1:]]
        if count.unexplained:
            rows.append(("unexplained", count.unexplained))
        rows.append((f"what {count.counter} says", count.value))
        columns = (Column("step", "step"), Column("value", count.unit, "signed"))
        tables.append(Table(columns, tuple(rows), f"{check.spec}: {count.tool}", total=True))
    notes = tuple(
        f"{count.counter} has {count.params:,} parameters, declared are {count.declared_params:,}."
        for count in check.counts
        if count.unexplained_params
    ) or (f"Every counter has the declared {check.params:,} parameters.",)
    return answer(tuple(tables), records.head(checks=[record(check)]), notes)
