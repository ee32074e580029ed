"""A formula: each figure as an expression, and the sizes for which it holds."""

from __future__ import annotations

from typing import Any

from archcalc.analysis.worked_example import counted
from archcalc.language import _, term
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table
from archcalc.symbolic.formula import Formula
from archcalc.symbolic.programs import record

NODES = 12
"""Counted nodes up to which the multiply-adds are also written node by node."""


def show(formula: Formula) -> Document:
    """``archcalc derive``: a row per figure, with its value at the defaults."""
    from archcalc.symbolic.readable import text

    region = formula.region()
    rows: list[tuple[Cell, ...]] = [
        (key, text(region.space, region.figures[key]), formula.value(key))
        for key in formula.figures
    ]
    sizes = ", ".join(f"{name} = {value:,}" for name, value in formula.defaults.items())
    columns = (
        Column("figure", _("figure")),
        Column("formula", _("formula"), "prose"),
        Column("value", _("value"), "exact"),
    )
    of = f"{formula.spec}, {formula.node}" if formula.node else formula.spec
    tables = [Table(columns, tuple(rows), of)]
    found = formula.profile()
    layers = counted(found)
    if "macs" in formula.figures and 1 < len(layers) <= NODES:
        tables.append(_nodes(formula))
    while_ = _(" and ").join(region.conditions)
    written = [while_, *(str(row[1]) for row in rows)]
    notes = [
        _("Values are at {sizes}.", sizes=sizes),
        _("Holds while {conditions}; other sizes have formulas of their own.", conditions=while_)
        if while_
        else _("Holds for all sizes."),
        *([_("⌊x⌋ rounds down.")] if any("⌊" in each for each in written) else []),
        _("Sizes are whole numbers, at least 1."),
    ]
    return answer(tuple(tables), record(formula), tuple(notes))


def explained(formula: Formula) -> Document:
    """``archcalc explain --over``: the multiply-adds of each node with the sizes left in."""
    return answer((_nodes(formula),), record(formula), (_("Sizes that vary are named."),))


def crossing(
    one: Formula, other: Formula, size: str, figure: str, found: tuple[int, ...]
) -> Document:
    """``archcalc derive A B --equal``: the sizes at which two networks cost the same."""

    def cost(formula: Formula, value: int) -> int:
        return formula.value(figure, **({size: value} if size in formula.variables else {}))

    rows: list[tuple[Cell, ...]] = []
    for at in found:
        for value in range(max(1, at - 1), at + 2):
            first, second = cost(one, value), cost(other, value)
            rows.append((value, first, second, first - second))
    columns = (
        Column("size", size, "exact"),
        Column("one", f"{one.spec}, {figure}", "exact"),
        Column("other", f"{other.spec}, {figure}", "exact"),
        Column("difference", _("difference"), "signed"),
    )
    where = ", ".join(f"{at:,}" for at in found)
    note = (
        _(
            "From {size} = {where} on, {one} and {other} change places.",
            size=size,
            where=where,
            one=one.spec,
            other=other.spec,
        )
        if found
        else _(
            "{one} and {other} cost the same {figure} at no {size} up to 1,048,576.",
            one=one.spec,
            other=other.spec,
            figure=figure,
            size=size,
        )
    )
    data: dict[str, Any] = {"size": size, "figure": figure, "equal_at": list(found)}
    return answer((Table(columns, tuple(rows)),), data, (note,))


def _nodes(formula: Formula) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (layer.name, layer.formula) for layer in counted(formula.profile())
    ]
    rows.append((term("total"), formula["macs"]))
    columns = (Column("name", _("node")), Column("macs", _("MACs"), "prose"))
    return Table(
        columns, tuple(rows), _("{model}: MACs node by node", model=formula.spec), total=True
    )
