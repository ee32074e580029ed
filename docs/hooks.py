"""mkdocs hook: the committed reports are pages of the site too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parent.parent / "reports"


def on_config(config: Any) -> Any:
    """A place for each of them in the navigation."""
    config.nav.append(
        {"Reports": [f"reports/{path.name}" for path in sorted(REPORTS.glob("*.md"))]}
    )
    return config


def on_files(files: Any, config: Any) -> Any:
    """Everything in reports/ under reports/, as it lies there."""
    from mkdocs.structure.files import File

    for path in sorted(REPORTS.iterdir()):
        if path.suffix in (".md", ".svg", ".csv", ".json"):
            files.append(File.generated(config, f"reports/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links that are right in the repository are right on the site."""
    return markdown.replace("](../reports/", "](reports/")
