"""A wheel contains every package and the files that are not Python."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_package_is_in_the_wheel() -> None:
    found = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "archcalc").rglob("*.py")}
    folders = {
        SETUP["package-dir"].get(package, package.replace(".", "/"))
        for package in SETUP["packages"]
    }
    assert found <= folders


def test_every_data_file_is_in_the_wheel() -> None:
    for package, patterns in SETUP["package-data"].items():
        folder = ROOT / SETUP["package-dir"].get(package, package.replace(".", "/"))
        assert all(list(folder.glob(pattern)) for pattern in patterns), package
    page = ROOT / "archcalc" / "report" / "page"
    beside = {path.name for path in page.iterdir() if path.is_file() and path.suffix != ".py"}
    assert beside == set(SETUP["package-data"]["archcalc.report.page"])


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_its_actions_by_commit_and_may_only_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for action in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"\./|[\w-]+/[\w-]+@[0-9a-f]{40} # v[0-9.]+", action), action
    head = text.partition("jobs:")[0]
    assert re.search(r"^permissions:\n  contents: read\n$", head, re.M)
    for job in re.split(r"^  (?=\w+:$)", text.partition("jobs:")[2], flags=re.M):
        if re.search(r"^ +[\w-]+: write", job, re.M):  # a job with write access runs no other code
            assert "pull_request:\n" not in head
            assert "checkout@" not in job or "if: github.ref == 'refs/heads/main'" in job
