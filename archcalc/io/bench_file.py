"""Measurements as JSON, and back: the file that ``archcalc bench -o bench.json`` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from archcalc.analysis.latency import (
    Bench,
    Environment,
    Latency,
    Layers,
    LayerTime,
    Setting,
    Verified,
    Warmup,
)
from archcalc.errors import UsageError
from archcalc.version import VERSION

SCHEMA_VERSION = 1
KIND = "archcalc bench"


def record(bench: Bench) -> dict[str, Any]:
    """For JSON: every sample, in base units, and what made it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "archcalc": VERSION,
        "kind": KIND,
        "environment": asdict(bench.environment),
        "ceilings": list(bench.ceilings),
        "latencies": [_latency_record(row) for row in bench.latencies],
    }


def load(path: str | os.PathLike[str]) -> Bench:
    """A run of ``archcalc bench`` from its JSON file, or the one inside a comparison's. Raises
    UsageError for any other file."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON; write one with archcalc bench -o {path}") from error
    if isinstance(data, dict) and isinstance(data.get("bench"), dict):
        data = data["bench"]
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise UsageError(f"{path} holds no measurement; write one with archcalc bench -o FILE.json")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {data.get('schema_version')}, this archcalc reads "
            f"{SCHEMA_VERSION}; measure again with archcalc bench -o FILE.json"
        )
    try:
        latencies = tuple(map(_latency, data["latencies"]))
        return Bench(Environment(**data["environment"]), latencies, tuple(data["ceilings"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _latency_record(row: Latency) -> dict[str, Any]:
    """The fields, and a summary for readers without archcalc; loading works it out again."""
    summary = {
        "median": row.median,
        "p10": row.p10,
        "p90": row.p90,
        "iqr": row.iqr,
        "throughput": row.throughput,
    }
    return {
        **asdict(row),
        "warmup": row.warmup._asdict(),
        "verified": row.verified and row.verified._asdict(),
        "layers": row.layers
        and {**row.layers._asdict(), "times": [each._asdict() for each in row.layers.times]},
        "summary": summary,
    }


def _latency(stored: Mapping[str, Any]) -> Latency:
    fields = {key: value for key, value in stored.items() if key != "summary"}
    for key in ("samples", "device_samples"):
        fields[key] = tuple(map(float, fields[key]))
    if not fields["samples"] or min(fields["samples"]) <= 0 or fields["per_turn"] < 1:
        raise ValueError(f"{fields['spec']} has no samples of positive length")
    layers, verified = fields["layers"], fields["verified"]
    if layers is not None:
        times = tuple(LayerTime(**each) for each in layers["times"])
        fields["layers"] = Layers(times, layers["whole"], layers["missing"])
    if verified is not None:
        ours, theirs = (tuple(map(float, verified[key])) for key in Verified._fields)
        fields["verified"] = Verified(ours, theirs)
    fields["inputs"] = tuple(tuple(shape) for shape in fields["inputs"])
    fields["setting"] = Setting(**fields["setting"])
    fields["warmup"] = Warmup(**fields["warmup"])
    fields["warnings"] = tuple(fields["warnings"])
    return Latency(**fields)
