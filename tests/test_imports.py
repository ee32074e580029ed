"""Imports point one way: what shows knows what counts, and never the other way round."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archcalc"


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("part", ["analysis", "io", "lookup", "ops", "pytorch", "symbolic"])
def test_what_counts_does_not_import_what_shows(part: str) -> None:
    files = list((PACKAGE / part).rglob("*.py"))
    assert files
    shows = ("archcalc.report", "archcalc.cli")
    wrong = [
        (str(path.relative_to(PACKAGE)), name)
        for path in files
        for name in imported(path)
        if name.startswith(shows)
    ]
    assert wrong == []
