"""``archcalc flops MODEL...``: the totals, and the work by class, phase and convention."""

from __future__ import annotations

from collections.abc import Sequence

from archcalc.analysis.bit_operations import is_quantised
from archcalc.analysis.figures import FIGURES
from archcalc.analysis.profile import Profile
from archcalc.language import _, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import total
from archcalc.report.sections.conventions import notes
from archcalc.report.table import AtLeast, Cell, Column, Table


def show(profiles: Sequence[Profile]) -> Document:
    tables = (
        _totals(profiles),
        *beside(profiles),
        *map(by_class, profiles),
        *by_phase(profiles),
        *by_convention(profiles),
    )
    return answer(tables, records.models(profiles), notes(profiles))


def _totals(profiles: Sequence[Profile]) -> Table:
    columns = [
        Column("model", _("model")),
        Column("input", _("input H×W×C"), "shape", 2),
        Column("output", _("output"), "shape", 3),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
        Column("flops", _("FLOPs"), "count"),
    ]
    quantised = any(is_quantised(found.graph) for found in profiles)
    if quantised:
        columns.append(Column("bops", _("bit ops"), "count"))
    rows: list[tuple[Cell, ...]] = [
        (
            found.spec,
            found.input,
            found.output,
            found.params_executed,
            total(found, "macs"),
            total(found, "flops"),
            *([total(found, "bops")] if quantised else []),
        )
        for found in profiles
    ]
    return Table(tuple(columns), tuple(rows))


def beside(profiles: Sequence[Profile]) -> list[Table]:
    """For networks with experts, masks or caches: active parameters, MACs inside the masks, and the
    size of the cache."""
    rows: list[tuple[Cell, ...]] = []
    keys: tuple[str, ...] = ()
    for found in profiles:
        if figures := records.tokens(found):
            rows.append((found.spec, *figures.values()))
            keys = tuple(figures)
    if not rows:
        return []
    columns = [Column("model", _("model"))]
    columns += [
        Column(key, _(FIGURES[key].label), "bytes" if FIGURES[key].unit else "count")
        for key in keys
    ]
    return [Table(tuple(columns), tuple(rows), _("Experts, masks and caches"))]


def by_class(found: Profile) -> Table:
    columns = (
        Column("class", _("class of work")),
        Column("macs", _("MACs"), "count"),
        Column("flops", _("FLOPs"), "count"),
        Column("share", _("share of FLOPs"), "share"),
    )
    rows: list[tuple[Cell, ...]] = [
        (term(row.name), row.macs or None, row.flops, row.flops / found.flops)
        for row in found.by_class
    ]
    rows.append((term("total"), total(found, "macs"), total(found, "flops"), None))
    return Table(columns, tuple(rows), _("{model}: work by class", model=found.spec), total=True)


def by_phase(profiles: Sequence[Profile]) -> list[Table]:
    """The phases of a traced training step: forward, backward and optimizer."""
    return [_phases(found) for found in profiles if len(found.by_phase) > 1]


def _phases(found: Profile) -> Table:
    columns = (
        Column("phase", _("phase")),
        Column("macs", _("MACs"), "count"),
        Column("flops", _("FLOPs"), "count"),
        Column("nodes", _("nodes"), "count"),
    )
    rows: list[tuple[Cell, ...]] = [
        (term(phase.name), phase.macs, phase.flops, len(phase.layers)) for phase in found.by_phase
    ]
    rows.append((term("total"), total(found, "macs"), total(found, "flops"), len(found.layers)))
    return Table(columns, tuple(rows), _("{model}: work by phase", model=found.spec), total=True)


def by_convention(profiles: Sequence[Profile]) -> list[Table]:
    """From our multiply-adds to the total that the chosen counter reports; none for our own."""
    tables = []
    for found in profiles:
        if found.convention == "paper":
            continue
        given = found.convention_total
        rows: list[tuple[Cell, ...]] = [(_(step), value) for step, value in given.steps]
        rows.append(
            (
                _("as {counter} counts", counter=found.convention),
                AtLeast(given.value) if found.not_counted else given.value,
            )
        )
        columns = (Column("step", _("step")), Column("value", term(given.unit), "count"))
        title = _(
            "{model} by the convention of {counter}", model=found.spec, counter=found.convention
        )
        tables.append(Table(columns, tuple(rows), title, total=True))
    return tables
