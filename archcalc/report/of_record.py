"""What ``print`` and a notebook show of a record: what the command shows."""

from __future__ import annotations

from typing import Any

from archcalc.report.document import Document
from archcalc.report.sections import show


def terminal_of(record: Any) -> str:
    from archcalc.report.formats import columns
    from archcalc.report.formats.terminal import terminal

    return terminal(show(record), width=columns()).rstrip("\n")


def markdown_of(record: Any) -> str:
    from archcalc.report.formats.markdown import markdown

    found = show(record)
    return markdown(found.tables, found.notes)


def html_of(record: Any) -> str:
    from archcalc.report.formats.html import html_report

    return html_report(_page(record))


def _page(record: Any) -> Document:
    """A notebook shows a profile as its tree."""
    if type(record).__name__ == "Profile":
        from archcalc.report.sections import summary

        return summary.show(record)
    return show(record)
