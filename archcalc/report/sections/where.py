"""A section of a report: the blocks of each model by their shares of parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.profile import Profile
from archcalc.analysis.where import Measure, block_rows
from archcalc.language import _, term
from archcalc.report.document import Block, Chart, Subsection, Tabular
from archcalc.report.sections.common import slug, sum_of, title, total
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def of_report(context: Context) -> Iterator[Block]:
    """Blocks by their shares of parameters and MACs."""
    for place, found in enumerate(context.report.profiles):
        yield Subsection(title(found))
        yield Tabular(_blocks(found))
        if not context.charts:
            continue
        from archcalc.report import charts

        measures: tuple[Measure, ...] = ("macs", "params", "other")
        for measure in measures:
            spec = charts.cost_by_block(found, measure, context.units)
            if spec is not None:
                caption = _caption(measure, found.spec)
                yield Chart(f"{slug(found.spec)}-{measure}", caption, spec, f"model-{place}")


def _caption(measure: Measure, model: str) -> str:
    if measure == "macs":
        return _("{model}: MACs by block and by kind of layer", model=model)
    if measure == "params":
        return _("{model}: parameters by block and by kind of layer", model=model)
    return _("{model}: the other counted operations by block and class, 1 FLOP each", model=model)


def _blocks(found: Profile) -> Table:
    """Blocks with parameters or work, and their shares."""
    rows: list[tuple[Cell, ...]] = [
        (
            block.name,
            block.params,
            _share(block.params, found.params_executed),
            sum_of(block.layers, "macs"),
            _share(sum_of(block.layers, "macs"), found.macs),
        )
        for block in block_rows(found)
        if block.params or sum_of(block.layers, "macs")
    ]
    rows.append(
        (
            term("total"),
            found.params_executed,
            _share(found.params_executed, found.params_executed),
            total(found, "macs"),
            _share(found.macs, found.macs),
        )
    )
    columns = (
        Column("block", _("block")),
        Column("params", _("params"), "count"),
        Column("params_share", _("share of params"), "share"),
        Column("macs", _("MACs"), "count"),
        Column("macs_share", _("share of MACs"), "share"),
    )
    return Table(columns, tuple(rows), total=True)


def _share(part: int | None, whole: int) -> float | None:
    return part / whole if part is not None and whole else None
