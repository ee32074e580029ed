"""Declared networks in a person's own Python file: ``./net.py:lenet``.

Whether a name is one is read off the file's text, so that a file which imports torch is run once,
by the loader of torch models, and a declared one without torch.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from archcalc.errors import UsageError
from archcalc.guard import guard
from archcalc.lookup.registry import Architecture


def is_declared(name: str) -> bool:
    """Whether ``net.py:lenet`` is a function under ``@architecture``. Raises UsageError where there
    is no such file."""
    place, _, attribute = name.rpartition(":")
    if not place.endswith(".py"):
        return False
    if not Path(place).is_file():
        raise UsageError(f"there is no file {place}")
    try:
        tree = ast.parse(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False  # running the file says what is wrong with it
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name == attribute
        and any(_name(decorator) == "architecture" for decorator in node.decorator_list)
        for node in tree.body
    )


def not_a_name(path: str) -> str:
    """The notation to use instead of a bare file name: ``./net.py`` names no class."""
    if not path.endswith(".py"):
        return (
            f"{path} is a file that archcalc does not read as a model; it reads Python files "
            "(net.py:Net), programs of torch.export (net.pt2), ONNX files (net.onnx) and saved "
            "graphs (net.graph.json)"
        )
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        kinds = (ast.ClassDef, ast.FunctionDef)
        names = [each.name for each in tree.body if isinstance(each, kinds)]
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        names = []
    public = [name for name in names if not name.startswith("_")]
    has = f"; it has {', '.join(public[:8])}" if public else ""
    return f"{path} is a file: write {path}:{public[0] if public else 'Net'} for what is in it{has}"


def _name(decorator: ast.expr) -> str:
    """The last part: of ``@archcalc.architecture(...)`` as of ``@architecture(...)``."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(called, "attr", getattr(called, "id", "")))


def load(name: str) -> Architecture:
    """The Architecture of ``net.py:lenet``, under that name from here on. Raises UsageError."""
    place, _, attribute = name.rpartition(":")
    found = getattr(run(place), attribute, None)
    if not isinstance(found, Architecture):
        raise UsageError(
            f"{name} is not an archcalc Architecture; decorate its definition with "
            "@archcalc.architecture(...)"
        )
    return replace(found, name=name)


def run(path: str) -> ModuleType:
    """The module of a Python file. It may import its neighbours. Raises UsageError."""
    stem = f"archcalc_model_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module  # dataclasses and pickles look themselves up there
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)
    try:
        with guard(f"{path} cannot be run"):
            spec.loader.exec_module(module)
    finally:
        with suppress(ValueError):  # the file may have changed sys.path
            sys.path.remove(folder)
    return module
