"""Hostile names: every format shows them, and none obeys them."""

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.report.escape import (
    PROTOTYPE,
    for_chart,
    for_csv,
    for_markdown,
    for_terminal,
    visible,
)

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv1", "conv1"),
        ("卷积 × 1", "卷积 × 1"),
        ("clear \x1b[2J", r"clear \x1b[2J"),
        ("bell \x07, C1 \x9b31m", r"bell \x07, C1 \x9b31m"),
        ("right to left \u202egnp.exe", r"right to left \u202egnp.exe"),
        ("isolate \u2066x\u2069", r"isolate \u2066x\u2069"),
        ("nothing \u200b here\ufeff", r"nothing \u200b here\ufeff"),
        ("half a pair \ud83d", r"half a pair \ud83d"),
        ("two\u2028lines\u2029", r"two\u2028lines\u2029"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("tab\tand\r\n", r"tab\tand\r\n"),
        ("family 👨‍👩‍👧", "family 👨‍👩‍👧"),
    ],
)
def test_what_has_no_sign_is_shown_as_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANYTHING)
def test_a_shown_text_can_be_encoded_and_moves_no_cursor(text: str) -> None:
    shown = for_terminal(text)
    shown.encode()
    assert not [sign for sign in shown if unicodedata.category(sign) == "Cc" and sign != "\n"]
    assert for_terminal(shown) == shown


@pytest.mark.parametrize("text", ["@team", "a@b.example", "see @octo-cat/core"])
def test_markdown_mentions_nobody(text: str) -> None:
    assert not re.search(r"@\w", for_markdown(text))


@pytest.mark.parametrize(
    "text", ["http://evil.example", "HTTPS://evil.example", "www.evil.example", "mailto:x"]
)
def test_markdown_makes_no_link_of_an_address(text: str) -> None:
    written = for_markdown(text)
    assert "&#8203;" in written
    assert written.replace("&#8203;", "") == text


@pytest.mark.parametrize("text", ["#12", "owner/name#12", "GH-12", "gh-7"])
def test_markdown_refers_to_no_issue(text: str) -> None:
    assert not re.search(r"(#|gh-)\d", for_markdown(text).replace("&#8203;", "!"), re.IGNORECASE)


def test_markdown_escapes_its_own_syntax_and_entities() -> None:
    assert for_markdown("a|b <i> `c` $x$ ~~d~~") == r"a\|b \<i\> \`c\` \$x\$ \~\~d\~~"
    assert for_markdown("&lt;script&gt;") == "&amp;lt;script&amp;gt;"
    assert for_markdown("\x00\n") == "\\\\x00 "


@given(ANYTHING)
def test_a_csv_field_is_one_line_and_no_formula(text: str) -> None:
    field = for_csv(text)
    assert field[:1] not in set("=+-@\t\r\n")
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([field, "next"])
    assert out.getvalue().count("\n") == 1
    assert next(csv.reader([out.getvalue()])) == [field, "next"]


def test_a_name_of_every_javascript_object_is_another_key_in_a_chart() -> None:
    assert {for_chart(name) for name in PROTOTYPE}.isdisjoint(PROTOTYPE)
    assert for_chart("conv1") == "conv1"
    assert for_chart("a\u2028\x1b") == r"a\u2028\x1b"
