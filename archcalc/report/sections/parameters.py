"""``archcalc params``: where the parameters are, and which this pass leaves out."""

from __future__ import annotations

from dataclasses import replace

from archcalc.analysis import fold
from archcalc.analysis.profile import Profile
from archcalc.language import _, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections import weights_by_dtype
from archcalc.report.sections.common import gathered, title
from archcalc.report.sections.conventions import outside
from archcalc.report.table import Cell, Column, Table, raw


def show(found: Profile, depth: int | None = None) -> Document:
    """A row per module with parameters. Long tables are folded."""
    everything = found.params
    rows: list[tuple[Cell, ...]] = []
    owners = replace(found, layers=tuple(layer for layer in found.layers if layer.params))
    shown = fold.rows(owners, depth)
    for row in shown:
        weights = row.layers[0].node.weights if len(row.layers) == 1 else ()
        shapes = ", ".join(raw(weight.shape) for weight in weights)
        rows.append((row.name, shapes, row.params, row.params / everything))
    idle = everything - found.params_executed
    if idle:
        rows.append((_("not run in this pass"), "", idle, idle / everything))
    rows.append((term("total"), "", everything, 1.0 if everything else None))
    columns = (
        Column("name", _("name")),
        Column("weights", _("weights"), "prose", 1),
        Column("params", _("params"), "count"),
        Column("share", _("share"), "share"),
    )
    table = Table(columns, tuple(rows), title(found), total=True)
    return answer(
        (table, weights_by_dtype.table(found)),
        records.models([found]),
        (
            *gathered(owners, shown),
            _("Weights are written as torch keeps them: out × in/groups × window, then the bias."),
            *outside([found]),
        ),
    )
