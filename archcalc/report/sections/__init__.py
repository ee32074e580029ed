"""What results look like: one file per section, and one line for each in :data:`SECTIONS`.

A section builds blocks from records. ``show`` builds the document of a command, and ``of_report``
the blocks of a report; most sections have both. Adding one takes its file and its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from archcalc.report.document import Block, Document, answer
from archcalc.report.table import plain_table

if TYPE_CHECKING:
    from archcalc.report.sections.context import Context


class Section(NamedTuple):
    """Where a section is, and what it shows."""

    module: str
    """In this package; imported when the section is shown."""
    record: str = ""
    """The class whose records ``print`` shows as this section's ``show`` does."""
    in_reports: bool = True


SECTIONS: Mapping[str, Section] = {
    "summary": Section("comparison", "Comparison"),
    "example": Section("worked_example", "WorkedExample"),
    "layers": Section("layers", "Profile"),
    "where": Section("where"),
    "memory": Section("memory"),
    "latency": Section("latency", "Bench"),
    "accuracy": Section("accuracy", "Run"),
    "claims": Section("claims", "Claims"),
    "lint": Section("lint", "Lint"),
    "conventions": Section("conventions"),
    "citation": Section("citation"),
    "totals": Section("totals", in_reports=False),
    "explanation": Section("explanation", in_reports=False),
    "parameters": Section("parameters", in_reports=False),
    "checkpoint": Section("checkpoint", "Checkpoint", in_reports=False),
    "receptive field": Section("receptive_field", in_reports=False),
    "catalogue": Section("catalogue", in_reports=False),
    "derivation": Section("derivation", in_reports=False),
    "sweep": Section("sweep", in_reports=False),
    "calibration": Section("calibration", "Calibration", in_reports=False),
    "prediction": Section("prediction", "Prediction", in_reports=False),
    "budget": Section("budget", in_reports=False),
    "changes": Section("changes", "ReportDiff", in_reports=False),
    "verification": Section("verification", in_reports=False),
    "reconciliation": Section("reconciliation", "Crosscheck", in_reports=False),
    "tree": Section("summary", in_reports=False),
}
"""Every section; those of reports in the order in which a report has them."""

IN_REPORTS = tuple(name for name, section in SECTIONS.items() if section.in_reports)


def show(record: Any) -> Document:
    """A record as the command shows it; its rows as they are where no section shows it."""
    for section in SECTIONS.values():
        if section.record == type(record).__name__:
            return cast(Document, _module(section).show(record))
    return answer((plain_table(record.rows()),))


def of_report(name: str, context: Context) -> Iterator[Block]:
    """The blocks of one section of a report."""
    return cast("Iterator[Block]", _module(SECTIONS[name]).of_report(context))


def _module(section: Section) -> Any:
    return import_module(f"{__name__}.{section.module}")
