"""What every section of a report reads: the records, the units, and whether it draws charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archcalc.language import _, listed
from archcalc.report.units import Units

if TYPE_CHECKING:
    from archcalc.report.gather import Report


@dataclass(frozen=True)
class Context:
    """A report that is being written."""

    report: Report
    units: Units
    charts: bool
    """Whether charts are drawn; they need an extra."""

    def title(self) -> str:
        """The given one, or one that names the models, as many as a line takes."""
        if self.report.title:
            return self.report.title
        names = [found.spec for found in self.report.profiles]
        if len(names) > 3:
            named = _(
                "{first} and {more} more", first=names[0], more=len(names) - 1, total=len(names)
            )
        else:
            *first, last = names
            named = listed(first)
            named = f"{named}{_(' and ')}{last}" if first else last
        return _("What {models} cost", models=named)

    def front(self, points: Sequence[tuple[float, float]]) -> str:
        """The part of a caption that explains the Pareto line; empty without one."""
        from archcalc.report.charts import pareto

        return (
            _("; the line joins the models that no other beats in both")
            if len(pareto(points)) > 1
            else ""
        )
