"""Sections of results: one file for each, and one line in :data:`SECTIONS`.

A section builds blocks from records. ``show`` builds the document of a command, and ``of_report``
the blocks of a report; most sections have both. Adding one takes its file and its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from archcalc.language import mark
from archcalc.report.document import Block, Document, answer
from archcalc.report.table import plain_table

if TYPE_CHECKING:
    from archcalc.report.sections.context import Context


class Section(NamedTuple):
    """The module of a section, and the records that it shows."""

    module: str
    """In this package; imported when the section is shown."""
    record: str = ""
    """The class whose records ``print`` shows as this section's ``show`` does."""
    title: str = ""
    """Its heading in reports; empty if reports do not have it."""


SECTIONS: Mapping[str, Section] = {
    "summary": Section("comparison", "Comparison", mark("Summary")),
    "example": Section("worked_example", "WorkedExample", mark("The worked example")),
    "layers": Section("layers", "Profile", mark("Layers")),
    "where": Section("where", "", mark("Where parameters and MACs are")),
    "memory": Section("memory", "", mark("Memory")),
    "latency": Section("latency", "Bench", mark("Latency and roofline")),
    "accuracy": Section("accuracy", "Run", mark("Measured accuracy")),
    "claims": Section("claims", "Claims", mark("Published figures, checked")),
    "lint": Section("lint", "Lint", mark("Remarks on the architectures")),
    "conventions": Section("conventions", "", mark("Conventions")),
    "citation": Section("citation", "", mark("Citation")),
    "totals": Section("totals"),
    "explanation": Section("explanation"),
    "parameters": Section("parameters"),
    "checkpoint": Section("checkpoint", "Checkpoint"),
    "receptive field": Section("receptive_field"),
    "catalogue": Section("catalogue"),
    "derivation": Section("derivation"),
    "sweep": Section("sweep"),
    "calibration": Section("calibration", "Calibration"),
    "prediction": Section("prediction", "Prediction"),
    "budget": Section("budget"),
    "changes": Section("changes", "ReportDiff"),
    "verification": Section("verification"),
    "reconciliation": Section("reconciliation", "Crosscheck"),
    "tree": Section("summary"),
}
"""Every section; those of reports in the order in which a report has them."""

IN_REPORTS = tuple(name for name, section in SECTIONS.items() if section.title)


def show(record: Any) -> Document:
    """The document of a record, as the command shows it. A record without a section becomes a plain
    table of its rows."""
    for section in SECTIONS.values():
        if section.record == type(record).__name__:
            return cast(Document, _module(section).show(record))
    return answer((plain_table(record.rows()),))


def of_report(name: str, context: Context) -> Iterator[Block]:
    """The blocks of one section of a report."""
    return cast("Iterator[Block]", _module(SECTIONS[name]).of_report(context))


def _module(section: Section) -> Any:
    return import_module(f"{__name__}.{section.module}")
