"""Models beside one another: totals, the worked example, comparison and difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.analysis.bit_operations import is_quantised
from archcalc.analysis.compare import Comparison
from archcalc.analysis.diff import Diff
from archcalc.analysis.figures import COMPARED
from archcalc.analysis.profile import Profile
from archcalc.analysis.worked_example import Side, WorkedExample, counted
from archcalc.lookup.inputs import describe_input
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import AtLeast, Cell, Column, Table
from archcalc.report.views.common import class_table, conventions, total


def totals(profiles: Sequence[Profile]) -> Document:
    """``archcalc flops MODEL...``: the totals, and the work by class."""
    return answer(
        (
            _totals_table(profiles),
            *map(class_table, profiles),
            *_phase_and_convention_tables(profiles),
        ),
        records.models(profiles),
        conventions(profiles),
    )


def worked(example: WorkedExample) -> Document:
    """``archcalc flops`` without a model: the worked example, with the working and the ratios."""
    profiles = example.profiles
    tables = (
        *(_side_table(side) for side in (example.branch, example.module)),
        *_convention_tables(profiles),
    )
    ratios = {side.title: side.ratio for side in (example.branch, example.module)}
    return answer(tables, records.models(profiles, ratios=ratios), conventions(profiles))


def side_by_side(found: Comparison) -> tuple[tuple[Cell, ...], ...]:
    """A row a model: name, input, parameters, MACs, FLOPs, peak, and the two ratios."""
    return tuple(
        (
            priced.spec,
            priced.input,
            priced.params_executed,
            total(priced, "macs"),
            total(priced, "flops"),
            priced.memory.peak_bytes,
            found.ratio(priced, "params_executed"),
            found.ratio(priced, "macs"),
        )
        for priced in found.profiles
    )


def comparison(found: Comparison, differences: Diff | None = None) -> Document:
    """``archcalc compare``: figures and ratios, a model a row."""
    columns = [
        Column("model", "model"),
        Column("input", "input H×W×C", "shape", 3),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("peak_activation_bytes", "peak act.", "bytes", 1),
        Column("params_ratio", "× params", "ratio", 2),
        Column("macs_ratio", "× MACs", "ratio"),
    ]
    tables = [
        Table(tuple(columns), side_by_side(found)),
        *_phase_and_convention_tables(found.profiles),
    ]
    fields: dict[str, Any] = {
        "baseline": found.baseline.spec,
        "ratios": [
            {"name": priced.name, "spec": priced.spec}
            | {metric: found.ratio(priced, metric) for metric in COMPARED}
            for priced in found.profiles
        ],
    }
    if differences is not None:
        tables.append(_diff_table(differences))
        fields["diff"] = differences.rows()
    notes = (f"Ratios are to {found.baseline.spec}.", *conventions(found.profiles))
    return answer(tuple(tables), records.models(found.profiles, **fields), notes)


def _totals_table(profiles: Sequence[Profile]) -> Table:
    columns = [
        Column("model", "model"),
        Column("input", "input H×W×C", "shape", 2),
        Column("output", "output", "shape", 3),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
    ]
    quantised = any(is_quantised(found.graph) for found in profiles)
    if quantised:
        columns.append(Column("bops", "bit ops", "count"))
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


def _phase_and_convention_tables(profiles: Sequence[Profile]) -> list[Table]:
    phases = [_phase_table(found) for found in profiles if len(found.by_phase) > 1]
    return phases + _convention_tables(profiles)


def _phase_table(found: Profile) -> Table:
    """A traced training step, apart: forward, backward, and the optimizer's."""
    columns = (
        Column("phase", "phase"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("nodes", "nodes", "count"),
    )
    rows: list[tuple[Cell, ...]] = [
        (phase.name, phase.macs, phase.flops, len(phase.layers)) for phase in found.by_phase
    ]
    rows.append(("total", total(found, "macs"), total(found, "flops"), len(found.layers)))
    return Table(columns, tuple(rows), f"{found.spec}: work by phase", total=True)


def _convention_tables(profiles: Sequence[Profile]) -> list[Table]:
    """From our multiply-adds to the total that the chosen counter reports; none for our own."""
    tables = []
    for found in profiles:
        if found.convention == "paper":
            continue
        given = found.convention_total
        rows: list[tuple[Cell, ...]] = [(step, value) for step, value in given.steps]
        rows.append(
            (
                f"as {found.convention} counts",
                AtLeast(given.value) if found.not_counted else given.value,
            )
        )
        columns = (Column("step", "step"), Column("value", given.unit, "count"))
        title = f"{found.spec} by the convention of {found.convention}"
        tables.append(Table(columns, tuple(rows), title, total=True))
    return tables


def _side_table(side: Side) -> Table:
    direct, reduced = side.direct, side.reduced
    rows: list[tuple[Cell, ...]] = []
    for label, found in ((side.before, direct), ("reduced", reduced)):
        steps = counted(found)
        rows += [(label, layer.name, layer.formula) for layer in steps]
        if len(steps) > 1:
            sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
            rows.append((label, "sum", f"{sizes} = {found.macs:,}"))
    rows.append(
        ("ratio", "", f"{direct.macs:,} / {reduced.macs:,} = {side.ratio:.2f} times fewer MACs")
    )
    columns = (Column("form", "form"), Column("node", "node"), Column("macs", "MACs", "prose"))
    title = f"{side.title}, {describe_input(direct.input)}"
    return Table(columns, tuple(rows), title, total=True)


def _diff_table(differences: Diff) -> Table:
    columns = (
        Column("change", ""),
        Column("name", "node"),
        Column("what", "what", "prose"),
        Column("params", "Δ params", "signed"),
        Column("macs", "Δ MACs", "signed"),
    )
    sign = {"added": "+", "removed": "−", "changed": "~"}
    rows: list[tuple[Cell, ...]] = [
        (sign[change.kind], change.name, change.what, change.params, change.macs)
        for change in differences.changes
    ]
    params = sum(change.params for change in differences.changes)
    macs = sum(change.macs for change in differences.changes)
    rows.append(("", "total", "", params, macs))
    title = f"{differences.before.spec} -> {differences.after.spec}"
    return Table(columns, tuple(rows), title, total=True)
