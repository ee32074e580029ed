"""Predicted times: ``print`` of a prediction, and what a comparison says about its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.latency import OTHERS
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.analysis.prediction.predict import Lack, Prediction
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH
from archcalc.report.table import Cell, Column, Table
from archcalc.report.units import duration

SHOWN = 4
"""Operators that a note lists."""
WORTH = 0.005
"""The share of the time from which operators in other sizes are worth a word."""


def show(found: Prediction) -> Document:
    """The whole network, and its calls."""
    rows: list[tuple[Cell, ...]] = [
        (row["name"], row["op"], row["predicted_s"], row["low_s"], row["high_s"])
        for row in found.rows()
    ]
    columns = (
        Column("node", ENGLISH("column.node")),
        Column("op", ENGLISH("column.op"), priority=1),
        Column("predicted_s", ENGLISH("column.predicted"), "seconds"),
        Column("low_s", ENGLISH("column.predicted_low"), "seconds"),
        Column("high_s", ENGLISH("column.predicted_high"), "seconds"),
    )
    whole = (
        f"{found.spec}: {duration(found.seconds)}, 90 % between {duration(found.low)} and "
        f"{duration(found.high)}."
    )
    notes = (whole, *([told] if (told := lacking(found)) else []))
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


def compared_notes(found: Comparison, words: Words = ENGLISH) -> Iterator[str]:
    """What the predictions in a comparison rest on, and what they lack."""
    if found.predictions is None:
        return
    yield source(found.predictions.calibration, words)
    for _, prediction in found.predictions.by_graph:
        if told := lacking(prediction, words):
            yield told
    others = found.predictions.calibration.others
    if others is not None and others > OTHERS:
        yield words("note.busy_calibration", cores=others)


def compared_record(found: Comparison) -> dict[str, Any]:
    """For JSON: what each prediction rests on."""
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
                for _, each in found.predictions.by_graph
            ],
        }
    }


def source(calibration: Calibration, words: Words = ENGLISH) -> str:
    """The machine, the setting and the data of some predictions."""
    return words(
        "note.predicted",
        machine=calibration.machine,
        setting=calibration.setting,
        calls=f"{calibration.calls:,}",
        networks=calibration.network.networks,
    )


def lacking(found: Prediction, words: Words = ENGLISH) -> str:
    """What was not calibrated, in a sentence; empty where nothing that matters was missing."""
    worth = [lack for lack in found.lacks if lack.lacks == "operator" or lack.share >= WORTH]
    if not worth:
        return ""
    listed = words("title.comma").join(_lack(lack, words) for lack in worth[:SHOWN])
    return words("note.predicted_lacks", model=found.spec, lacks=listed)


def _lack(lack: Lack, words: Words) -> str:
    key = "note.lacks_size" if lack.lacks == "size" else "note.lacks_operator"
    return words(key, op=lack.op, calls=lack.calls, share=f"{100 * lack.share:.1f} %")
