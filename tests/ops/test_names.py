"""What is known about an operator is in its row: nothing else decides by an operator's name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import archcalc
from archcalc.ops import TABLE

PACKAGE = Path(archcalc.__file__).parent
STRUCTURE = {"input", "parameter", "constant"}
"""Nodes that are not operations: where a graph's tensors come from."""
FX = {"placeholder"}
"""What a node of torch.fx is, which has an ``op`` too."""
ROWS = (PACKAGE / "ops", PACKAGE / "pytorch" / "trace")
"""The rows, and the trace's translation of torch's names into theirs."""
ELSEWHERE = sorted(
    path for path in PACKAGE.rglob("*.py") if not any(map(path.is_relative_to, ROWS))
)


def names_compared(tree: ast.AST) -> Iterator[str]:
    """Operators' names, or parts of them, that code compares something's ``op`` with."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = [node.func.value, *node.args]
        elif isinstance(node, ast.Match):
            patterns = [each.value for each in ast.walk(node) if isinstance(each, ast.MatchValue)]
            parts = [node.subject, *patterns]
        if any(isinstance(part, ast.Attribute) and part.attr == "op" for part in parts):
            for part in parts:
                for each in ast.walk(part):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield each.value


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_code_outside_the_rows_asks_for_the_name_of_an_operator(path: Path) -> None:
    assert set(names_compared(ast.parse(path.read_text()))) - STRUCTURE - FX == set()


@pytest.mark.parametrize(
    "code",
    [
        "node.op == 'dropout'",
        "'_pool' in node.op",
        "node.op in ('relu', 'relu6')",
        "node.op.startswith('conv')",
        "match node.op:\n    case 'linear':\n        pass",
    ],
)
def test_the_check_sees_every_way_of_asking(code: str) -> None:
    assert list(names_compared(ast.parse(code)))


def test_the_structure_is_the_rows_that_compute_nothing() -> None:
    assert {TABLE[name].kind for name in STRUCTURE} == {"input"}
