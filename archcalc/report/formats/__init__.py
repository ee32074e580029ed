"""The formats of a document: one file each, all in one table.

A format is a module with ``write(document, place) -> str``. Adding one takes its file and its row
in :data:`FORMATS`; commands, reports and report files offer it from then on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, cast

from archcalc.errors import UsageError
from archcalc.report.document import Document


class Format(NamedTuple):
    """One format."""

    module: str
    """In this package; imported only when the format is chosen."""
    extension: str
    """Of files in this format; empty for one that is not a file's."""


FORMATS: Mapping[str, Format] = {
    "table": Format("terminal", "txt"),
    "md": Format("markdown", "md"),
    "csv": Format("csv", "csv"),
    "json": Format("json", "json"),
    "html": Format("html", "html"),
    "latex": Format("latex", "tex"),
}
"""By the name that ``--format`` takes."""

NAMES = tuple(FORMATS)

PROGRAMS = ("csv", "json")
"""The formats that programs read: without charts, and in English."""


@dataclass(frozen=True)
class Place:
    """Where a document is written, and the files that come beside it."""

    width: int = 0
    """Columns of the terminal; 0 is for a file or a pipe, where no line has to fit."""
    colour: bool = False
    stem: str = "report"
    """Starts the names of files that are written beside the document."""
    files: dict[str, str] = field(default_factory=dict)
    """Texts of the files beside the document, by name. A format adds to them."""


def columns() -> int:
    """Columns that the variable COLUMNS or the terminal has; 0 where lines may be of any length."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0


def write(document: Document, format: str, place: Place | None = None) -> str:
    """The document in a format."""
    module = import_module(f"{__name__}.{FORMATS[format].module}")
    return cast(str, module.write(document, place or Place()))


def choose(format: str, output: str, *, has_option: bool = True, also: Sequence[str] = ()) -> str:
    """The format to write: the given one, else the one of the file's extension, else a table.

    Raises UsageError for an extension that no format has; ``has_option`` says that the command
    has a --format to advise, and ``also`` which other extensions it takes.

    >>> choose("", "out.csv"), choose("json", "out.txt"), choose("", "-")
    ('csv', 'json', 'table')
    """
    if format:
        return format
    if output == "-":
        return "table"
    extension = Path(output).suffix.lstrip(".").lower()
    if not extension:  # a device, a pipe or a folder, which is refused when it is written
        return "table"
    for name, found in FORMATS.items():
        if found.extension == extension:
            return name
    known = ", ".join([*(f".{found.extension}" for found in FORMATS.values()), *also])
    advice = f", or give --format {'|'.join(NAMES)}" if has_option else ""
    raise UsageError(
        f"cannot tell the format of {output!r} from its extension; end it with {known}{advice}"
    )
