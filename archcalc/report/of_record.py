"""What ``print`` and a notebook show of a record: the table that the command shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from archcalc.report.document import Document, answer
from archcalc.report.table import plain_table


def report_of(record: Any) -> Document:
    """The report of a record; its rows as they are where no command shows it."""
    make = MAKERS.get(type(record).__name__)
    return make(record) if make else answer((plain_table(record.rows()),), {})


def page_of(record: Any) -> Document:
    """The same for a notebook, where a profile is shown as its tree."""
    if type(record).__name__ == "Profile":
        from archcalc.report.summary import summary

        return summary(record)
    return report_of(record)


def terminal_of(record: Any) -> str:
    from archcalc.report.formats.terminal import terminal

    return terminal(report_of(record)).rstrip("\n")


def markdown_of(record: Any) -> str:
    from archcalc.report.formats.markdown import markdown

    report = report_of(record)
    return markdown(report.tables, report.notes)


def html_of(record: Any) -> str:
    from archcalc.report.formats.html import html_report

    return html_report(page_of(record))


def _profile(record: Any) -> Document:
    from archcalc.report import views

    return views.layers(record)


def _comparison(record: Any) -> Document:
    from archcalc.report import views

    return views.comparison(record)


def _worked_example(record: Any) -> Document:
    from archcalc.report import views

    return views.worked(record)


def _bench(record: Any) -> Document:
    from archcalc.report.latency import measurement

    return measurement(record)


def _claims(record: Any) -> Document:
    from archcalc.report.sections.claims import claims

    return claims(record)


def _lint(record: Any) -> Document:
    from archcalc.report.sections.lint import lint

    return lint([record])


def _run(record: Any) -> Document:
    from archcalc.report.training import trained

    return trained([record])


def _crosscheck(record: Any) -> Document:
    from archcalc.report.sections.counters import reconciliation

    return reconciliation(record)


def _differences(record: Any) -> Document:
    from archcalc.report.sections.changes import differences

    return differences(record)


MAKERS: Mapping[str, Callable[[Any], Document]] = {
    "Profile": _profile,
    "Comparison": _comparison,
    "WorkedExample": _worked_example,
    "Bench": _bench,
    "Claims": _claims,
    "Lint": _lint,
    "Run": _run,
    "Crosscheck": _crosscheck,
    "ReportDiff": _differences,
}
"""By the name of the record's class, so that no analyzer is imported for another's record."""
