"""What ``archcalc list`` shows: every architecture, or one and its options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archcalc.analysis.profile import Profile, profile
from archcalc.language import _, listed
from archcalc.lookup.inputs import describe_input
from archcalc.lookup.registry import Architecture
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import total
from archcalc.report.sections.conventions import MACS
from archcalc.report.table import Column, Table, text


def show(architectures: Iterable[Architecture]) -> Document:
    """``archcalc list``."""
    rows, saved = [], []
    for found in architectures:
        priced = profile(found.graph())
        rows.append(
            (found.name, priced.input, priced.params_executed, total(priced, "macs"), found.source)
        )
        saved.append(_architecture_record(found, priced))
    columns = (
        Column("name", _("model")),
        Column("input", _("input H×W×C"), "shape", 1),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
        Column("source", _("source"), "prose", 2),
    )
    return answer(
        (Table(columns, tuple(rows)),),
        records.head(architectures=saved),
        (
            _(MACS),
            _("Params are those that run in evaluation: no auxiliary heads."),
            _("archcalc list MODEL shows its options."),
        ),
    )


def names(found: Sequence[str]) -> Document:
    """``archcalc list timm``: names only, as counting them all would take minutes."""
    table = Table((Column("name", _("model")),), tuple((name,) for name in found))
    return answer((table,), records.head(names=list(found)))


def card(found: Architecture) -> Document:
    """``archcalc list MODEL``: what it is, where it comes from, how it can be set."""
    priced = profile(found.graph())
    about = (
        (_("source"), found.source),
        (_("input"), describe_input(priced.input)),
        (
            _("params"),
            _(
                "{all}, of which {executed} run in evaluation",
                all=f"{priced.params:,}",
                executed=f"{priced.params_executed:,}",
            ),
        ),
        (_("MACs"), text(total(priced, "macs"), "exact")),
        (_("aliases"), listed(found.aliases) or _("none")),
    )
    options = [
        (option.name, str(option.default).lower(), _(option.wanted))
        for option in found.options.values()
    ]
    tables = [
        Table((Column("what", found.name), Column("is", _(found.summary), "prose")), about),
        Table(
            (
                Column("option", _("option")),
                Column("default", _("default")),
                Column("values", _("values")),
            ),
            tuple(options),
        ),
    ]
    return answer(
        tuple(tables if options else tables[:1]),
        records.head(architectures=[_architecture_record(found, priced)]),
        (
            _(
                "Set an option with --set KEY=VALUE, or by name: {model},KEY=VALUE.",
                model=found.name,
            ),
        )
        * bool(options),
    )


def _architecture_record(found: Architecture, priced: Profile) -> dict[str, Any]:
    return {
        "name": found.name,
        "aliases": found.aliases,
        "input": priced.input,
        "params": priced.params,
        "params_executed": priced.params_executed,
        "macs": priced.macs,
        "source": found.source,
        "summary": found.summary,
        "options": {
            option.name: {"default": option.default, "values": option.wanted}
            for option in found.options.values()
        },
    }
