"""``archcalc params``: where the parameters are, and which this pass leaves out."""

from __future__ import annotations

from archcalc.analysis.profile import Profile
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections import weights_by_dtype
from archcalc.report.sections.common import title
from archcalc.report.sections.conventions import outside
from archcalc.report.table import Cell, Column, Table, raw


def show(found: Profile, depth: int | None = None) -> Document:
    everything = found.params
    rows: list[tuple[Cell, ...]] = []
    for module in found.modules(depth):
        if not module.params:
            continue
        weights = module.layers[0].node.weights if len(module.layers) == 1 else ()
        shapes = ", ".join(raw(weight.shape) for weight in weights)
        rows.append((module.name, shapes, module.params, module.params / everything))
    idle = everything - found.params_executed
    if idle:
        rows.append(("not run in this pass", "", idle, idle / everything))
    rows.append(("total", "", everything, 1.0 if everything else None))
    columns = (
        Column("name", "name"),
        Column("weights", "weights", "prose", 1),
        Column("params", "params", "count"),
        Column("share", "share", "share"),
    )
    table = Table(columns, tuple(rows), title(found), total=True)
    return answer(
        (table, weights_by_dtype.table(found)),
        records.models([found]),
        (
            "Weights are written as torch keeps them: out × in/groups × window, then the bias.",
            *outside([found]),
        ),
    )
