"""The layers of a model: ``archcalc show``, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis import fold
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.where import work_of
from archcalc.graph import Graph
from archcalc.report import records
from archcalc.report.document import (
    Block,
    Diagram,
    Document,
    LayerList,
    Subsection,
    answer,
)
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH, gathered, output_column, sum_of, title, total
from archcalc.report.sections.context import Context
from archcalc.report.sections.conventions import notes
from archcalc.report.table import Cell, Column, Table


def show(found: Profile, depth: int | None = None) -> Document:
    """``archcalc show``: a row per module, repeated neighbours folded into one."""
    said = notes([found])
    said = (*gathered(found, fold.rows(found, depth)), *said)
    return answer((_short(found, ENGLISH, title(found), depth),), records.models([found]), said)


def of_report(context: Context) -> Iterator[Block]:
    """Every layer of every model, and the diagram of its modules."""
    from archcalc.report.mermaid import mermaid

    for found in context.report.profiles:
        yield Subsection(title(found))
        yield LayerList(found, _short(found, context.words), _full(context, found))
        caption = context.words("figure.diagram", model=found.spec)
        yield Diagram(caption, mermaid(found, context.units))


def partial(graph: Graph, failed: str) -> Document:
    """The table up to the node that could not be added, for an error's reader."""
    found = profile(graph)
    rows = [(row.name, row.op, row.output) for row in fold.rows(found)]
    columns = (Column("name", "name"), Column("op", "operator"), output_column(graph))
    return answer((Table(columns, (*rows, (failed, "fails", None))),))


def _short(found: Profile, words: Words, heading: str = "", depth: int | None = None) -> Table:
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
    rows.append((words.term("total"), "", found.output, found.params_executed, whole))
    columns = (
        Column("name", words("column.name")),
        Column("op", words("column.op"), priority=1),
        output_column(found.graph, words),
        Column("params", words("column.params"), "count"),
        Column("macs", words("column.macs"), "count"),
    )
    return Table(columns, tuple(rows), heading, total=True)


def _full(context: Context, found: Profile) -> Table:
    """Every layer by itself, with all that is known of it."""
    rows = [
        (
            layer.name,
            layer.op,
            context.words.term(work_of(layer)),
            layer.input,
            layer.output,
            layer.params,
            layer.macs,
            layer.macs / found.macs if layer.macs and found.macs else None,
            layer.flops,
            sum(layer.bytes_moved) if layer.bytes_moved else None,
            "; ".join(f"{key}: {text}" for key, text in layer.formulas.items()) or layer.reason,
        )
        for layer in found.layers
    ]
    first = context.columns(("name", "text"), ("op", "text"), ("kind", "text"))
    given = context.columns(("given", "shape" if found.graph.declared else "size"))
    rest = context.columns(
        ("params", "count"),
        ("macs", "count"),
        ("macs_share", "share"),
        ("flops", "count"),
        ("moved", "bytes"),
        ("working", "prose"),
    )
    output = output_column(found.graph, context.words)
    return Table((*first, *given, output, *rest), tuple(rows))
