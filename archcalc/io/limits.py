"""Limits that every reader of text files shares: the size of a file, and its contents.

A damaged or hostile file is refused in one sentence before anything is computed from it: text that
is not UTF-8, a device that never ends, nesting that exhausts the stack, numbers that Python does
not print, infinities.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError

LARGEST = 256 * 2**20
"""Bytes of a file; the samples of a long benchmark are a few megabytes."""

DEEPEST = 64
"""Levels of lists and tables."""

LONGEST_INTEGER = 100
"""Digits; Python refuses to print more than 4,300."""


def read_text(path: str | Path, hint: str = "") -> str:
    """A UTF-8 file as text; ``hint`` says how such a file is made. Raises UsageError."""
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
    """Refuse contents that no file of archcalc has: deep nesting, huge integers, infinities. Raises
    UsageError."""
    level, depth = [data], 0
    while level:  # level by level, for recursion would fail on what is looked for
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
    """A parser's message, for the end of a sentence."""
    text = str(error).partition("\n")[0]
    if "integer string conversion" in text:
        return "an integer has thousands of digits"
    return text[:1].lower() + text[1:]
