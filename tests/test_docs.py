"""The pages of docs/ show the actual output, and every example on them runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from archcalc.cli import COMMANDS
from archcalc.ops import TABLE
from tests import readme

ROOT = Path(__file__).resolve().parent.parent

PAGES = [path for path in readme.DOCS if path not in readme.WITH_TORCH]
EXAMPLES = ["extending.md", "formulas.md", "reports.md", "tutorial.md"]
"""Pages whose fenced examples are run in order; the other pages have their own tests."""
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.S | re.M)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_output_shown_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    now = readme.refreshed(text)
    assert readme.without_versions(text) == readme.without_versions(now), readme.REPAIR


def test_the_conventions_page_has_every_operator() -> None:
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    for name, operator in TABLE.items():
        assert f"| `{name}` | {operator.kind} |" in text
        assert operator.formula or operator.free, f"{name} has neither a formula nor a reason"


def test_the_commands_page_has_every_command() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\S+)$", text, re.M)) == set(COMMANDS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files and run commands and Python in the order of the page, in one folder."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    shared: dict[str, object] = {}
    ran = 0
    for language, title, code in BLOCK.findall(text):
        if title:
            Path(title).write_text(code, encoding="utf-8")
        elif language == "python":
            said = run_python(code, shared)
            for wanted in re.findall(r"^print\(.*\)  # (.*)$", code, re.M):
                assert wanted in said
            ran += 1
        elif language == "sh":
            for line in code.splitlines():
                run_command(line, tmp_path)
                ran += 1
    assert ran


def run_python(code: str, shared: dict[str, object]) -> list[str]:
    """Run code and return its output as lines."""
    said: list[str] = []

    def keep(*values: object) -> None:
        said.append(" ".join(map(str, values)))

    exec(code, shared | {"print": keep})
    return said


def run_command(line: str, folder: Path) -> None:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "archcalc", line
    done = subprocess.run(
        [sys.executable, "-m", "archcalc", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for page in ("index", "tutorial", "conventions", "reports/story", "hard-cases"):
        assert (tmp_path / "site" / f"{page}.html").is_file()
    assert (tmp_path / "site" / "reports" / "story-waterfall.svg").is_file()
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert '<iframe src="explorer.html#' in front
    assert "inception-reduced" in (tmp_path / "site" / "explorer.html").read_text(encoding="utf-8")


def test_the_site_asks_no_font_server() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text


def test_no_page_is_left_out_of_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^  - (\S+\.md)$", text, re.M))
    assert listed == {path.name for path in readme.DOCS}
