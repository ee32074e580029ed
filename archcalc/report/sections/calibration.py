"""``archcalc calibrate``: what was timed, and how well it is predicted."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.latency import OTHERS
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.language import _
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.prediction import busy, source
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
            _(
                "A network's time is off by {error:.1f} % (median over {networks} networks, each "
                "predicted by models that had not seen it).",
                error=100 * network.median_error,
                networks=network.networks,
            )
        )
        notes.append(
            _(
                "{environment}. It took {time}.",
                environment=each.environment,
                time=clock(each.seconds),
            )
        )
        if each.others is not None and each.others > OTHERS:
            notes.append(busy(each.others))
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
        Column("kind", _("kind")),
        Column("ops", _("operators"), "exact"),
        Column("calls", _("calls"), "exact"),
        Column("error", _("median error"), "share"),
    )
    rows = tuple(tuple(row.values()) for row in found.rows())
    return Table(columns, rows, str(found.setting))
