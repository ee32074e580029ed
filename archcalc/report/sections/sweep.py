"""A sweep: its front, its best, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.language import _
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Notes, Section, Tabular, answer
from archcalc.report.table import Cell, Column, Kind, Table
from archcalc.symbolic.sweep import Sweep

SHOWN = 30
"""Rows of a front on a screen; formats for programs have all of them."""


def show(found: Sweep) -> Document:
    """``archcalc sweep``: the front, the best, and the count of candidates."""
    objectives = _(" and ").join(
        _("smallest {figure}", figure=each.figure)
        if each.direction == "min"
        else _("largest {figure}", figure=each.figure)
        for each in found.objectives
    )
    tables = []
    if found.best:
        title = _("{model}: the first {count}", model=found.spec, count=len(found.best))
        tables.append(_table(found, found.best, title))
    front = found.front
    thinned = _thinned(front, SHOWN)
    title = _(
        "{model}: {objectives}, {count:,} that no other beats",
        model=found.spec,
        objectives=objectives,
        count=len(front),
    )
    tables.append(_table(found, thinned, title))
    notes = []
    if len(thinned) < len(front):
        notes.append(
            _(
                "{shown} of the front's {all:,} rows, evenly spread.",
                shown=len(thinned),
                all=len(front),
            )
        )
    counts = {"candidates": found.candidates, "valid": found.valid}
    if found.where:
        notes.append(
            _(
                "{candidates:,} candidates, {valid:,} that the network takes, {kept:,} where "
                "{where}.",
                **counts,
                kept=found.kept,
                where=found.where,
            )
        )
    else:
        notes.append(_("{candidates:,} candidates, {valid:,} that the network takes.", **counts))
    if found.predicted_for:
        notes.append(
            _(
                "latency_ms is predicted for {machine}; 90 % of networks lie between "
                "latency_low_ms and latency_high_ms.",
                machine=found.predicted_for,
            )
        )
    for reason, times in list(found.refusals.items())[:3]:
        notes.append(_("{count:,} refused: {reason}.", count=times, reason=reason))
    if len(found.refusals) > 3:
        notes.append(
            _("{count} more reasons; JSON has all of them.", count=len(found.refusals) - 3)
        )
    return answer(tuple(tables), record(found), tuple(notes))


def of_report(found: Sweep, *, charts: bool = True) -> Document:
    """``archcalc report --sweep``: the tables, the front among the candidates, how each figure is
    distributed, and each figure along each axis."""
    shown = show(found)
    blocks: list[Block] = [Tabular(table) for table in shown.tables]
    if charts:
        blocks += _charts(found)
    blocks.append(Notes(shown.notes))
    title = _("{model}: {count:,} candidates", model=found.spec, count=found.candidates)
    return Document((Section("sweep", title, tuple(blocks)),), shown.data, title=title)


def _charts(found: Sweep) -> list[Block]:
    from archcalc.report.charts.sweep import curve, distribution, front

    first, *others = dict.fromkeys(each.figure for each in found.objectives)
    blocks: list[Block] = []
    if others:
        caption = _("{one} against {other}: a sample, and the front", one=first, other=others[0])
        blocks.append(Chart("front", caption, front(found)))
    caption = _("Share of candidates up to each value of {figure}, with a 95 % band", figure=first)
    blocks.append(Chart(f"distribution-{first}", caption, distribution(found, first)))
    for axis in found.axes:
        caption = _(
            "{figure} along {axis}: median, and the range from 10 to 90 %",
            figure=first,
            axis=axis.name,
        )
        blocks.append(Chart(f"curve-{axis.name}", caption, curve(found, axis.name, first)))
    return blocks


def record(found: Sweep) -> dict[str, Any]:
    """For JSON, and for ``archcalc report --sweep``."""
    return records.head(
        spec=found.spec,
        axes={axis.name: _values(axis.values) for axis in found.axes},
        objectives=[each._asdict() for each in found.objectives],
        figures=list(found.figures),
        where=found.where,
        candidates=found.candidates,
        valid=found.valid,
        kept=found.kept,
        refusals=dict(found.refusals),
        predicted_for=found.predicted_for or None,
        front=[dict(row) for row in found.front],
        best=[dict(row) for row in found.best],
        sample=[dict(row) for row in found.sample],
    )


def _values(values: Sequence[Any]) -> Any:
    if isinstance(values, range):
        return {"first": values[0], "last": values[-1], "step": values.step}
    return list(values)


def _table(found: Sweep, rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    columns = [Column(axis.name, axis.name, _kind(axis.values[0])) for axis in found.axes]
    columns += [Column(name, name, _figure_kind(name)) for name in found.figures]
    cells: list[tuple[Cell, ...]] = [tuple(row[column.key] for column in columns) for row in rows]
    return Table(tuple(columns), tuple(cells), title)


def _kind(value: Any) -> Kind:
    return "exact" if type(value) is int else "text"


def _figure_kind(name: str) -> Kind:
    if name == "accuracy":
        return "percent"
    if name.endswith("_ms"):
        return "number"
    return "bytes" if name.endswith("_bytes") or name == "bytes_moved" else "count"


def _thinned(rows: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """At most so many rows, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]
