"""``archcalc reconcile``: from our number to each counter's, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archcalc.language import _, term
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
        rows: list[tuple[Cell, ...]] = [(_("declared multiply-adds"), count.steps[0].amount)]
        rows += [(_(step.label), step.amount) for step in count.steps[1:]]
        if count.unexplained:
            rows.append((_("unexplained"), count.unexplained))
        rows.append((_("what {counter} says", counter=count.counter), count.value))
        columns = (Column("step", _("step")), Column("value", term(count.unit), "signed"))
        tables.append(Table(columns, tuple(rows), f"{check.spec}: {count.tool}", total=True))
    notes = tuple(
        _(
            "{counter} has {params:,} parameters, declared are {declared:,}.",
            counter=count.counter,
            params=count.params,
            declared=count.declared_params,
        )
        for count in check.counts
        if count.unexplained_params
    ) or (_("Every counter has the declared {params:,} parameters.", params=check.params),)
    return answer(tuple(tables), records.head(checks=[record(check)]), notes)
