"""A story in words: every section as blocks of text, tables and charts, in one language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from archcalc.report.document import Block, Chart, Document, Section
from archcalc.report.messages import Lang, Words
from archcalc.report.sections import citation, claims, conventions, costs, lint, measured
from archcalc.report.sections.context import Context
from archcalc.report.story import Story
from archcalc.report.units import Units

TOLD_BY: Mapping[str, Callable[[Context], Iterator[Block]]] = {
    "summary": costs.summary,
    "example": costs.example,
    "layers": costs.layers,
    "where": costs.where,
    "memory": costs.memory,
    "latency": measured.latency,
    "accuracy": measured.accuracy,
    "claims": claims.of_report,
    "lint": lint.of_report,
    "conventions": conventions.of_report,
    "citation": citation.of_report,
}
"""Each section of a Story; one that yields nothing is left out."""


def document(
    told: Story, *, lang: Lang = "en", units: Units | None = None, charts: bool = True
) -> Document:
    """The report in words. ``units`` are the language's own unless given. Raises MissingExtraError
    where charts are wanted and altair is not installed."""
    context = Context(told, Words(lang), units or ("zh" if lang == "zh" else "si"), charts)
    sections = []
    for name in told.sections:
        blocks = tuple(TOLD_BY[name](context))
        if blocks:
            sections.append(Section(name, context.words(f"section.{name}"), blocks))
    found = Document(tuple(sections), title=context.title(), lang=lang, units=context.units)
    return _with_own_keys(found)


def _with_own_keys(found: Document) -> Document:
    """The same document with every figure's key its own, where two names make the same one."""
    taken: set[str] = set()
    sections = []
    for section in found.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Chart):
                key, number = block.key, 1
                while key in taken:
                    number += 1
                    key = f"{block.key}-{number}"
                taken.add(key)
                block = block._replace(key=key)
            blocks.append(block)
        sections.append(replace(section, blocks=tuple(blocks)))
    return replace(found, sections=tuple(sections))
