"""Declared networks in a person's own Python file: ``./net.py:lenet``.

Whether a name is one is read off the file's text, so that a file which imports torch is run once,
by the loader of torch models, and a declared one without torch.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

from archcalc.errors import ArchcalcError, UsageError
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
    except (OSError, ValueError, SyntaxError):
        return False  # the loader of torch models says what is wrong with it
    return any(
        isinstance(node, ast.FunctionDef)
        and node.name == attribute
        and any(_name(decorator) == "architecture" for decorator in node.decorator_list)
        for node in tree.body
    )


def _name(decorator: ast.expr) -> str:
    """The last part: of ``@archcalc.architecture(...)`` as of ``@architecture(...)``."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(called, "attr", getattr(called, "id", "")))


def load(name: str) -> Architecture:
    """The Architecture of ``net.py:lenet``, which is called so from here on. Raises UsageError."""
    place, _, attribute = name.rpartition(":")
    stem = f"archcalc_model_{Path(place).stem}"
    spec = importlib.util.spec_from_file_location(stem, place)
    if spec is None or spec.loader is None:
        raise UsageError(f"{place} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module  # dataclasses and pickles look themselves up there
    folder = os.path.dirname(os.path.abspath(place))
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except ArchcalcError:
        raise
    except Exception as error:  # a person's file can fail in any way
        line = str(error).partition("\n")[0]
        raise UsageError(f"{place} cannot be run: {type(error).__name__}: {line}") from error
    finally:
        sys.path.remove(folder)
    found = getattr(module, attribute)
    if not isinstance(found, Architecture):
        raise UsageError(
            f"{name} is no archcalc Architecture; decorate its definition with "
            "@archcalc.architecture(...)"
        )
    return replace(found, name=name)
