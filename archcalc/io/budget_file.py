"""Budgets as TOML.

    [[model]]
    name = "nin"                                  # or "./net.py:Net", "nin,head=fc", ...
    input = "32x32x3"                             # the model's own unless given
    at_most = { params = "1M", macs = 225_000_000, peak_activation_bytes = "2 MiB" }
    exactly = { params = 966_986 }
    shapes = { "mlpconv3" = "8x8x10", output = "10" }
    latency = { ms = 5.0, bench = "bench.json", machine = "EPYC" }

A latency without a machine only advises.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archcalc.analysis.budget import FIGURES, Budget, TimeLimit
from archcalc.analysis.printed import quantity
from archcalc.errors import UsageError

KEYS = ("name", "input", "at_most", "exactly", "shapes", "latency")


def load(path: str) -> tuple[Budget, ...]:
    """The budgets of a file. Raises UsageError, which says what is wrong where."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read {path}: {(why or str(error)).lower()}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {str(error).lower()}") from None
    models = data.pop("model", [])
    if data:
        raise UsageError(f"{path}: {next(iter(data))!r} is not known here; write [[model]]")
    if not isinstance(models, list) or not all(isinstance(entry, dict) for entry in models):
        raise UsageError(f"{path}: write [[model]], with two brackets")
    if not models:
        raise UsageError(f"{path} has no [[model]]: there is nothing to keep")
    return tuple(_budget(entry, path) for entry in models)


def _budget(entry: dict[str, Any], path: str) -> Budget:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{path}: a [[model]] has no name")
    place = f"{path}: {name}"
    for key in entry:
        if key not in KEYS:
            raise UsageError(f"{place}: {key!r} is none of {', '.join(KEYS)}")
    input = entry.get("input", ())
    given = (input,) if isinstance(input, str) else input
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, str) for each in given):
        raise UsageError(f'{place}: input is text such as "224x224x3", or a list of such')
    shapes = _table(entry, "shapes", place)
    for node, wanted in shapes.items():
        if not isinstance(wanted, str):
            raise UsageError(f'{place}: the shape of {node} is text such as "8x8x10"')
    limits = {key: figures(_table(entry, key, place), place) for key in ("at_most", "exactly")}
    latency = _latency(_table(entry, "latency", place), place) if "latency" in entry else None
    if not (any(limits.values()) or shapes or latency):
        raise UsageError(f"{place} has no limit: give at_most, exactly, shapes or latency")
    return Budget(name, tuple(given), limits["at_most"], limits["exactly"], shapes, latency)


def _table(entry: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    found = entry.get(key, {})
    if not isinstance(found, dict):
        raise UsageError(f"{place}: {key} is a table: {key} = {{ ... }}")
    return found


def figures(table: Mapping[str, Any], place: str) -> dict[str, int]:
    """Limits by name, as whole numbers; ``place`` is for the words of a refusal. Raises
    UsageError."""
    found = {}
    for key, value in table.items():
        if key not in FIGURES:
            raise UsageError(f"{place}: {key!r} is none of {', '.join(FIGURES)}")
        try:
            number = quantity(value).value if isinstance(value, str) else value
        except UsageError as error:
            raise UsageError(f"{place}: {key}: {error}") from None
        if isinstance(number, bool) or number != int(number) or number < 0:
            raise UsageError(f'{place}: {key} is a whole number, or text such as "1.5M"')
        found[key] = int(number)
    return found


def _latency(table: Mapping[str, Any], place: str) -> TimeLimit:
    words = 'latency = { ms = 5.0, bench = "bench.json", machine = "EPYC" }'
    ms, bench, machine = table.get("ms"), table.get("bench"), table.get("machine", "")
    number = isinstance(ms, (int, float)) and not isinstance(ms, bool) and ms > 0
    if not number or set(table) - {"ms", "bench", "machine"}:
        raise UsageError(f"{place}: write {words}")
    if not isinstance(bench, str) or not isinstance(machine, str):
        raise UsageError(f"{place}: write {words}")
    assert isinstance(ms, (int, float))  # said above, in words that mypy does not follow
    return TimeLimit(ms / 1e3, bench, machine)
