"""Predicted times: a prediction as a table, and the notes of a comparison with predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.latency import OTHERS
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.analysis.prediction.predict import Lack, Prediction
from archcalc.language import _, listed
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table
from archcalc.report.units import duration

SHOWN = 4
"""Number of operators that a note lists."""
WORTH = 0.005
"""The share of the time from which operators in sizes beyond the calibration are mentioned."""


def show(found: Prediction) -> Document:
    """``print`` of a prediction: a row per call, and the total."""
    rows: list[tuple[Cell, ...]] = [
        (row["name"], row["op"], row["predicted_s"], row["low_s"], row["high_s"])
        for row in found.rows()
    ]
    columns = (
        Column("node", _("node")),
        Column("op", _("operator"), priority=1),
        Column("predicted_s", _("predicted"), "seconds"),
        Column("low_s", _("5 %"), "seconds"),
        Column("high_s", _("95 %"), "seconds"),
    )
    whole = _(
        "{model}: {median}, 90 % between {low} and {high}.",
        model=found.spec,
        median=duration(found.seconds),
        low=duration(found.low),
        high=duration(found.high),
    )
    notes = (whole, *([missing] if (missing := lacking(found)) else []))
    return answer((Table(columns, tuple(rows)),), record(found), notes)


def record(found: Prediction) -> dict[str, Any]:
    """For JSON."""
    return records.head(
        spec=found.spec,
        predicted_s=found.seconds,
        low_s=found.low,
        high_s=found.high,
        lacks=[lack._asdict() for lack in found.lacks],
        nodes=found.rows(),
    )


def compared_notes(found: Comparison) -> Iterator[str]:
    """Notes on the predictions in a comparison: their calibration, and what it lacks."""
    if found.predictions is None:
        return
    yield source(found.predictions.calibration)
    for _graph, prediction in found.predictions.by_graph:
        if missing := lacking(prediction):
            yield missing
    others = found.predictions.calibration.others
    if others is not None and others > OTHERS:
        yield busy(others)


def busy(cores: float) -> str:
    """The warning about a calibration during which other processes ran."""
    return _(
        "Other processes used {cores:.1f} cores during the calibration; calibrate again on a "
        "quiet machine.",
        cores=cores,
    )


def compared_record(found: Comparison) -> dict[str, Any]:
    """The predictions of a comparison, for JSON."""
    if found.predictions is None:
        return {}
    calibration = found.predictions.calibration
    return {
        "predictions": {
            "machine": calibration.machine,
            "setting": str(calibration.setting),
            "models": [
                {
                    "spec": each.spec,
                    "predicted_s": each.seconds,
                    "low_s": each.low,
                    "high_s": each.high,
                    "lacks": [lack._asdict() for lack in each.lacks],
                }
                for _graph, each in found.predictions.by_graph
            ],
        }
    }


def source(calibration: Calibration) -> str:
    """The machine, the setting and the data of some predictions."""
    return _(
        "Predicted for {machine}, {setting}, from {calls} timed calls in {networks} designed "
        "networks: the median of a forward pass, and the interval from 5 to 95 %.",
        machine=calibration.machine,
        setting=calibration.setting,
        calls=f"{calibration.calls:,}",
        networks=calibration.network.networks,
    )


def lacking(found: Prediction) -> str:
    """The note on operators that were not calibrated; empty if they take little of the time."""
    worth = [lack for lack in found.lacks if lack.lacks == "operator" or lack.share >= WORTH]
    if not worth:
        return ""
    lacks = listed(_lack(lack) for lack in worth[:SHOWN])
    return _(
        "{model}: the interval is wider, because the calibration lacks {lacks}.",
        model=found.spec,
        lacks=lacks,
    )


def _lack(lack: Lack) -> str:
    values = {"op": lack.op, "calls": lack.calls, "share": f"{100 * lack.share:.1f} %"}
    if lack.lacks == "size":
        return _("{op} of such sizes ({calls}×, {share} of the time)", **values)
    return _("{op} ({calls}×, {share} of the time)", **values)
