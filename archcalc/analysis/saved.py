"""A profile as its JSON report stored it: enough to find what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.figures import COMPARED
from archcalc.graph import Shape


class SavedLayer(NamedTuple):
    """One executed node of a saved report."""

    name: str
    op: str
    output: Shape
    params: int
    macs: int | None
    """None where it is not counted."""
    attrs: Mapping[str, Any]
    weights: Mapping[str, Shape]
    """Empty where the report is of a version that did not keep them, as are ``attrs``."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """One model of a saved report."""

    name: str
    spec: str
    input: Shape
    output: Shape
    figures: Mapping[str, int]
    """The totals by name, as many as the report has."""
    not_counted: int
    """Calls without a formula: the totals are then lower bounds."""
    layers: tuple[SavedLayer, ...]


def saved_model(record: Mapping[str, Any]) -> SavedModel:
    """One entry of ``models`` of the JSON format. Raises KeyError, TypeError or ValueError for
    anything else."""
    return SavedModel(
        name=str(record["name"]),
        spec=str(record["spec"]),
        input=tuple(record["input"]),
        output=tuple(record["output"]),
        figures={key: int(record[key]) for key in COMPARED if key in record},
        not_counted=sum(int(row["calls"]) for row in record.get("not_counted", ())),
        layers=tuple(map(_layer, record["layers"])),
    )


def _layer(record: Mapping[str, Any]) -> SavedLayer:
    return SavedLayer(
        name=str(record["name"]),
        op=str(record["op"]),
        output=tuple(record["output"]),
        params=int(record["params"]),
        macs=None if record["macs"] is None else int(record["macs"]),
        attrs={key: _plain(value) for key, value in record.get("attrs", {}).items()},
        weights={key: tuple(shape) for key, shape in record.get("weights", {}).items()},
    )


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list) else value
