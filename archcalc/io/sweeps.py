"""Read saved sweeps, the output of ``archcalc sweep --format json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archcalc.errors import UsageError
from archcalc.io import json
from archcalc.io.validate import validated
from archcalc.symbolic.sweep import Sweep
from archcalc.symbolic.sweep.keep import Objective
from archcalc.symbolic.sweep.space import Axis

SCHEMA_VERSION = 1

MAKE_ONE = "write one with archcalc sweep MODEL --over AXIS --format json -o FILE"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Range:
    first: int
    last: int
    step: int


@dataclass(frozen=True)
class _Sweep:
    spec: str
    axes: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    figures: tuple[str, ...]
    candidates: int
    valid: int
    kept: int
    front: tuple[Row, ...]
    best: tuple[Row, ...]
    sample: tuple[Row, ...]
    refusals: Mapping[str, int]
    where: str = ""
    predicted_for: str | None = None


def load(path: str) -> Sweep:
    """Read a saved sweep. Raises UsageError for any other file."""
    data = json.read(path, MAKE_ONE)
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(f"{path} is not a saved sweep; {MAKE_ONE}")
    found = validated(data, _Sweep, path, others=True)
    axes = tuple(_axis(name, values, path) for name, values in found.axes.items())
    columns = {axis.name for axis in axes} | set(found.figures)
    for row in (*found.front, *found.best, *found.sample):
        if not columns <= row.keys():
            missing = ", ".join(sorted(columns - row.keys()))
            raise UsageError(f"{path}: a row has no {missing}; {MAKE_ONE}")
    if not found.objectives or not axes:
        raise UsageError(f"{path}: a sweep has at least one axis and one objective; {MAKE_ONE}")
    return Sweep(
        found.spec,
        axes,
        found.objectives,
        found.figures,
        found.where,
        found.candidates,
        found.valid,
        found.kept,
        found.refusals,
        found.front,
        found.best,
        found.sample,
        predicted_for=found.predicted_for or "",
    )


def _axis(name: str, values: Any, path: str) -> Axis:
    if isinstance(values, dict):
        ends = validated(values, _Range, path)
        if ends.step < 1 or ends.last < ends.first:
            raise UsageError(f"{path}: axes.{name} is not a range")
        return Axis(name, range(ends.first, ends.last + 1, ends.step))
    if not isinstance(values, list) or not values:
        raise UsageError(f"{path}: axes.{name} is not a list of values")
    return Axis(name, tuple(values))
