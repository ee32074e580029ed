"""A sweep: its front, its best, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Notes, Section, Tabular, answer
from archcalc.report.table import Cell, Column, Kind, Table
from archcalc.symbolic.sweep import Sweep

SHOWN = 30
"""Rows of a front on a screen; formats for programs have all of them."""


def show(found: Sweep) -> Document:
    """``archcalc sweep``: the front, the best, and the count of candidates."""
    objectives = " and ".join(
        f"{'smallest' if each.direction == 'min' else 'largest'} {each.figure}"
        for each in found.objectives
    )
    tables = []
    if found.best:
        tables.append(_table(found, found.best, f"{found.spec}: the first {len(found.best)}"))
    front = found.front
    thinned = _thinned(front, SHOWN)
    title = f"{found.spec}: {objectives}, {len(front):,} that no other beats"
    tables.append(_table(found, thinned, title))
    notes = []
    if len(thinned) < len(front):
        notes.append(f"{len(thinned)} of the front's {len(front):,} rows, evenly spread.")
    notes.append(
        f"{found.candidates:,} candidates, {found.valid:,} that the network takes"
        + (f", {found.kept:,} where {found.where}." if found.where else ".")
    )
    if found.predicted_for:
        notes.append(
            f"latency_ms is predicted for {found.predicted_for}; 90 % of networks lie between "
            "latency_low_ms and latency_high_ms."
        )
    for reason, times in list(found.refusals.items())[:3]:
        notes.append(f"{times:,} refused: {reason}.")
    if len(found.refusals) > 3:
        notes.append(f"{len(found.refusals) - 3} more reasons; JSON has all of them.")
    return answer(tuple(tables), record(found), tuple(notes))


def of_report(found: Sweep, *, charts: bool = True) -> Document:
    """``archcalc report --sweep``: the tables, the front among the candidates, how each figure is
    distributed, and each figure along each axis."""
    shown = show(found)
    blocks: list[Block] = [Tabular(table) for table in shown.tables]
    if charts:
        blocks += _charts(found)
    blocks.append(Notes(shown.notes))
    title = f"{found.spec}: {found.candidates:,} candidates"
    return Document((Section("sweep", title, tuple(blocks)),), shown.data, title=title)


def _charts(found: Sweep) -> list[Block]:
    from archcalc.report.charts.sweep import curve, distribution, front

    first, *others = dict.fromkeys(each.figure for each in found.objectives)
    blocks: list[Block] = []
    if others:
        caption = f"{first} against {others[0]}: a sample, and the front"
        blocks.append(Chart("front", caption, front(found)))
    caption = f"Share of candidates up to each value of {first}, with a 95 % band"
    blocks.append(Chart(f"distribution-{first}", caption, distribution(found, first)))
    for axis in found.axes:
        caption = f"{first} along {axis.name}: median, and the range from 10 to 90 %"
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
