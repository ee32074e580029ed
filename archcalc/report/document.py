"""A result before it has a format: sections of blocks, and a record for programs.

Sections build blocks from records; each file in ``formats/`` writes a document as text. What a
command shows and what a report shows are documents alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archcalc.analysis.profile import Profile
from archcalc.language import Lang
from archcalc.report.table import Table
from archcalc.report.units import Units

Spec = Mapping[str, Any]
"""A chart, in Vega-Lite's JSON."""


class Text(NamedTuple):
    """A paragraph; plain text that writers escape."""

    text: str


class Tabular(NamedTuple):
    """A table under its caption."""

    table: Table
    caption: str = ""


class Chart(NamedTuple):
    """A chart, as a specification."""

    key: str
    """Names its file beside a Markdown report: ``waterfall``, ``nin-macs``."""
    caption: str
    spec: Spec
    group: str = ""
    """Charts of one group point out the same block together."""


class Diagram(NamedTuple):
    """A Mermaid flow chart."""

    caption: str
    source: str


class LayerList(NamedTuple):
    """Every layer of a model: a short table on paper, a tree and a full table on the page."""

    profile: Profile
    short: Table
    full: Table


class Listing(NamedTuple):
    """Text to be copied, as it stands."""

    text: str


class Subsection(NamedTuple):
    """A heading inside a section."""

    title: str


class Notes(NamedTuple):
    """Conventions and cautions, one sentence each."""

    texts: tuple[str, ...]


Block = Text | Notes | Tabular | Chart | Diagram | LayerList | Listing | Subsection


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading; the single section of a command has none."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole result."""

    sections: tuple[Section, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    """For programs: what JSON carries."""
    title: str = ""
    lang: Lang = "en"
    units: Units = "si"
    main: Table | None = None
    """The table that CSV carries, where it is not the first one."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(block for section in self.sections for block in section.blocks)

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(block.table for block in self.blocks if isinstance(block, Tabular))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(
            text for block in self.blocks if isinstance(block, Notes) for text in block.texts
        )


def answer(
    tables: Iterable[Table],
    data: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    *,
    main: Table | None = None,
) -> Document:
    """The document of one command: its tables, then its notes. ``main`` is for CSV, where several
    tables on the screen are one."""
    blocks: list[Block] = [Tabular(table) for table in tables]
    if notes:
        blocks.append(Notes(tuple(notes)))
    return Document((Section("", "", tuple(blocks)),), data or {}, main=main)
