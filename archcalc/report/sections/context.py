"""What every section needs to be told: the records, and the words and units to tell them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archcalc.report.messages import Words
from archcalc.report.table import Column, Kind
from archcalc.report.units import Units

if TYPE_CHECKING:
    from archcalc.report.gather import Report


@dataclass(frozen=True)
class Context:
    """The story in one language."""

    report: Report
    words: Words
    units: Units
    charts: bool
    """Whether charts are drawn; they need an extra."""

    def title(self) -> str:
        """The given one, or one that names the models, as many as a line takes."""
        if self.report.title:
            return self.report.title
        names = [found.spec for found in self.report.profiles]
        if len(names) > 3:
            listed = self.words("title.more", first=names[0], more=len(names) - 1, total=len(names))
        else:
            *first, last = names
            listed = self.words("title.comma").join(first)
            listed = f"{listed}{self.words('title.and')}{last}" if first else last
        return self.words("title", models=listed)

    def columns(self, *described: tuple[str, Kind]) -> tuple[Column, ...]:
        return tuple(Column(key, self.words(f"column.{key}"), kind) for key, kind in described)

    def front(self, points: Sequence[tuple[float, float]]) -> str:
        """What a chart says of its Pareto line, where it has one."""
        from archcalc.report.charts import pareto

        return self.words("figure.front") if len(pareto(points)) > 1 else ""
