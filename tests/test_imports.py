"""Imports point one way: presentation imports analysis, never the other way round."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archcalc"


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, at any level."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("part", ["analysis", "io", "lookup", "ops", "pytorch", "symbolic"])
def test_analysis_does_not_import_presentation(part: str) -> None:
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


def module_level(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            continue
        else:
            yield from module_level(node)


def arrows() -> dict[str, set[str]]:
    """Return the modules of the package that each module imports."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in PACKAGE.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        found[name] = set()
        for node in module_level(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names} & paths.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in paths:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= inside & paths.keys() or {node.module}
    return found


def test_no_modules_import_one_another() -> None:
    left = arrows()
    assert len(left) > 200
    # Remove modules that import none of the rest, until nothing changes.
    while free := {name for name, used in left.items() if not used & left.keys()}:
        left = {name: used for name, used in left.items() if name not in free}
    assert not left
