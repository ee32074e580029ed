"""A table before it has a format: columns described once, cells as raw values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from archcalc.graph import Shape, times
from archcalc.language import _, term
from archcalc.ops.operator import extent
from archcalc.report.escape import visible
from archcalc.report.units import Units, clock, count, duration, plain, ratio, size

Kind = Literal[
    "text",
    "prose",
    "term",
    "count",
    "exact",
    "signed",
    "bytes",
    "shape",
    "size",
    "ratio",
    "share",
    "percent",
    "seconds",
    "clock",
    "giga",
    "number",
]
"""How the cells of a column are shown.

``text`` stays on one line and ``prose`` may wrap; ``term`` is a code such as a severity, translated
for people. ``count`` and ``signed`` are integers; ``exact`` is a number with all of its digits,
in any units. ``shape`` is (N, C, H, W), shown as H×W×C; ``size`` is shown in torch's order.
``share`` is a part of 1, and ``percent`` one in two decimals; ``clock`` is seconds as hours,
minutes and seconds; ``giga`` is shown in 10⁹, and ``number`` is a float in three figures."""

Cell = Any
"""A string, an integer, a float, a shape, or None for what is not known."""


class Column(NamedTuple):
    """The key, heading and kind of one column."""

    key: str
    """Its name in CSV and frames."""
    title: str
    """Its heading for people, with the unit."""
    kind: Kind = "text"
    priority: int = 0
    """Which columns a narrow terminal leaves out first: the highest. Those of 0 always stay."""

    @property
    def is_number(self) -> bool:
        return self.kind not in ("text", "prose", "term", "shape", "size")


class AtLeast(int):
    """A total that leaves out operations which are not counted: a lower bound.

    Every format marks it. Arithmetic with it gives plain integers.
    """


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw cells under described columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    total: bool = False
    """The last row adds up the others; CSV leaves it out."""

    @property
    def body(self) -> tuple[tuple[Cell, ...], ...]:
        return self.rows[:-1] if self.total else self.rows

    def without(self, place: int) -> Table:
        """The table without one column."""
        return replace(
            self,
            columns=(*self.columns[:place], *self.columns[place + 1 :]),
            rows=tuple((*row[:place], *row[place + 1 :]) for row in self.rows),
        )

    def without_empty(self) -> Table:
        """The table without columns that are empty in every row."""
        filled = [
            place
            for place in range(len(self.columns))
            if any(row[place] is not None for row in self.rows)
        ]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in filled),
            rows=tuple(tuple(row[place] for place in filled) for row in self.rows),
        )


def text(cell: Cell, kind: Kind, units: Units = "si") -> str:
    """One cell for people; what is not known is empty.

    >>> text((1, 192, 28, 28), "shape"), text(0.094, "share"), text(None, "count")
    ('28×28×192', '9.4 %', '')
    """
    if cell is None:
        return ""
    if isinstance(cell, AtLeast):
        return f"≥ {text(int(cell), kind, units)}"
    if kind == "count":
        return count(cell, units)
    if kind == "exact":
        if isinstance(cell, float):
            return f"{cell:,.1f}" if abs(cell) >= 1000 else f"{cell:.4g}"
        return f"{cell:,}"
    if kind == "signed":
        return f"{'+' if cell > 0 else ''}{count(cell, units)}"
    if kind == "bytes":
        return size(cell, units)
    if kind == "shape":
        return shape_text(cell)
    if kind == "size":
        return times(cell)
    if kind == "ratio":
        return ratio(cell)
    if kind == "share":
        return f"{100 * cell:.1f} %"
    if kind == "percent":
        return f"{100 * cell:.2f} %"
    if kind == "clock":
        return clock(cell)
    if kind == "seconds":
        return duration(cell)
    if kind == "term":
        return visible(term(str(cell)))
    if kind in ("giga", "number"):
        return plain(cell / 1e9 if kind == "giga" else cell)
    return visible(str(cell), lines=kind == "prose")


def raw(cell: Cell) -> Cell:
    """One cell for programs: numbers as they are, shapes as ``1x192x28x28`` (N×C×H×W)."""
    return "x".join(map(str, cell)) if isinstance(cell, tuple) else cell


def shape_text(shape: Shape) -> str:
    """H×W×C as the papers write it."""
    return times(extent(shape)) if shape else _("scalar")


def plain_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """A table of dictionaries: the union of their keys, in order of first sight."""
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = []
    for key in keys:
        sample = next((row[key] for row in rows if row.get(key) is not None), None)
        columns.append(Column(key, key, _kind_of(sample)))
    return Table(tuple(columns), tuple(tuple(row.get(key) for key in keys) for row in rows), title)


def _kind_of(sample: Any) -> Kind:
    if isinstance(sample, tuple):
        return "shape"
    if isinstance(sample, bool):
        return "text"
    if isinstance(sample, int):
        return "count"
    return "ratio" if isinstance(sample, float) else "text"
