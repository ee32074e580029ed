"""The layers of a model: ``archcalc show``, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis import fold
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.where import work_of
from archcalc.graph import Graph
from archcalc.language import _, term
from archcalc.report import records
from archcalc.report.document import (
    Block,
    Diagram,
    Document,
    LayerList,
    Subsection,
    answer,
)
from archcalc.report.sections.common import gathered, output_column, sum_of, title, total
from archcalc.report.sections.context import Context
from archcalc.report.sections.conventions import notes
from archcalc.report.table import Cell, Column, Table


def show(found: Profile, depth: int | None = None) -> Document:
    """``archcalc show``: a row per module, repeated neighbours folded into one."""
    notes_ = (*gathered(found, fold.rows(found, depth)), *notes([found]))
    return answer((_short(found, title(found), depth),), records.models([found]), notes_)


def of_report(context: Context) -> Iterator[Block]:
    """Every layer of every model, and the diagram of its modules."""
    from archcalc.report.mermaid import mermaid

    for found in context.report.profiles:
        yield Subsection(title(found))
        yield LayerList(found, _short(found), _full(found))
        caption = _("{model}: its modules", model=found.spec)
        yield Diagram(caption, mermaid(found, context.units))


def partial(graph: Graph, failed: str) -> Document:
    """The table up to the node that could not be added, to go with an error."""
    found = profile(graph)
    rows = [(row.name, row.op, row.output) for row in fold.rows(found)]
    columns = (Column("name", _("name")), Column("op", _("operator")), output_column(graph))
    return answer((Table(columns, (*rows, (failed, term("fails"), None))),))


def _short(found: Profile, heading: str = "", depth: int | None = None) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            row.name,
            row.op,
            row.output,
            row.params,
            sum_of(row.layers, "macs"),
        )
        for row in fold.rows(found, depth)
    ]
    whole = total(found, "macs")
    rows.append((term("total"), "", found.output, found.params_executed, whole))
    columns = (
        Column("name", _("name")),
        Column("op", _("operator"), priority=1),
        output_column(found.graph),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
    )
    return Table(columns, tuple(rows), heading, total=True)


def _full(found: Profile) -> Table:
    """Every layer in a row of its own, with every column."""
    rows = [
        (
            layer.name,
            layer.op,
            term(work_of(layer)),
            layer.input,
            layer.output,
            layer.params,
            layer.macs,
            layer.macs / found.macs if layer.macs and found.macs else None,
            layer.flops,
            sum(layer.bytes_moved) if layer.bytes_moved else None,
            "; ".join(f"{term(key)}: {text}" for key, text in layer.formulas.items())
            or _(layer.reason),
        )
        for layer in found.layers
    ]
    columns = (
        Column("name", _("name")),
        Column("op", _("operator")),
        Column("kind", _("kind")),
        Column("given", _("input"), "shape" if found.graph.declared else "size"),
        output_column(found.graph),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
        Column("macs_share", _("share of MACs"), "share"),
        Column("flops", _("FLOPs"), "count"),
        Column("moved", _("bytes moved"), "bytes"),
        Column("working", _("working"), "prose"),
    )
    return Table(columns, tuple(rows))
