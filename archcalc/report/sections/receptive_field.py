"""``archcalc receptive-field``: how much of the input one output position sees."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis import fold
from archcalc.analysis.profile import Profile
from archcalc.analysis.receptive_field import Reach
from archcalc.ops.window import Why
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import gathered, output_column, title
from archcalc.report.table import Cell, Column, Table

WHY_UNKNOWN: Mapping[Why, str] = {
    "unlisted": "{node} is not in the operator table",
    "values": "the positions that {node} reads depend on values",
    "wraps": "{node} wraps around the border",
    "order": "{node} reverses positions",
    "windows": "{node} cuts out overlapping windows",
    "sequence": "{node} runs along a sequence",
    "transform": "{node} mixes positions",
    "layout": "{node} rearranges dimensions in a way that archcalc does not follow",
    "strides": "branches of different strides meet at {node}",
    "inputs": "the inputs are not images of one size",
    "bare": "it does not depend on an input",
}


def show(found: Profile, depth: int | None = None) -> Document:
    """A row per node. Long tables are folded; a row of several nodes shows the last one."""
    rows: list[tuple[Cell, ...]] = []
    shown = fold.rows(found, depth)
    for name, layer in ((row.name, row.layers[-1]) for row in shown):
        reach = found.receptive_fields.get(layer.name)
        if not isinstance(reach, Reach):
            why = WHY_UNKNOWN[reach.why].format(node=reach.node) if reach else "not followed"
            rows.append((name, layer.output, f"unknown: {why}", "", ""))
        else:
            rows.append((name, layer.output, str(reach), *_stride_and_offset(reach)))
    columns = (
        Column("name", "node"),
        output_column(found.graph),
        Column("receptive_field", "receptive field", "prose"),
        Column("stride", "stride", priority=1),
        Column("offset", "offset", priority=2),
    )
    data = records.models([found])
    data["models"][0]["receptive_fields"] = {
        name: records.reach(reach) for name, reach in found.receptive_fields.items()
    }
    return answer(
        (Table(columns, tuple(rows), title(found)),),
        data,
        (
            *gathered(found, shown),
            "Pixels of the input, height×width; smallest to largest where branches differ.",
            "Offset: where the first window starts; negative is inside the padding.",
        ),
    )


def _stride_and_offset(reach: Reach) -> tuple[str, str]:
    fields = [field for field in dict.fromkeys(reach) if not field.is_global]

    def both(part: str) -> str:
        texts = dict.fromkeys(_square(getattr(field, part)) for field in fields)
        return " to ".join(texts)

    return both("stride"), both("offset")


def _square(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))
