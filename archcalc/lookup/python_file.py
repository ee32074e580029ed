"""Declared networks in users' Python files: ``./net.py:lenet``.

Whether a name is a declared network is decided from the text of the file. A file with a torch model
is then run only once, by the loader of torch models.
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
    """Whether ``net.py:lenet`` is a function decorated with ``@architecture``. Raises UsageError if
    there is no such file."""
    place, _, attribute = name.rpartition(":")
    if not place.endswith(".py"):
        return False
    if not Path(place).is_file():
        raise UsageError(f"there is no file {place}")
    try:
        tree = ast.parse(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return False  # running the file reports the error
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name == attribute
        and any(_name(decorator) == "architecture" for decorator in node.decorator_list)
        for node in tree.body
    )


def not_a_name(path: str) -> str:
    """The message for a file name without a model: ``./net.py`` instead of ``./net.py:Net``."""
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
    return f"{path} is a file: name a model in it, {path}:{public[0] if public else 'Net'}{has}"


def _name(decorator: ast.expr) -> str:
    """The last part of the decorator's name: ``architecture`` of
    ``@archcalc.architecture(...)``."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(called, "attr", getattr(called, "id", "")))


def load(name: str) -> Architecture:
    """The Architecture of ``net.py:lenet``, with that name. Raises UsageError."""
    place, _, attribute = name.rpartition(":")
    found = getattr(run(place), attribute, None)
    if not isinstance(found, Architecture):
        raise UsageError(
            f"{name} is not an archcalc Architecture; decorate its definition with "
            "@archcalc.architecture(...)"
        )
    return replace(found, name=name)


def run(path: str) -> ModuleType:
    """Run a Python file, which may import modules from its folder. Raises UsageError."""
    stem = f"archcalc_model_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module  # dataclasses and pickle look modules up there
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)
    try:
        with guard(f"{path} cannot be run"):
            spec.loader.exec_module(module)
    finally:
        with suppress(ValueError):  # the file may have changed sys.path
            sys.path.remove(folder)
    return module
