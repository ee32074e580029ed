"""Budgets as TOML.

    [[model]]
    name = "nin"                                  # or "./net.py:Net", "nin,head=fc", ...
    input = "32x32x3"                             # by default, the model's own
    at_most = { params = "1M", macs = 225_000_000, peak_activation_bytes = "2 MiB" }
    exactly = { params = 966_986 }
    shapes = { "mlpconv3" = "8x8x10", output = "10" }
    latency = { ms = 5.0, bench = "bench.json", machine = "EPYC" }

``predict = "epyc.json"`` instead of ``bench`` names a calibration. Without a ``machine``, a latency
limit only warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archcalc.analysis.budget import Budget, TimeLimit
from archcalc.analysis.figures import FIGURES
from archcalc.analysis.printed import quantity
from archcalc.errors import UsageError
from archcalc.guard import shortened
from archcalc.io import toml
from archcalc.io.validate import validated

Limits = Mapping[str, int | float | str]


@dataclass(frozen=True)
class _Latency:
    ms: float
    bench: str = ""
    machine: str = ""
    predict: str = ""


@dataclass(frozen=True)
class _Model:
    name: str
    input: str | tuple[str, ...] = ()
    at_most: Limits = field(default_factory=dict)
    exactly: Limits = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)
    latency: _Latency | None = None


def load(path: str) -> tuple[Budget, ...]:
    """The budgets of a file. Raises UsageError, which names the faulty entry."""
    data = toml.read(path)
    entries = toml.tables(data, "model", path)
    if unknown := set(data) - {"model"}:
        raise UsageError(f"{path}: unknown key {shortened(min(unknown))!r}; write [[model]]")
    if not entries:
        raise UsageError(f"{path} has no [[model]]: there is no limit to check")
    return tuple(_budget(entry, path) for entry in entries)


def _budget(given: dict[str, Any], path: str) -> Budget:
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{path}: a [[model]] has no name")
    place = f"{path}: {shortened(name)}"
    entry = validated(given, _Model, place)
    at_most, exactly = figures(entry.at_most, place), figures(entry.exactly, place)
    latency = None
    if entry.latency is not None:
        if entry.latency.ms <= 0:
            raise UsageError(f"{place}: latency: ms must be above 0, got {entry.latency.ms:g}")
        given_time = entry.latency
        if bool(given_time.bench) == bool(given_time.predict):
            raise UsageError(
                f"{place}: latency: give either bench, a file of archcalc bench, or predict, a "
                "calibration"
            )
        latency = TimeLimit(
            given_time.ms / 1e3, given_time.bench, given_time.machine, given_time.predict
        )
    if not (at_most or exactly or entry.shapes or latency):
        raise UsageError(f"{place} has no limit: give at_most, exactly, shapes or latency")
    input = (entry.input,) if isinstance(entry.input, str) else entry.input
    return Budget(entry.name, input, at_most, exactly, entry.shapes, latency)


def figures(table: Mapping[str, Any], place: str) -> dict[str, int]:
    """Limits by name, as integers. Raises UsageError, with a message that starts with ``place``."""
    found = {}
    for key, value in table.items():
        if key not in FIGURES:
            raise UsageError(f"{place}: unknown figure {key!r}; one of {', '.join(FIGURES)}")
        try:
            number = quantity(value).value if isinstance(value, str) else value
            whole = not isinstance(number, bool) and number == int(number) and number >= 0
        except UsageError as error:
            raise UsageError(f"{place}: {key}: {error}") from None
        except (TypeError, ValueError, OverflowError):  # nan, inf, a list: from Python, not a file
            whole = False
        if not whole:
            raise UsageError(f'{place}: {key} must be a whole number, or text such as "1.5M"')
        found[key] = int(number)
    return found
