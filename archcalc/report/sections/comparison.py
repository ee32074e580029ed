"""Models side by side: ``archcalc compare``, and the summary of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.diff import Diff
from archcalc.analysis.figures import COMPARED
from archcalc.language import _, mark, term
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.sections.common import total
from archcalc.report.sections.context import Context
from archcalc.report.sections.conventions import notes
from archcalc.report.sections.totals import by_convention, by_phase
from archcalc.report.table import Cell, Column, Kind, Table

MEASURED: Mapping[str, tuple[str, Kind]] = {
    "median_s": (mark("median time"), "seconds"),
    "time_ratio": (mark("× time"), "ratio"),
    "predicted_s": (mark("predicted"), "seconds"),
    "predicted_low_s": (mark("5 %"), "seconds"),
    "predicted_high_s": (mark("95 %"), "seconds"),
    "test_accuracy": (mark("test acc."), "percent"),
}
"""The heading and the kind of each measured column and its ratio."""


def show(found: Comparison) -> Document:
    """``archcalc compare``: figures and ratios, a model per row."""
    profiles = found.profiles
    tables = [_table(found)]
    fields: dict[str, Any] = {
        "baseline": found.baseline.spec,
        "ratios": [
            {"name": priced.name, "spec": priced.spec}
            | {metric: found.ratio(priced, metric) for metric in COMPARED}
            for priced in profiles
        ],
    }
    said = [_("Ratios are to {baseline}.", baseline=found.baseline.spec), *notes(profiles)]
    # Only a comparison with measurements pays for their imports.
    if found.bench is not None:
        from archcalc.report.sections import latency

        fields |= latency.compared_record(found)
        said = [*latency.compared_notes(found), *said]
    if found.predictions is not None:
        from archcalc.report.sections import prediction

        fields |= prediction.compared_record(found)
        said = [*prediction.compared_notes(found), *said]
    if found.accuracies is not None:
        from archcalc.report.sections import accuracy

        if found.accuracies:
            tables.append(accuracy.by_training(found.accuracies, title=_("Measured accuracy")))
        fields |= accuracy.compared_record(found)
        said += accuracy.compared_notes(found)
    tables += [*by_phase(profiles), *by_convention(profiles)]
    if found.differences is not None:
        tables.append(_changes(found.differences))
        fields["diff"] = found.differences.rows()
    return answer(tables, records.models(profiles, **fields), said)


def of_report(context: Context) -> Iterator[Block]:
    """Each model in a row, with its ratios to the baseline."""
    found = context.report.comparison
    yield Tabular(_table(found))
    if len(found.profiles) > 1:
        yield Text(_("Ratios are to {baseline}.", baseline=found.baseline.spec))
    if found.predictions is not None:
        from archcalc.report.sections import prediction

        yield from map(Text, prediction.compared_notes(found))
    if context.charts and len([profile for profile in found.profiles if profile.macs]) > 1:
        from archcalc.report import charts

        spec = charts.scatter(found, context.units)
        caption = _("MACs and parameters of one pass") + context.front(
            [(profile.macs, profile.params_executed) for profile in found.profiles]
        )
        yield Chart("scatter", caption, spec, "models")


def _table(found: Comparison) -> Table:
    measures = found.measures
    columns = [
        Column("model", _("model")),
        Column("input", _("input H×W×C"), "shape", 3),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
        Column("flops", _("FLOPs"), "count"),
        Column("peak_activation_bytes", _("peak act."), "bytes", 1),
        Column("params_ratio", _("× params"), "ratio", 2),
        Column("macs_ratio", _("× MACs"), "ratio"),
    ]
    for key in (key for measure in measures for key in (measure.key, measure.ratio) if key):
        heading, kind = MEASURED[key]
        columns.append(Column(key, _(heading), kind))
    rows: list[tuple[Cell, ...]] = []
    for priced in found.profiles:
        cells = [
            priced.spec,
            priced.input,
            priced.params_executed,
            total(priced, "macs"),
            total(priced, "flops"),
            priced.memory.peak_bytes,
            found.ratio(priced, "params_executed"),
            found.ratio(priced, "macs"),
        ]
        for measure in measures:
            cells.append(measure.read(found, priced))
            if measure.ratio:
                cells.append(measure.ratio_of(found, priced))
        rows.append(tuple(cells))
    return Table(tuple(columns), tuple(rows))


def _changes(differences: Diff) -> Table:
    columns = (
        Column("change", ""),
        Column("name", _("node")),
        Column("what", _("what"), "prose"),
        Column("params", _("Δ params"), "signed"),
        Column("macs", _("Δ MACs"), "signed"),
    )
    sign = {"added": "+", "removed": "−", "changed": "~"}
    rows: list[tuple[Cell, ...]] = [
        (sign[change.kind], change.name, _(change.what), change.params, change.macs)
        for change in differences.changes
    ]
    params = sum(change.params for change in differences.changes)
    macs = sum(change.macs for change in differences.changes)
    rows.append(("", term("total"), "", params, macs))
    title = f"{differences.before.spec} -> {differences.after.spec}"
    return Table(columns, tuple(rows), title, total=True)
