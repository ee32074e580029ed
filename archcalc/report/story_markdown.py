"""A report as Markdown, with its charts as SVG files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archcalc.report.document import (
    Block,
    Diagram,
    Document,
    Figure,
    LayerList,
    Listing,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.escape import for_markdown
from archcalc.report.markdown import markdown
from archcalc.report.table import Table
from archcalc.report.units import Units


def story_markdown(document: Document, stem: str) -> tuple[str, Mapping[str, str]]:
    """The text, and the SVG files by name; both belong in one folder. ``stem`` starts the files'
    names. Raises MissingExtraError where there are charts and vl-convert-python is missing."""
    files: dict[str, str] = {}
    parts = [f"# {for_markdown(document.title)}"]
    for section in document.sections:
        parts.append(f"## {for_markdown(section.title)}")
        parts += [_written(block, document.units, stem, files) for block in section.blocks]
    return "\n\n".join(parts) + "\n", files


def _written(block: Block, units: Units, stem: str, files: dict[str, str]) -> str:
    match block:
        case Text():
            return for_markdown(block.text)
        case Subsection():
            return f"### {for_markdown(block.title)}"
        case Tabular():
            caption = f"{for_markdown(block.caption)}\n\n" if block.caption else ""
            return caption + _table(block.table, units)
        case LayerList():
            return _table(block.short, units)
        case Listing():
            return _fenced(block.text, "bibtex")
        case Diagram():
            return f"{for_markdown(block.caption)}:\n\n{_fenced(block.source, 'mermaid')}"
        case Figure():
            from archcalc.report.charts import svg

            name = f"{stem}-{block.key}.svg"
            files[name] = svg(block.spec)
            return f"![{for_markdown(block.caption)}]({_address(name)})"


def _table(table: Table, units: Units) -> str:
    return markdown([replace(table, title="")], units=units).rstrip("\n")


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
