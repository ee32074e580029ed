"""A report before it has a format: sections of blocks, each of which every writer knows.

``story.py`` makes one from records; ``story_markdown.py`` and ``page/`` write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.profile import Profile
from archcalc.report.messages import Lang
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


class Figure(NamedTuple):
    """A chart."""

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


Block = Text | Tabular | Figure | Diagram | LayerList | Listing | Subsection


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report under its heading."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report."""

    title: str
    lang: Lang
    units: Units
    sections: tuple[Section, ...]
