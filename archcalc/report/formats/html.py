"""HTML: a document as one page, and a table for notebooks."""

from __future__ import annotations

from html import escape

from archcalc.report.document import Document
from archcalc.report.escape import visible
from archcalc.report.formats import Place
from archcalc.report.table import Table, text
from archcalc.report.units import Units


def write(document: Document, place: Place) -> str:
    from archcalc.report.page import page

    return page(document)


def html_table(table: Table, units: Units = "exact") -> str:
    """One ``<table>``; everything is escaped, as names come from users' code."""
    head = "".join(f"<th>{escape(column.title)}</th>" for column in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align: {"right" if column.is_number else "left"}">'
            f"{escape(visible(text(cell, column.kind, units)))}</td>"
            for cell, column in zip(row, table.columns, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_report(report: Document, units: Units = "exact") -> str:
    """The tables of a report under their titles, then its notes."""
    parts = []
    for table in report.tables:
        parts += [f"<p><b>{escape(table.title)}</b></p>"] if table.title else []
        parts.append(html_table(table, units))
    parts += [f"<p>{escape(note)}</p>" for note in report.notes]
    return "".join(parts)
