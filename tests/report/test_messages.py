"""Everything that a report says is there in both languages, and is said somewhere."""

import re
import string
from pathlib import Path

import pytest

from archcalc.analysis.claims import VERDICTS
from archcalc.report import gather, messages
from archcalc.report.messages import LANGS, MESSAGES, Words

ROOT = Path(messages.__file__).parent
SAME = {"column.p10", "column.p90", "column.achieved"}
"""What is written alike in both."""


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", MESSAGES)
def test_a_message_has_every_language_with_the_same_values_in_it(key: str) -> None:
    message = MESSAGES[key]
    assert set(message) == set(LANGS)
    assert all(message.values())
    english, chinese = (fields(message[lang]) for lang in LANGS)
    # A language may count all where the other counts the rest.
    assert english == chinese or key == "title.more"


@pytest.mark.parametrize("key", sorted(set(MESSAGES) - SAME))
def test_chinese_is_chinese(key: str) -> None:
    assert re.search("[\u4e00-\u9fff、，；]", MESSAGES[key]["zh"]), MESSAGES[key]["zh"]


def test_every_message_is_said_somewhere() -> None:
    sources = [*ROOT.rglob("*.py"), *ROOT.glob("page/*")]
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sources
        if path.is_file() and path.name != "messages.py"
    )
    made = {"section", "column", "figure", "example", "page"}  # the key is put together there

    def is_said(key: str) -> bool:
        family, _, name = key.partition(".")
        name = name.removesuffix("_says")
        return f'"{key}"' in text or f"'{key}'" in text or (family in made and f'"{name}"' in text)

    unsaid = [key for key in MESSAGES if not key.startswith("term.") and not is_said(key)]
    assert not unsaid


def test_every_section_has_a_heading() -> None:
    assert {f"section.{name}" for name in gather.IN_REPORTS} <= set(MESSAGES)


@pytest.mark.parametrize("verdict", [each for each in VERDICTS if each != "needs training"])
def test_every_verdict_is_translated(verdict: str) -> None:
    assert Words("zh").term(verdict) != verdict


def test_a_word_of_the_users_own_stays_as_it_is() -> None:
    assert Words("zh").term("my::operator 3") == "my::operator 3"
    assert Words("zh").term("conv 3×3") == "卷积 3×3"
    assert Words("en").term("conv 3×3") == "conv 3×3"
