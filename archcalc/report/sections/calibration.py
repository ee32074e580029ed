"""``archcalc calibrate``: what was timed, and how well it is predicted."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.latency import OTHERS
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.prediction import source
from archcalc.report.table import Column, Table
from archcalc.report.units import clock


def show(*found: Calibration) -> Document:
    """A table per calibration: a row per kind of operator."""
    tables, notes = [], []
    for each in found:
        tables.append(_table(each))
        network = each.network
        notes.append(source(each))
        notes.append(
            f"A network's time is off by {100 * network.median_error:.1f} % (median over "
            f"{network.networks} networks, each predicted by models that had not seen it)."
        )
        notes.append(f"{each.environment}. It took {clock(each.seconds)}.")
        if each.others is not None and each.others > OTHERS:
            notes.append(ENGLISH("note.busy_calibration", cores=each.others))
    return answer(tables, record(*found), tuple(dict.fromkeys(notes)))


def record(*found: Calibration) -> dict[str, Any]:
    """For JSON: the summary. The models are in the calibration's own file."""
    return records.head(
        calibrations=[
            {
                "machine": each.machine,
                "setting": str(each.setting),
                "seconds": each.seconds,
                "networks": each.network.networks,
                "median_error": each.network.median_error,
                "kinds": each.rows(),
            }
            for each in found
        ]
    )


def _table(found: Calibration) -> Table:
    columns = (
        Column("kind", ENGLISH("column.kind")),
        Column("ops", "operators", "exact"),
        Column("calls", "calls", "exact"),
        Column("error", "median error", "share"),
    )
    rows = tuple(tuple(row.values()) for row in found.rows())
    return Table(columns, rows, str(found.setting))
