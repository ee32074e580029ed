"""The steps of the reports workflow."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "tools" / "site.py"


def step(*words: str, cwd: Path = ROOT) -> None:
    subprocess.run([sys.executable, str(TOOL), *words], cwd=cwd, check=True, capture_output=True)


def test_the_workflow_runs_the_steps_of_the_tool() -> None:
    text = (ROOT / ".github" / "workflows" / "reports.yml").read_text(encoding="utf-8")
    steps = re.findall(r"python tools/site\.py (\w+)", text)
    assert steps == ["reports", "build", "publish"]


@pytest.mark.slow
def test_reports_of_this_machine_become_a_site(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    made, site = tmp_path / "made", tmp_path / "site"
    step("reports", str(made), "--time", "0.1")
    assert {"story.md", "claims.md", "latency.md", "latency.json", "explorer.html"} <= {
        path.name for path in made.iterdir()
    }
    assert "googlenet" in (made / "latency.md").read_text(encoding="utf-8")
    step("build", str(made), str(site))
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "made-here/latency.html" in front
    assert 'src="explorer.html#' in front
    assert (site / "explorer.html").stat().st_size < 2_000_000


@pytest.mark.slow
def test_a_site_is_pushed_to_its_branch(tmp_path: Path) -> None:
    pytest.importorskip("ghp_import")
    origin, clone, site = tmp_path / "origin", tmp_path / "clone", tmp_path / "site"
    subprocess.run(["git", "init", "-q", "--bare", str(origin)], check=True)
    subprocess.run(["git", "clone", "-q", str(origin), str(clone)], check=True)
    for key, value in (("user.name", "a"), ("user.email", "a@example.com")):
        subprocess.run(["git", "config", key, value], cwd=clone, check=True)
    (clone / "tools").mkdir()
    (clone / "tools" / "site.py").write_bytes(TOOL.read_bytes())
    site.mkdir()
    (site / "index.html").write_text("<p>front", encoding="utf-8")
    subprocess.run(
        [sys.executable, str(clone / "tools" / "site.py"), "publish", str(site)],
        cwd=clone,
        check=True,
    )
    shown = subprocess.run(
        ["git", "show", "gh-pages:index.html"], cwd=origin, capture_output=True, check=True
    )
    assert shown.stdout == b"<p>front"
