"""Read saved reports, the output of ``--format json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archcalc.analysis.saved import SavedModel, saved_model
from archcalc.errors import UsageError
from archcalc.guard import shortened
from archcalc.io import json
from archcalc.io.limits import read_text
from archcalc.io.validate import validated

SCHEMA_VERSION = 1

MAKE_ONE = "write one with archcalc show MODEL --format json -o FILE"


@dataclass(frozen=True)
class _NotCounted:
    calls: int


@dataclass(frozen=True)
class _Layer:
    name: str
    op: str
    output: tuple[int, ...]
    params: int
    macs: int | None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Model:
    name: str
    spec: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    layers: tuple[_Layer, ...]
    not_counted: tuple[_NotCounted, ...] = ()
    params: int = 0
    params_executed: int = 0
    macs: int = 0
    flops: int = 0
    activations: int = 0
    peak_activation_bytes: int = 0
    weight_bytes: int = 0


def load(path: str) -> tuple[SavedModel, ...]:
    """Read the models of a saved report. Raises UsageError for any other file."""
    return parse(read_text(path, MAKE_ONE), path)


def parse(text: str, path: str) -> tuple[SavedModel, ...]:
    """The models of a report as JSON text. Raises UsageError, with a message that names
    ``path``."""
    data = json.parse(text, path, MAKE_ONE)
    if not isinstance(data, dict) or "models" not in data:
        raise UsageError(
            f"{path} is not a report of models; write one with "
            "archcalc show MODEL --format json, or flops, compare, params, memory"
        )
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {shortened(data.get('schema_version'))}, this archcalc "
            f"reads {SCHEMA_VERSION}; write it again"
        )
    models = data["models"]
    if not isinstance(models, list):
        raise UsageError(f"{path} is damaged: models: expected a list")
    for place, model in enumerate(models):
        validated(model, _Model, f"{path} is damaged: models[{place}]", others=True)
    return tuple(map(saved_model, models))
