"""``archcalc check``: every limit of a budget, and the lines that a log gets."""

from __future__ import annotations

from archcalc.analysis.budget import Check, Checks
from archcalc.language import _, several, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table


def lines(found: Checks, path: str) -> str:
    """One line per breach; without a breach, a single line."""
    if found.breaches:
        return "".join(f"{_(check.sentence)}\n" for check in found.breaches)
    models = len(dict.fromkeys(check.model for check in found.checks))
    limits = len(found.checks) - len(found.advice)
    counted = several("{count} model", "{count} models", models)
    return (
        _("{models} within the {limits} limits of {path}", models=counted, limits=limits, path=path)
        + "\n"
    )


def show(found: Checks, path: str) -> Document:
    """A row per limit."""
    columns = (
        Column("model", _("model")),
        Column("what", _("limited")),
        Column("found", _("now"), "prose"),
        Column("limit", _("limit"), "prose"),
        Column("outcome", _("outcome"), "term"),
    )
    rows = [
        (check.model, _what(check), _text(check.found), _limit(check), check.outcome)
        for check in found.checks
    ]
    notes = [_(check.sentence) for check in (*found.breaches, *found.advice)]
    data = records.head(budget=path, kept=not found.breaches, checks=found.rows())
    return answer((Table(columns, tuple(rows), _("Budget {path}", path=path)),), data, tuple(notes))


def _limit(check: Check) -> str:
    if check.bound == "at most":
        return _("at most {figure}", figure=_text(check.limit))
    return _("exactly {figure}", figure=_text(check.limit))


def _what(check: Check) -> str:
    """A figure by its key, ``shape of NODE``, or a latency."""
    shape, _of, node = check.what.partition("shape of ")
    return _("shape of {node}", node=node) if not shape and node else term(check.what)


def _text(value: Cell) -> str:
    if isinstance(value, float):
        return f"{1e3 * value:.3g} ms"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
