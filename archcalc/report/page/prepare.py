"""The cells that the template shows: a text to read and a value to sort by."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from archcalc.analysis.where import Branch, blocks, tree
from archcalc.graph import times
from archcalc.report.document import LayerList
from archcalc.report.table import Cell, Column, Table, shape_text, text
from archcalc.report.units import Units, count


class Shown(NamedTuple):
    """One cell."""

    text: str
    value: str
    """A number to sort by; empty if the text itself is the sort key."""
    exact: str
    """All digits, if the text is rounded."""
    number: bool


class Row(NamedTuple):
    """One row of a table, and the words that filters match."""

    cells: tuple[Shown, ...]
    block: str = ""
    kind: str = ""
    macs: int = 0
    params: int = 0
    is_total: bool = False


class ModuleRow(NamedTuple):
    """One module of the tree."""

    branch: Branch
    detail: str
    params: str
    macs: str
    share: float
    """Percentage of the network's MACs."""
    share_text: str
    children: tuple[ModuleRow, ...]


def table_rows(table: Table, units: Units) -> list[Row]:
    """Any table."""
    last = len(table.rows) - 1
    return [
        Row(_cells(row, table.columns, units), is_total=table.total and place == last)
        for place, row in enumerate(table.rows)
    ]


def layer_rows(block: LayerList, units: Units) -> list[Row]:
    """The full table of layers, each with its block and kind."""
    shown = blocks(block.profile)
    kind = [column.key for column in block.full.columns].index("kind")
    return [
        Row(
            _cells(row, block.full.columns, units),
            shown[layer.name],
            str(row[kind]),
            layer.macs or 0,
            layer.params,
        )
        for layer, row in zip(block.profile.layers, block.full.rows, strict=True)
    ]


def module_rows(block: LayerList, units: Units) -> tuple[ModuleRow, ...]:
    """The tree of modules."""
    total = block.profile.macs
    # The dimensions of a traced tensor have no names, so they stay in torch's order.
    shape = shape_text if block.profile.graph.declared else times

    def row(branch: Branch) -> ModuleRow:
        share = 100 * (branch.macs or 0) / total if total else 0.0
        return ModuleRow(
            branch,
            " · ".join(filter(None, (branch.op, shape(branch.output)))),
            count(branch.params, units) if branch.params else "",
            "" if branch.macs is None else count(branch.macs, units) if branch.macs else "",
            round(share, 3),
            f"{share:.1f} %" if branch.macs else "",
            tuple(map(row, branch.children)),
        )

    return tuple(map(row, tree(block.profile)))


def _cells(row: tuple[Cell, ...], columns: tuple[Column, ...], units: Units) -> tuple[Shown, ...]:
    return tuple(_iterate(row, columns, units))


def _iterate(row: tuple[Cell, ...], columns: tuple[Column, ...], units: Units) -> Iterator[Shown]:
    for cell, column in zip(row, columns, strict=True):
        shown = text(cell, column.kind, units)
        exact = text(cell, column.kind, "exact")
        yield Shown(
            shown,
            _value(cell, column),
            exact if exact != shown and column.is_number else "",
            column.is_number,
        )


def _value(cell: Cell, column: Column) -> str:
    """The sort key: a number itself, the number of elements of a shape; empty sorts last."""
    if cell is None:
        return ""
    if column.is_number:
        return repr(cell)
    if isinstance(cell, tuple):
        return str(prod(cell))
    return ""
