"""Build the website: the docs, the committed reports, and reports made on this machine.

    python tools/site.py reports FOLDER [--time SECONDS]   # story, claims, latency, explorer
    python tools/site.py build FOLDER SITE                 # the site, including those reports
    python tools/site.py publish SITE                      # to the branch gh-pages of origin

``.github/workflows/reports.yml`` runs all three on every push.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORY = ("inception-naive", "inception-reduced", "nin", "googlenet")


def archcalc(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "archcalc", *words], check=True)


def reports(folder: Path, seconds: float) -> None:
    """Write the reports that depend on this commit and this machine into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    story, claims, bench, latency, explorer = (
        str(folder / name)
        for name in ("story.md", "claims.md", "latency.json", "latency.md", "explorer.html")
    )
    archcalc("report", *STORY, "--title", "The story", "-o", story)
    archcalc("claims", "-o", claims)
    archcalc("bench", *STORY, "--device", "cpu", "--layers", "--time", str(seconds), "-o", bench)
    only = ("--section", "summary", "--section", "latency")
    archcalc(
        "report",
        *STORY,
        *only,
        "--bench",
        bench,
        "--title",
        "Latency on the machine that built this site",
        "-o",
        latency,
    )
    archcalc("explore", *STORY, "-o", explorer)


def build(folder: Path, site: Path) -> None:
    """Build the site with the reports of a folder and the committed ones."""
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(site.resolve())],
        cwd=ROOT,
        env={**os.environ, "ARCHCALC_REPORTS": str(folder.resolve()), "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )


def publish(site: Path) -> None:
    """Replace the branch gh-pages of origin with the site."""
    subprocess.run(
        [sys.executable, "-m", "ghp_import", "--push", "--no-jekyll", "--force", str(site)],
        cwd=ROOT,
        check=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    steps = parser.add_subparsers(required=True)
    step = steps.add_parser("reports")
    step.add_argument("folder", type=Path)
    step.add_argument("--time", type=float, default=2.0, dest="seconds")
    step.set_defaults(run=lambda given: reports(given.folder, given.seconds))
    step = steps.add_parser("build")
    step.add_argument("folder", type=Path)
    step.add_argument("site", type=Path)
    step.set_defaults(run=lambda given: build(given.folder, given.site))
    step = steps.add_parser("publish")
    step.add_argument("site", type=Path)
    step.set_defaults(run=lambda given: publish(given.site))
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
