"""Published figures beside the counted ones, for ``archcalc claims`` and for reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archcalc.analysis.claims import Claims, Finding, plain
from archcalc.language import _, mark, term
from archcalc.report import records
from archcalc.report.document import Block, Document, Tabular, Text, answer
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table, plain_table

NOTES = (
    mark(
        "holds: equal. rounds to it: within half a unit of the last printed digit. off: farther, "
        "by at most a tenth. false: farther still, or a different whole number. needs training: "
        "cannot be checked by counting."
    ),
    mark("inference: fits the figures, but no publication states it."),
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
    return answer(tables, data, tuple(map(_, NOTES)), main=plain_table(found.rows()))


def _counts(found: Claims) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (term(verdict), number) for verdict, number in found.counts.items()
    ]
    rows.append((_("all"), len(found.findings)))
    columns = (Column("verdict", _("verdict")), Column("claims", _("claims"), "exact"))
    return Table(columns, tuple(rows), _("Claims"), total=True)


def by_model(findings: Iterable[Finding]) -> Iterator[Table]:
    """A table per model, with each published figure beside the computed one."""
    models: dict[str, list[Finding]] = {}
    for each in findings:
        models.setdefault(each.claim.base_model, []).append(each)
    columns = (
        Column("source", _("source"), "prose"),
        Column("published", _("published"), "prose"),
        Column("computed", _("counted"), "exact"),
        Column("difference", _("difference"), "exact", 1),
        Column("verdict", _("verdict"), "term"),
        Column("cause", _("cause"), "prose"),
    )
    for name, rows in models.items():
        cells = (
            (
                _source(each),
                _published(each),
                plain(each.computed),
                plain(each.difference),
                each.verdict,
                _(each.cause),
            )
            for each in rows
        )
        yield Table(columns, tuple(cells), name)


def _waterfall_table(found: Finding) -> Table:
    claim = found.claim
    rows: list[tuple[Cell, ...]] = [(_("counted"), plain(found.computed))]
    rows += [
        (
            _("{step} (inference)", step=_(bar.why)) if bar.inference else _(bar.why),
            plain(bar.amount),
        )
        for bar in found.waterfall
    ]
    rows.append((_("published: {figure}", figure=_limited(found)), plain(found.published)))
    columns = (Column("step", _("step"), "prose"), Column("value", term(claim.full_unit), "exact"))
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
    source = _(found.claim.source)
    return f"{source} ({options})" if options else source


def _published(found: Finding) -> str:
    return f"{_limited(found)} {term(found.claim.full_unit)}"


def _limited(found: Finding) -> str:
    """The published figure, with the words that make it a limit."""
    published = found.claim.published
    if found.claim.limit == "at least":
        return _("at least {figure}", figure=published)
    return _("at most {figure}", figure=published) if found.claim.limit else published


def of_report(context: Context) -> Iterator[Block]:
    """Published figures about these models that counting can check."""
    counted_ones = [
        found for found in context.report.claims.findings if found.verdict != "needs training"
    ]
    if not counted_ones:
        return
    yield Text(
        _(
            "Holds: equal. Rounds to it: within half a unit of the last printed digit. Off: "
            "farther, by at most a tenth. False: farther still. Inference: fits the figures, but "
            "no publication states it."
        )
    )
    untold = len(context.report.claims.findings) - len(counted_ones)
    if untold:
        yield Text(
            _(
                "{untold} more figures about these models, such as error rates, cannot be checked "
                "by counting.",
                untold=untold,
            )
        )
    yield from map(Tabular, by_model(counted_ones))
