"""The guard around users' code: model files, constructors, forwards, formulas, entry points and
declared definitions.

Users' code can fail in any way. It can even call ``sys.exit()``, which would let `archcalc check`
pass without checking a budget. Whatever it raises becomes a :class:`UsageError` that says what was
run and quotes the first line of the error. archcalc's own errors and KeyboardInterrupt pass
unchanged.

>>> with guard("net.py cannot be run"):
...     raise SystemExit(0)
Traceback (most recent call last):
archcalc.errors.UsageError: net.py cannot be run: it calls sys.exit(0)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archcalc.errors import ArchcalcError, UsageError

PASS = (KeyboardInterrupt, GeneratorExit)
"""Exceptions that pass unchanged."""

LONGEST = 300
"""Longest quotation of an error, in characters."""


@contextmanager
def guard(what: str) -> Iterator[None]:
    """Run users' code in the block. ``what`` is the beginning of the message, such as ``net.py
    cannot be run``. Raises UsageError."""
    try:
        yield
    except (ArchcalcError, *PASS):
        raise
    except BaseException as error:  # SystemExit, or a class of the user's own
        raise UsageError(f"{what}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message, even if its ``__str__`` fails.

    >>> first_line(ValueError("too small\\n  at line 3")), first_line(KeyError())
    ('ValueError: too small', 'KeyError')
    """
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({_text(error)})"
    if isinstance(error, RecursionError):
        return "RecursionError: it calls itself without end, or is nested too deeply"
    kind = type(error).__name__
    line = next((line.strip() for line in _text(error).splitlines() if line.strip()), "")
    return f"{kind}: {shortened(line)}" if line else kind


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's exception class whose __str__ fails
        return ""


def shortened(value: object) -> str:
    """A value as quoted in messages: in full, unless it is very long.

    >>> shortened(12), len(shortened("9" * 20_000))
    ('12', 303)
    """
    try:
        text = str(value)
    except ValueError:  # Python refuses to write an integer of thousands of digits
        text = f"({type(value).__name__} too long to write)"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
