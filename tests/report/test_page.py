"""The HTML page before a browser sees it: one file, everything escaped, nothing from elsewhere.

``tests/browser`` opens it in Chromium.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import archcalc
from archcalc.report import gather as stories
from archcalc.report.assemble import document
from archcalc.report.page import page
from tests.report.hostile import hostile_graph

LARGEST = 1_600_000
"""Bytes of a page with four networks; 0.9 million of them are the charts' library."""


class Elements(HTMLParser):
    """Start tags with their attributes, and the text inside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data


def written(*names: str, lang: str = "en", charts: bool = True) -> str:
    profiles = [archcalc.graph(name).profile() for name in names]
    return page(document(stories.of_profiles(profiles), lang=lang, charts=charts))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def four() -> str:
    return written("inception-naive", "inception-reduced", "nin", "googlenet")


def test_it_is_one_file_that_names_no_other(four: str) -> None:
    for tag, attributes in Elements(four).tags:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:")), (tag, address)
    style = re.search(r"<style>(.*?)</style>", four, re.S)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_its_own_policy_forbids_every_request(four: str) -> None:
    (policy,) = (
        attributes["content"]
        for tag, attributes in Elements(four).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "http" not in policy


def test_its_size_is_reasonable(four: str) -> None:
    assert len(four.encode()) < LARGEST


def test_it_is_the_same_twice(four: str) -> None:
    assert four == written("inception-naive", "inception-reduced", "nin", "googlenet")


def test_every_layer_is_a_row_with_its_exact_numbers(four: str) -> None:
    rows = [each for tag, each in Elements(four).tags if tag == "tr" and "data-kind" in each]
    profiles = [
        archcalc.graph(name).profile()
        for name in ("inception-naive", "inception-reduced", "nin", "googlenet")
    ]
    for fact in ("macs", "params"):
        total = sum(int(row[f"data-{fact}"] or 0) for row in rows)
        assert total == sum(
            getattr(layer, fact) or 0 for profile in profiles for layer in profile.layers
        )
    assert 'data-value="1582671872" title="1,582,671,872"' in four


def test_hostile_names_are_text_everywhere() -> None:
    text = page(document(stories.of_profiles([hostile_graph().profile()])))
    parsed = Elements(text)
    assert not [tag for tag, _ in parsed.tags if tag == "img"]
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert len([tag for tag, _ in parsed.tags if tag == "script"]) == 4
    assert not [script for script in parsed.scripts if script.strip().startswith("alert")]
    for script in parsed.scripts[:2]:
        json.loads(script)
        assert "<" not in script


def test_a_page_without_charts_has_no_library() -> None:
    text = written("nin", charts=False)
    assert len(text) < 150_000
    assert "vegaEmbed" not in text


def test_a_chinese_page_says_so() -> None:
    text = written("nin", lang="zh", charts=False)
    assert '<html lang="zh-Hans">' in text
    assert "逐层" in text
    assert "2.22亿" in text


HIDDEN = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from archcalc.cli import main
main({arguments!r})
"""


def without(hidden: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process where these packages cannot be imported."""
    code = HIDDEN.format(hidden=hidden, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize(
    ("hidden", "output"),
    [("altair", "x.md"), ("vl_convert", "x.md"), ("jinja2", "x.html"), ("vl_convert", "x.html")],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    hidden: str, output: str, tmp_path: object
) -> None:
    done = without([hidden], "report", "nin", "-o", f"{tmp_path}/{output}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert hidden in done.stderr
    assert "pip install 'archcalc[report]'" in done.stderr


EXTRAS = ["altair", "vl_convert", "jinja2", "pandas", "torch"]


@pytest.mark.parametrize(
    "arguments",
    [("compare", "nin", "googlenet"), ("show", "nin"), ("list",), ("report", "--help")],
    ids=" ".join,
)
def test_other_commands_need_nothing_of_it(arguments: tuple[str, ...]) -> None:
    assert without(EXTRAS, *arguments).returncode == 0


@pytest.mark.parametrize("name", ["x.csv", "x.json"])
def test_csv_and_json_need_no_extra(name: str, tmp_path: object) -> None:
    done = without(EXTRAS, "report", "nin", "-o", f"{tmp_path}/{name}")
    assert done.returncode == 0, done.stderr


def test_markdown_without_charts_needs_no_extra(tmp_path: object) -> None:
    done = without(EXTRAS, "report", "nin", "-o", f"{tmp_path}/x.md", "--no-charts")
    assert done.returncode == 0, done.stderr
