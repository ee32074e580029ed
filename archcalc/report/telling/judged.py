"""What is to be said of the figures and the architectures: claims and lint."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.claims import Finding, plain
from archcalc.report.document import Block, Tabular, Text
from archcalc.report.table import Cell, Table
from archcalc.report.telling.teller import Teller


def claims(teller: Teller) -> Iterator[Block]:
    """Published figures about these models that counting can check."""
    counted_ones = [
        found for found in teller.told.claims.findings if found.verdict != "needs training"
    ]
    if not counted_ones:
        return
    yield Text(teller.words("note.claims"))
    untold = len(teller.told.claims.findings) - len(counted_ones)
    if untold:
        yield Text(teller.words("note.needs_training", untold=untold))
    columns = teller.columns(
        ("model", "text"),
        ("source", "prose"),
        ("published", "prose"),
        ("computed", "exact"),
        ("verdict", "text"),
        ("cause", "prose"),
    )
    rows = tuple(
        (
            found.claim.model,
            found.claim.source,
            _published(found),
            plain(found.computed),
            teller.words.term(found.verdict),
            found.cause,
        )
        for found in counted_ones
    )
    yield Tabular(Table(columns, rows))


def lint(teller: Teller) -> Iterator[Block]:
    """What a reader of the architectures would have wanted to know."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.spec,
            teller.words.term(found.severity),
            found.rule,
            found.node,
            found.reason,
            found.remedy,
        )
        for each in teller.told.lints
        for found in each.findings
    ]
    if not rows:
        return
    columns = teller.columns(
        ("model", "text"),
        ("severity", "text"),
        ("rule", "text"),
        ("node", "text"),
        ("reason", "prose"),
        ("remedy", "prose"),
    )
    yield Tabular(Table(columns, tuple(rows)))
    quiet = [each.spec for each in teller.told.lints if not each.findings]
    if quiet:
        yield Text(teller.words("note.quiet", models=teller.words("title.comma").join(quiet)))


def _published(found: Finding) -> str:
    claim = found.claim
    limit = f"{claim.limit} " if claim.limit else ""
    return f"{limit}{claim.published} {claim.full_unit}"
