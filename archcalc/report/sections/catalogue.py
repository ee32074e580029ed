"""What ``archcalc list`` shows: every architecture, or one and its options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archcalc.analysis.profile import Profile, profile
from archcalc.lookup.inputs import describe_input
from archcalc.lookup.registry import Architecture
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import ENGLISH, total
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
        Column("name", "model"),
        Column("input", "input H×W×C", "shape", 1),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("source", "source", "prose", 2),
    )
    return answer(
        (Table(columns, tuple(rows)),),
        records.head(architectures=saved),
        (
            f"{ENGLISH('note.macs')} Params are those that run in evaluation: no auxiliary heads.",
            "archcalc list MODEL shows its options.",
        ),
    )


def names(found: Sequence[str]) -> Document:
    """``archcalc list timm``: names only, as counting them all would take minutes."""
    table = Table((Column("name", "model"),), tuple((name,) for name in found))
    return answer((table,), records.head(names=list(found)))


def card(found: Architecture) -> Document:
    """``archcalc list MODEL``: what it is, where it comes from, how it can be set."""
    priced = profile(found.graph())
    about = (
        ("source", found.source),
        ("input", describe_input(priced.input)),
        ("params", f"{priced.params:,}, of which {priced.params_executed:,} run in evaluation"),
        ("macs", text(total(priced, "macs"), "exact")),
        ("aliases", ", ".join(found.aliases) or "none"),
    )
    options = [
        (option.name, str(option.default).lower(), option.wanted)
        for option in found.options.values()
    ]
    tables = [
        Table((Column("what", found.name), Column("is", found.summary, "prose")), about),
        Table(
            (Column("option", "option"), Column("default", "default"), Column("values", "values")),
            tuple(options),
        ),
    ]
    return answer(
        tuple(tables if options else tables[:1]),
        records.head(architectures=[_architecture_record(found, priced)]),
        (f"Set an option with --set KEY=VALUE, or by name: {found.name},KEY=VALUE.",)
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
