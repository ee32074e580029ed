"""Read TOML: budgets, claims, report configurations."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError
from archcalc.io.limits import DEEPEST, check_limits, parse_error, read_text

DEEP_KEY = re.compile(rf"^[ \t]*\[{{0,2}}(?:[ \t]*[\w-]+[ \t]*\.){{{DEEPEST + 1}}}", re.MULTILINE)
"""A key with too many parts. With thousands of parts, the parser would take seconds."""


def read(path: str | Path, hint: str = "") -> dict[str, Any]:
    """Read a TOML file. Raises UsageError, with ``hint`` at the end of the message."""
    return parse(read_text(path, hint), path)


def parse(text: str, path: str | Path) -> dict[str, Any]:
    """Parse a TOML text. Raises UsageError, with a message that names ``path``."""
    if DEEP_KEY.search(text):
        raise UsageError(f"{path}: more than {DEEPEST} levels of nesting")
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{path} is not TOML that can be read: it is nested too deeply") from None
    except ValueError as error:  # a TOMLDecodeError, or an integer of thousands of digits
        raise UsageError(f"{path} is not TOML: {parse_error(error)}") from None
    check_limits(found, path)
    return found


def tables(data: Mapping[str, Any], key: str, path: str | Path) -> list[dict[str, Any]]:
    """The tables under ``[[key]]``, which may be missing. Raises UsageError."""
    found = data.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise UsageError(f"{path}: write [[{key}]], with two brackets")
    return found
