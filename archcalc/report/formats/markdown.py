"""Markdown, by tabulate; charts are SVG files beside the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archcalc.report.document import (
    Block,
    Chart,
    Diagram,
    Document,
    LayerList,
    Listing,
    Notes,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.escape import for_markdown
from archcalc.report.formats import Place
from archcalc.report.table import Table, text
from archcalc.report.units import Units


def write(document: Document, place: Place) -> str:
    """The text; the charts' files are added to the place. Raises MissingExtraError where there are
    charts and vl-convert-python is missing."""
    parts = [f"# {for_markdown(document.title)}"] if document.title else []
    for section in document.sections:
        if section.title:
            parts.append(f"## {for_markdown(section.title)}")
        parts += [_block(block, document.units, place) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def markdown(tables: Sequence[Table], notes: Sequence[str] = (), units: Units = "si") -> str:
    """Tables under their titles, then the notes as a list."""
    parts = [_table(table, units) for table in tables]
    if notes:
        parts.append(_notes(notes))
    return "\n\n".join(parts) + "\n"


def _block(block: Block, units: Units, place: Place) -> str:
    match block:
        case Text():
            return for_markdown(block.text)
        case Notes():
            return _notes(block.texts)
        case Subsection():
            return f"### {for_markdown(block.title)}"
        case Tabular():
            caption = f"{for_markdown(block.caption)}\n\n" if block.caption else ""
            return caption + _table(block.table, units)
        case LayerList():
            return _table(replace(block.short, title=""), units)
        case Listing():
            return _fenced(block.text, "bibtex")
        case Diagram():
            return f"{for_markdown(block.caption)}:\n\n{_fenced(block.source, 'mermaid')}"
        case Chart():
            from archcalc.report.charts import svg

            name = f"{place.stem}-{block.key}.svg"
            place.files[name] = svg(block.spec)
            return f"![{for_markdown(block.caption)}]({_address(name)})"


def _notes(notes: Sequence[str]) -> str:
    return "\n".join(f"- {for_markdown(note)}" for note in notes)


def _table(table: Table, units: Units) -> str:
    from tabulate import tabulate

    head = f"### {for_markdown(table.title)}\n\n" if table.title else ""
    return head + tabulate(
        [
            [
                for_markdown(text(cell, column.kind, units))
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ],
        headers=[column.title for column in table.columns],
        tablefmt="pipe",
        colalign=["right" if column.is_number else "left" for column in table.columns],
        disable_numparse=True,
    )


def _fenced(text: str, language: str) -> str:
    """A fence longer than any run of backticks inside."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def _address(name: str) -> str:
    """A file's name as the target of a link."""
    from urllib.parse import quote

    return quote(name)
