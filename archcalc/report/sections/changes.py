"""``archcalc diff``: what changed, in few lines, for a pull request."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.diff import Change, ModelDiff, ReportDiff, Total
from archcalc.analysis.figures import FIGURES
from archcalc.graph import Shape
from archcalc.language import _, several, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Column, Table, shape_text

NODES = 30
"""Changed nodes of a model that are listed; the others are counted."""

SIGN = {"added": "+", "removed": "−", "changed": "~"}


def show(found: ReportDiff) -> Document:
    """What changed, model by model; no table at all when nothing did."""
    tables: list[Table] = []
    notes: list[str] = []
    for model in found.models:
        title = f"{model.spec}: {found.before} -> {found.after}"
        if model.before is None or model.after is None:
            tables.append(_one_sided(model, title))
            if model.why:
                side = found.before if model.before is None else found.after
                notes.append(
                    _("{model} at {side}: {why}", model=model.spec, side=side, why=_(model.why))
                )
            continue
        own = [change for change in model.changes if not _follows(change)]
        if model.figures:
            tables.append(_figures(model.figures, title))
            title = ""
        if own:
            tables.append(_nodes(own[:NODES], title))
        if len(own) > NODES:
            more = _("{count} more nodes changed.", count=len(own) - NODES)
            notes.append(f"{model.spec}: {more}")
        if follow := len(model.changes) - len(own):
            more = several(
                "{count} more node only passes the new shape on.",
                "{count} more nodes only pass the new shape on.",
                follow,
            )
            notes.append(f"{model.spec}: {more}")
    data = records.head(
        before=found.before, after=found.after, models=[_record(model) for model in found.models]
    )
    return answer(tuple(tables), data, tuple(notes))


def _follows(change: Change) -> bool:
    return change.follows and not change.params and not change.macs


def _one_sided(model: ModelDiff, title: str) -> Table:
    there = model.after or model.before
    assert there is not None  # a model that is on neither side is in no report
    columns = (
        Column("change", ""),
        Column("figure", _("figure")),
        Column("value", _("value"), "exact"),
    )
    what = _("new") if model.before is None else _("gone")
    rows = [(what, _label(key), there.figures[key]) for key in ("params_executed", "macs")]
    return Table(columns, tuple(rows), title)


def _figures(figures: tuple[Total, ...], title: str) -> Table:
    columns = (
        Column("figure", _("figure")),
        Column("before", _("before")),
        Column("after", _("after")),
        Column("change", _("change")),
    )
    shown = [figure for figure in figures if not _same_as_another(figure, figures)]
    rows = [
        (
            _label(figure.name),
            _value(figure.before),
            _value(figure.after),
            _change(figure),
        )
        for figure in shown
    ]
    return Table(columns, tuple(rows), title)


def _label(key: str) -> str:
    """A figure, or the shape of the input or output, with its unit."""
    if key not in FIGURES:
        return f"{term(key)} H×W×C"
    figure = FIGURES[key]
    return f"{_(figure.label)}, {term(figure.unit)}" if figure.unit else _(figure.label)


def _same_as_another(figure: Total, figures: tuple[Total, ...]) -> bool:
    """Whether a row repeats another: without auxiliary heads, all parameters run."""
    return figure.name == "params" and any(
        other.name == "params_executed" and other[1:] == figure[1:] for other in figures
    )


def _value(value: int | Shape) -> str:
    return f"{value:,}" if isinstance(value, int) else shape_text(value)


def _change(figure: Total) -> str:
    if not isinstance(figure.before, int) or not isinstance(figure.after, int):
        return ""
    by = figure.after - figure.before
    share = f" ({100 * by / figure.before:+.1f} %)" if figure.before else ""
    return f"{by:+,}{share}"


def _nodes(changes: list[Change], title: str) -> Table:
    columns = (
        Column("change", ""),
        Column("name", _("node")),
        Column("what", _("what"), "prose"),
        Column("params", _("Δ params"), "signed"),
        Column("macs", _("Δ MACs"), "signed"),
    )
    rows = [
        (SIGN[change.kind], change.name, _(change.what), change.params or None, change.macs or None)
        for change in changes
    ]
    return Table(columns, tuple(rows), title)


def _record(model: ModelDiff) -> dict[str, Any]:
    there = "changed"
    if model.before is None or model.after is None:
        there = "added" if model.before is None else "removed"
    return {
        "spec": model.spec,
        "kind": there,
        "figures": {
            figure.name: {"before": figure.before, "after": figure.after}
            for figure in model.figures
        },
        "nodes": [
            {
                "kind": change.kind,
                "name": change.name,
                "what": change.what,
                "params": change.params,
                "macs": change.macs,
            }
            for change in model.changes
        ],
        "why": model.why,
    }
