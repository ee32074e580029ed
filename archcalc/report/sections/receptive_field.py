"""``archcalc receptive-field``: how much of the input one output position sees."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis import fold
from archcalc.analysis.profile import Profile
from archcalc.analysis.receptive_field import Reach
from archcalc.language import _, mark
from archcalc.ops.window import Why
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import gathered, output_column, title
from archcalc.report.table import Cell, Column, Table

WHY_UNKNOWN: Mapping[Why, str] = {
    "unlisted": mark("{node} is not in the operator table"),
    "values": mark("the positions that {node} reads depend on values"),
    "wraps": mark("{node} wraps around the border"),
    "order": mark("{node} reverses positions"),
    "windows": mark("{node} cuts out overlapping windows"),
    "sequence": mark("{node} runs along a sequence"),
    "transform": mark("{node} mixes positions"),
    "layout": mark("{node} rearranges dimensions in a way that archcalc does not follow"),
    "strides": mark("branches of different strides meet at {node}"),
    "inputs": mark("the inputs are not images of one size"),
    "bare": mark("it does not depend on an input"),
}


def show(found: Profile, depth: int | None = None) -> Document:
    """A row per node. Long tables are folded; a row of several nodes shows the last one."""
    rows: list[tuple[Cell, ...]] = []
    shown = fold.rows(found, depth)
    for name, layer in ((row.name, row.layers[-1]) for row in shown):
        reach = found.receptive_fields.get(layer.name)
        if not isinstance(reach, Reach):
            why = _(WHY_UNKNOWN[reach.why], node=reach.node) if reach else _("not followed")
            rows.append((name, layer.output, _("unknown: {why}", why=why), "", ""))
        else:
            rows.append((name, layer.output, str(reach), *_stride_and_offset(reach)))
    columns = (
        Column("name", _("node")),
        output_column(found.graph),
        Column("receptive_field", _("receptive field"), "prose"),
        Column("stride", _("stride"), priority=1),
        Column("offset", _("offset"), priority=2),
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
            _("Pixels of the input, height×width; smallest to largest where branches differ."),
            _("Offset: where the first window starts; negative is inside the padding."),
        ),
    )


def _stride_and_offset(reach: Reach) -> tuple[str, str]:
    fields = [field for field in dict.fromkeys(reach) if not field.is_global]

    def both(part: str) -> str:
        texts = dict.fromkeys(_square(getattr(field, part)) for field in fields)
        return _(" to ").join(texts)

    return both("stride"), both("offset")


def _square(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))
