"""``archcalc check``: every limit of a budget, and the lines that a log gets."""

from __future__ import annotations

from archcalc.analysis.budget import Check, Checks
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table


def lines(found: Checks, path: str) -> str:
    """One line per breach; without a breach, a single line."""
    if found.breaches:
        return "".join(f"{check.sentence}\n" for check in found.breaches)
    models = len(dict.fromkeys(check.model for check in found.checks))
    limits = len(found.checks) - len(found.advice)
    return f"{models} model{'s' * (models != 1)} within the {limits} limits of {path}\n"


def show(found: Checks, path: str) -> Document:
    """A row per limit."""
    columns = (
        Column("model", "model"),
        Column("what", "limited"),
        Column("found", "now", "prose"),
        Column("limit", "limit", "prose"),
        Column("outcome", "outcome", "term"),
    )
    rows = [
        (check.model, check.what, _text(check.found), _limit(check), check.outcome)
        for check in found.checks
    ]
    notes = [check.sentence for check in (*found.breaches, *found.advice)]
    data = records.head(budget=path, kept=not found.breaches, checks=found.rows())
    return answer((Table(columns, tuple(rows), f"Budget {path}"),), data, tuple(notes))


def _limit(check: Check) -> str:
    return f"{check.bound} {_text(check.limit)}"


def _text(value: Cell) -> str:
    if isinstance(value, float):
        return f"{1e3 * value:.3g} ms"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
