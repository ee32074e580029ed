"""A report in one language: its sections as blocks, and the files it is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from archcalc.language import Lang, _, use
from archcalc.report.document import Block, Chart, Document, Section
from archcalc.report.formats import PROGRAMS, Place, choose, write
from archcalc.report.gather import Report, record, table
from archcalc.report.sections import SECTIONS, of_report
from archcalc.report.sections.context import Context
from archcalc.report.units import Units


def document(
    report: Report, *, lang: Lang = "en", units: Units | None = None, charts: bool = True
) -> Document:
    """Build the report. ``units`` default to those of the language. Raises MissingExtraError
    where charts are wanted and altair is not installed."""
    context = Context(report, units or ("zh" if lang == "zh" else "si"), charts)
    sections = []
    with use(lang):
        for name in report.sections:
            blocks = tuple(of_report(name, context))
            if blocks:
                sections.append(Section(name, _(SECTIONS[name].title), blocks))
        title = context.title()
    return _with_own_keys(Document(tuple(sections), title=title, lang=lang, units=context.units))


def files(
    report: Report,
    target: Path,
    *,
    lang: Lang = "en",
    units: Units | None = None,
    charts: bool = True,
) -> Mapping[Path, str]:
    """The texts that a report in one format consists of, by path. Raises UsageError for an
    extension without a format."""
    form = choose("", str(target), has_option=False)
    place = Place(stem=target.stem)
    if form in PROGRAMS:
        main = table(report) if "layers" in report.sections else None
        found = replace(document(report, charts=False), data=record(report), main=main)
    else:
        found = document(report, lang=lang, units=units, charts=charts)
    with use(found.lang):
        text = write(found, form, place)
    # Charts come first, so a report that exists has its charts.
    return {target.parent / name: chart for name, chart in place.files.items()} | {target: text}


def _with_own_keys(found: Document) -> Document:
    """The same document with a number after each key that two charts share."""
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
