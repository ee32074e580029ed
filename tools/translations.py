"""Update the gettext catalogues of archcalc.

    python tools/translations.py            # update and compile each archcalc.po
    python tools/translations.py --check    # change nothing; exit with 1 if anything is missing

Messages come from calls of ``_``, ``several``, ``mark`` and ``Message``, and from tables whose
texts commands show: operators, figures, claims and architectures. Terms, such as the classes of
work, have the context "term". Translators edit ``archcalc/locale/LANG/LC_MESSAGES/archcalc.po``
with their own tools and then run this command.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from archcalc.analysis.budget import Outcome
from archcalc.analysis.claims import VERDICTS
from archcalc.analysis.figures import FIGURES
from archcalc.analysis.lint import Severity
from archcalc.analysis.profile import Status
from archcalc.analysis.roofline import Label
from archcalc.graph import Phase
from archcalc.io.claims_file import registered
from archcalc.language import LANGS, LOCALE
from archcalc.lookup import registry
from archcalc.ops import TABLE
from archcalc.ops.operator import KINDS, Cost

CODE = LOCALE.parent
KEYWORDS = {"_": None, "mark": None, "Message": None, "each_output": None, "several": (1, 2)}
METHODS = [("**.py", "python"), ("**.j2", "jinja2")]

WORDS = (
    *("direct", "naive", "reduced", "sum", "total", "ratio", "input", "output", "fails"),
    *("training", "evaluation", "bytes", "latency", "predicted latency"),
)
"""Terms that only one table uses."""


def catalogue() -> Catalog:
    """All messages of the code and of its tables, without translations."""
    found = Catalog(project="archcalc", fuzzy=False)
    for path, line, message, comments, context in extract_from_dir(
        CODE, METHODS, keywords=KEYWORDS, comment_tags=("Translators:",)
    ):
        if not path.startswith("language.py"):
            found.add(message, locations=[(path, line)], auto_comments=comments, context=context)
    for message, comment in tables():
        found.add(message, auto_comments=[comment])
    for term in terms():
        found.add(term, context="term")
    return found


def tables() -> Iterator[tuple[str, str]]:
    """(message, comment for translators) of the texts in tables and files."""
    for row in TABLE.values():
        if row.free:
            yield row.free, "Why an operator is free"
    for figure in FIGURES.values():
        yield figure.label, "A figure"
    for claim in registered():
        if claim.source.startswith("the "):  # others are citations
            yield claim.source, f"Where claim {claim.id} is from"
        if claim.cause:
            yield claim.cause, f"Why the figure of claim {claim.id} differs"
        for step in claim.steps:
            yield step.why, f"A step of claim {claim.id}"
    for name in registry.names():
        found = registry.find(name)
        yield found.summary, f"What {name} is"
        for option in found.options.values():
            yield option.wanted, f"Values of an option of {name}"


def terms() -> Iterator[str]:
    """Words of records that commands show as terms."""
    for words in (KINDS, Cost._fields, VERDICTS, *map(get_args, (Severity, Outcome, Status))):
        yield from words
    yield from get_args(Label)
    yield from get_args(Phase)
    yield from (claim.full_unit for claim in registered())
    yield from WORDS


def merged(path: Path, lang: str) -> Catalog:
    """The messages of the code with the translations of a file."""
    template = catalogue()
    with path.open("rb") as file:
        known = read_po(file, locale=lang)
    found = Catalog(locale=lang, project="archcalc", fuzzy=False, header_comment="")
    for message in template:
        if message.id:
            old = known.get(message.id, context=message.context)
            found.add(
                message.id,
                old.string if old else "",
                locations=sorted({(place, 0) for place, _line in message.locations}),
                auto_comments=message.auto_comments,
                context=message.context,
            )
    # The current time would change the file at every run.
    found.creation_date = found.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    return found


def text(found: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, found, width=100, sort_output=True, omit_header=False, include_lineno=False)
    return buffer.getvalue()


def compiled(found: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, found)
    return buffer.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description="Update and compile the catalogues")
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        for path, lang in files():
            found = merged(path, lang)
            path.write_bytes(text(found))
            path.with_suffix(".mo").write_bytes(compiled(found))
    wrong = faults()
    print("".join(f"{fault}\n" for fault in wrong), end="")
    return int(bool(wrong))


def files() -> Iterator[tuple[Path, str]]:
    for lang in LANGS[1:]:
        yield LOCALE / lang / "LC_MESSAGES" / "archcalc.po", lang


def faults() -> list[str]:
    """What is missing or out of date in the catalogues."""
    wrong = []
    for path, lang in files():
        found = merged(path, lang)
        wrong += [
            f"{lang}: not translated: {message.id!r}"
            for message in found
            if message.id and not all_of(message.string)
        ]
        machine = path.with_suffix(".mo")
        if path.read_bytes() != text(found) or machine.read_bytes() != compiled(found):
            wrong.append(f"{lang} is out of date: run python tools/translations.py")
    return wrong


def all_of(translation: str | tuple[str, ...] | list[str]) -> bool:
    """Whether a translation, or each form of a plural, is not empty."""
    return bool(translation) if isinstance(translation, str) else all(translation)


if __name__ == "__main__":
    sys.exit(main())
