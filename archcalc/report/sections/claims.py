"""Published figures beside the counted ones, for ``archcalc claims`` and for reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archcalc.analysis.claims import Claims, Finding, plain
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table, plain_table

NOTES = (
    "holds: equal. rounds to it: within half a unit of the last printed digit. off: farther, by at "
    "most a tenth. false: farther still, or a different whole number. needs training: cannot be "
    "checked by counting.",
    "inference: fits the figures, but no publication states it.",
)


def show(found: Claims, *, waterfall: bool = False) -> Document:
    """How many of each verdict, then a table per model; with ``waterfall`` the steps from our
    number to each published one that differs. CSV has the claims of all models in one table."""
    data: dict[str, Any] = {"schema_version": records.SCHEMA_VERSION, "claims": found.rows()}
    stepped = [each for each in found.findings if each.waterfall and each.verdict != "rounds to it"]
    if waterfall:
        data["waterfalls"] = [_waterfall_record(each) for each in stepped]
    tables = [_counts(found), *by_model(found.findings)]
    if waterfall:
        tables += map(_waterfall_table, stepped)
    return answer(tables, data, NOTES, main=plain_table(found.rows()))


def _counts(found: Claims) -> Table:
    rows: list[tuple[Cell, ...]] = list(found.counts.items())
    rows.append(("all", len(found.findings)))
    columns = (Column("verdict", "verdict"), Column("claims", "claims", "exact"))
    return Table(columns, tuple(rows), "Claims", total=True)


def by_model(findings: Iterable[Finding], words: Words = ENGLISH) -> Iterator[Table]:
    """A table per model, with each published figure beside the computed one."""
    models: dict[str, list[Finding]] = {}
    for each in findings:
        models.setdefault(each.claim.base_model, []).append(each)
    columns = (
        Column("source", words("column.source"), "prose"),
        Column("published", words("column.published"), "prose"),
        Column("computed", words("column.computed"), "exact"),
        Column("difference", words("column.difference"), "exact", 1),
        Column("verdict", words("column.verdict"), "term"),
        Column("cause", words("column.cause"), "prose"),
    )
    for name, rows in models.items():
        cells = (
            (
                _source(each),
                _published(each),
                plain(each.computed),
                plain(each.difference),
                words.term(each.verdict),
                each.cause,
            )
            for each in rows
        )
        yield Table(columns, tuple(cells), name)


def _waterfall_table(found: Finding) -> Table:
    claim = found.claim
    rows: list[tuple[Cell, ...]] = [("counted", plain(found.computed))]
    rows += [
        (f"{bar.why} (inference)" if bar.inference else bar.why, plain(bar.amount))
        for bar in found.waterfall
    ]
    limit = f"{claim.limit} " if claim.limit else ""
    rows.append((f"published: {limit}{claim.published}", plain(found.published)))
    columns = (Column("step", "step", "prose"), Column("value", claim.full_unit, "exact"))
    return Table(columns, tuple(rows), f"{_source(found)}: {claim.quote}", total=True)


def _waterfall_record(found: Finding) -> dict[str, Any]:
    return {
        "id": found.claim.id,
        "computed": plain(found.computed),
        "steps": [
            {
                "why": bar.why,
                "amount": plain(bar.amount),
                "inference": bar.inference,
                "explained": not bar.unexplained,
            }
            for bar in found.waterfall
        ],
        "published": plain(found.published),
    }


def _source(found: Finding) -> str:
    options = found.claim.model.removeprefix(found.claim.base_model).removeprefix(",")
    return f"{found.claim.source} ({options})" if options else found.claim.source


def _published(found: Finding) -> str:
    claim = found.claim
    limit = f"{claim.limit} " if claim.limit else ""
    return f"{limit}{claim.published} {claim.full_unit}"


def of_report(context: Context) -> Iterator[Block]:
    """Published figures about these models that counting can check."""
    counted_ones = [
        found for found in context.report.claims.findings if found.verdict != "needs training"
    ]
    if not counted_ones:
        return
    yield Text(context.words("note.claims"))
    untold = len(context.report.claims.findings) - len(counted_ones)
    if untold:
        yield Text(context.words("note.needs_training", untold=untold))
    yield from map(Tabular, by_model(counted_ones, context.words))
