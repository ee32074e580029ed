"""Write and read measurements as JSON, the file of ``archcalc bench -o bench.json``."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from archcalc.analysis.latency import Bench, Latency
from archcalc.analysis.predictors import agreements
from archcalc.analysis.roofline import Ceilings
from archcalc.errors import UsageError
from archcalc.guard import first_line, shortened
from archcalc.io import json
from archcalc.io.validate import validated
from archcalc.version import VERSION

SCHEMA_VERSION = 1
KIND = "archcalc bench"

MAKE_ONE = "write one with archcalc bench -o FILE.json"


def record(bench: Bench) -> dict[str, Any]:
    """The measurement as plain data for JSON: every sample in seconds, the settings, and the
    machine."""
    return {
        "schema_version": SCHEMA_VERSION,
        "archcalc": VERSION,
        "kind": KIND,
        "environment": asdict(bench.environment),
        "ceilings": list(bench.ceilings),
        "latencies": [_latency_record(row) for row in bench.latencies],
        "predictors": [
            {"setting": asdict(group[0].setting)} | each._asdict()
            for group in bench.groups()
            for each in agreements(group)
        ],
    }


def load(path: str | os.PathLike[str]) -> Bench:
    """Read the file of ``archcalc bench``, or the measurement inside the JSON of a comparison.
    Raises UsageError for any other file."""
    name = os.fspath(path)
    data = json.read(name, MAKE_ONE)
    if isinstance(data, dict) and isinstance(data.get("bench"), dict):
        data = data["bench"]
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise UsageError(f"{name} holds no measurement; {MAKE_ONE}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{name} has schema version {shortened(data.get('schema_version'))}, this archcalc "
            f"reads {SCHEMA_VERSION}; measure again with archcalc bench -o FILE.json"
        )
    latencies = data.get("latencies")
    if isinstance(latencies, list):  # the summary is for readers without archcalc
        latencies = [_without_summary(row) for row in latencies]
    known = {"environment": data.get("environment"), "ceilings": data.get("ceilings")}
    found = validated({**known, "latencies": latencies}, Bench, f"{name} is damaged")
    for row in found.latencies:
        _check(row, f"{name} is damaged: {row.spec}")
    for ceilings in found.ceilings:
        try:
            Ceilings.read(ceilings)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{name} is damaged: ceilings: {first_line(error)}") from None
    return found


def _without_summary(row: Any) -> Any:
    return {key: row[key] for key in row if key != "summary"} if isinstance(row, dict) else row


def _check(row: Latency, place: str) -> None:
    """Raise UsageError for numbers that cannot come from a measurement."""
    if not row.samples or min(row.samples) <= 0:
        raise UsageError(f"{place} has no samples of positive length")
    if min((row.per_turn, row.calls, row.setting.batch)) < 1:
        raise UsageError(f"{place}: per_turn, calls and batch must be at least 1")
    if row.device_samples and min(row.device_samples) <= 0:
        raise UsageError(f"{place} has device samples that are not of positive length")
    if row.layers is not None and row.layers.whole <= 0:
        raise UsageError(f"{place}: the layers' whole must be above 0")
    if row.predicted is not None and not 0 < row.predicted.low <= row.predicted.high:
        raise UsageError(f"{place}: the predicted interval is impossible")
    if row.verified is not None and not (
        row.verified.ours and row.verified.theirs and min(row.verified.theirs) > 0
    ):
        raise UsageError(f"{place}: verified has no samples of positive length")


def _latency_record(row: Latency) -> dict[str, Any]:
    """The fields, and a summary for readers without archcalc. :func:`load` ignores the summary."""
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
        "predicted": row.predicted and row.predicted._asdict(),
        "layers": row.layers
        and {**row.layers._asdict(), "times": [each._asdict() for each in row.layers.times]},
        "summary": summary,
    }
