"""Read JSON: saved reports, benchmark files, records of training runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from archcalc.errors import UsageError
from archcalc.io.limits import check_limits, parse_error, read_text


def read(path: str | Path, hint: str = "") -> Any:
    """Read a JSON file. Raises UsageError, with a message that ends with ``hint``, which says how
    to make such a file."""
    return parse(read_text(path, hint), path, hint)


def parse(text: str, path: str | Path, hint: str = "") -> Any:
    """Parse a JSON text. Raises UsageError, with a message that names ``path``.

    Stricter than Python's parser: NaN, Infinity and repeated keys are errors.
    """
    try:
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except RecursionError:
        raise UsageError(f"{path} is not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        after = f"; {hint}" if hint else ""
        raise UsageError(f"{path} is not JSON: {parse_error(error)}{after}") from None
    check_limits(found, path)
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"the constant {constant} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:40]!r} is given twice")
    return found
