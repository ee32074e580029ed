"""mkdocs hook: the committed reports, those that CI made, and an explorer are on the site too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parent.parent / "reports"
MADE = "made-here"
"""Where the site has the reports of the folder that ``$ARCHCALC_REPORTS`` names."""

EXPLORED = ("nin", "inception-naive", "inception-reduced", "googlenet")
"""What the front page's explorer shows."""


def made_here() -> Path | None:
    folder = os.environ.get("ARCHCALC_REPORTS")
    return Path(folder) if folder else None


def on_config(config: Any) -> Any:
    """A place for each of them in the navigation."""
    pages = [f"reports/{path.name}" for path in sorted(REPORTS.glob("*.md"))]
    config.nav.append({"Reports": pages})
    folder = made_here()
    if folder is not None:
        pages = [f"{MADE}/{path.name}" for path in sorted(folder.glob("*.md"))]
        config.nav.append({"Reports of the last commit": pages})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Everything in reports/ under reports/, as it lies there, and the explorer's page."""
    from mkdocs.structure.files import File

    import archcalc

    folders = {"reports": REPORTS}
    folder = made_here()
    if folder is not None:
        folders[MADE] = folder
    for place, each in folders.items():
        for path in sorted(each.iterdir()):
            if path.suffix in (".md", ".svg", ".csv", ".json", ".html"):
                files.append(File.generated(config, f"{place}/{path.name}", abs_src_path=str(path)))
    page = archcalc.explore(*EXPLORED).html
    files.append(File.generated(config, "explorer.html", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links that are right in the repository are right on the site."""
    return markdown.replace("](../reports/", "](reports/")
