"""Limits that all readers of text files share.

A damaged or hostile file is refused with one sentence before anything is computed from it: invalid
UTF-8, an endless device, nesting that would exhaust the stack, integers that Python does not print,
and infinities.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError

LARGEST = 256 * 2**20
"""The most bytes of a file. The samples of a long benchmark have a few megabytes."""

DEEPEST = 64
"""The most levels of nested lists and tables."""

LONGEST_INTEGER = 100
"""The most digits of an integer. Python refuses to print more than 4,300."""


def read_text(path: str | Path, hint: str = "") -> str:
    """Read a UTF-8 file. Raises UsageError, with a message that ends with ``hint``, which says how
    to make such a file."""
    after = f"; {hint}" if hint else ""
    try:
        with open(path, "rb") as file:
            found = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}{after}") from None
    except (OSError, ValueError) as error:  # a name with NUL in it is a ValueError
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {path}: {why.lower()}{after}") from None
    if len(found) > LARGEST:
        raise UsageError(f"cannot read {path}: it is larger than {LARGEST // 2**20} MiB{after}")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {path}: it is not UTF-8 text{after}") from None


def check_limits(data: Any, path: str | Path) -> None:
    """Raise UsageError for deep nesting, huge integers and infinities."""
    level, depth = [data], 0
    while level:  # without recursion, which would fail on deep nesting
        if depth > DEEPEST:
            raise UsageError(f"{path}: more than {DEEPEST} levels of nesting")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{path}: {value} is not a finite number")
            elif type(value) is int and value.bit_length() > 3.33 * LONGEST_INTEGER:
                raise UsageError(f"{path}: an integer has more than {LONGEST_INTEGER} digits")
        level, depth = below, depth + 1


def parse_error(error: ValueError) -> str:
    """The message of a parser, to end a sentence with."""
    text = str(error).partition("\n")[0]
    if "integer string conversion" in text:
        return "an integer has thousands of digits"
    return text[:1].lower() + text[1:]
