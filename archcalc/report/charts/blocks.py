"""Charts of one network: where its cost is, and what is alive when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from archcalc.analysis import fold
from archcalc.analysis.diff import diff
from archcalc.analysis.profile import Profile
from archcalc.analysis.where import Measure, block_depth, block_of, blocks, parts, work_of
from archcalc.analysis.worked_example import Side
from archcalc.language import _, term
from archcalc.report.charts import style
from archcalc.report.document import Spec
from archcalc.report.units import Units, count, size

COLOURS = {
    "conv 1×1": "#0072B2",
    "conv 3×3": "#E69F00",
    "conv 5×5": "#009E73",
    "conv 7×7": "#CC79A7",
    "conv 11×11": "#56B4E9",
    "linear": "#D55E00",
    "matmul": "#F0E442",
    "norm": "#56B4E9",
    "bias": "#0072B2",
    "activation": "#E69F00",
    "pooling": "#009E73",
    "elementwise": "#CC79A7",
    "reduction": "#D55E00",
}
"""The same kind of work has the same colour in every chart."""

PICKED = "picked"
"""The signal through which the charts of one group point out the same block."""

TOTAL = "total"
"""The kind of a waterfall's first and last bar; the others add or save."""

BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))

MEASURES: tuple[Measure, ...] = ("macs", "params")


def cost_by_block(profile: Profile, measure: Measure, units: Units) -> Spec | None:
    """One measure of every block, stacked by kind of work; None where there is nothing to draw."""
    found = parts(profile, measure)
    if not found:
        return None
    # All measures list the same blocks, so that charts side by side have the same rows.
    order = list(
        dict.fromkeys(part.block for each in MEASURES for part in parts(profile, each))
        if measure != "other"
        else dict.fromkeys(part.block for part in found)
    )
    order.sort(key=_places(profile).__getitem__)
    rows = [
        {
            "label": part.block,
            "block": part.block,
            "work": term(part.work),
            "amount": part.amount,
            "exact": f"{part.amount:,}",
        }
        for part in found
    ]
    works = _works([part.work for part in found])
    return _bars(rows, order, works, _titles(measure), units)


def _titles(measure: Measure) -> tuple[str, str, str]:
    """Of the axis, of an amount, and of the legend."""
    if measure == "macs":
        return _("MACs (multiply-adds of conv, linear, matmul)"), _("MACs"), _("layers")
    if measure == "params":
        return _("parameters"), _("params"), _("layers")
    axis = _("other counted operations, 1 FLOP each (multiply-adds not included)")
    return axis, _("operations"), _("class of work")


def branches(side: Side, units: Units) -> Spec:
    """MACs inside one Inception module, branch by branch, before and after."""
    rows, order, works = [], [], []
    names: dict[str, list[dict[str, Any]]] = {}
    for form, profile in ((side.before, side.direct), ("reduced", side.reduced)):
        for layer in profile.layers:
            if not layer.macs:
                continue
            branch = block_of(layer.name, block_depth(profile))
            label = f"{branch}, {term(form)}"
            works.append(work_of(layer))
            row = {
                "label": label,
                "block": layer.name,
                "work": term(work_of(layer)),
                "amount": layer.macs,
                "exact": layer.formula,
            }
            names.setdefault(branch, []).append(row)
            rows.append(row)
    for found in names.values():
        order += list(dict.fromkeys(row["label"] for row in found))
    titles = (_("MACs (multiply-adds of conv, linear, matmul)"), _("MACs"), _("layers"))
    return _bars(rows, order, _works(works), titles, units)


def waterfall(side: Side, units: Units) -> Spec:
    """From the first form's MACs to the second's, a bar for every node that changes."""
    alt = style.altair()
    steps: list[tuple[str, int, int, str]] = [(_("naive module"), 0, side.direct.macs, TOTAL)]
    level = side.direct.macs
    for change in diff(side.direct, side.reduced).changes:
        if change.macs:
            kind = "added" if change.macs > 0 else "saved"
            steps.append((change.name, level, level + change.macs, kind))
            level += change.macs
    steps.append((_("reduced module"), 0, level, TOTAL))
    named = {TOTAL: term("total"), "added": _("added"), "saved": _("saved")}
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "start": min(start, end),
            "end": max(start, end),
            "kind": named[kind],
            "text": _signed(end - start, kind, units),
            "exact": f"{end - start:+,}" if kind != TOTAL else f"{end:,}",
        }
        for label, start, end, kind in steps
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("label:N", sort=[row["label"] for row in rows], title=None),
        x=alt.X(
            "start:Q",
            title=_("MACs (multiply-adds of conv, linear, matmul)"),
            axis=style.axis(alt, style.numbers(units)),
            scale=alt.Scale(domain=[0, 1.12 * max(row["end"] for row in rows)], nice=False),
        ),
    )
    bars = base.mark_bar().encode(
        x2="end:Q",
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(named.values()), range=["#999999", "#D55E00", "#0072B2"]),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=[
            alt.Tooltip("label:N", title=_("node")),
            alt.Tooltip("exact:N", title=_("MACs")),
        ],
    )
    figures = base.mark_text(align="left", dx=4).encode(x=alt.X("end:Q"), text="text:N")
    return style.finished(alt.layer(bars, figures), len(rows))


def memory(profile: Profile, units: Units) -> Spec | None:
    """Bytes alive at each node, with the peak marked. A deep model has a step for each row of its
    folded table, with the most that is alive in it."""
    alt = style.altair()
    reading = profile.memory
    if not reading.peak_bytes or len(reading.activations) < 2:
        return None
    shown = blocks(profile)
    unit, unit_name = next(each for each in BYTES if reading.peak_bytes >= each[0])
    assert reading.peak is not None
    steps_of = fold.labels(fold.rows(profile))
    rows: list[dict[str, Any]] = []
    peak = 0
    for step, group in groupby(reading.activations, lambda row: steps_of[row.name]):
        inside = list(group)
        live = max(row.live for row in inside)
        if reading.peak in inside:
            peak = len(rows)
        rows.append(
            {
                "place": len(rows),
                "node": step,
                "block": shown.get(inside[0].name, inside[0].name),
                "live": live / unit,
                "exact": size(live, "exact"),
            }
        )
    single = all(
        value.dtype == "float32" for node in profile.graph.executed for value in node.outputs
    )
    # The last node's step ends where one more would begin.
    steps = [*rows, rows[-1] | {"place": len(rows)}]
    x = alt.X(
        "place:Q",
        title=_("node, in order of execution"),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
        scale=alt.Scale(domain=[0, len(rows)], nice=False),
    )
    title = _("alive, {unit} (inference)", unit=unit_name)
    if single:
        title = _("alive, {unit} (inference, float32)", unit=unit_name)
    live = (
        alt.Chart(alt.Data(values=steps))
        .mark_area(
            interpolate="step-after", color="#56B4E9", opacity=0.55, line={"color": "#0072B2"}
        )
        .encode(x=x, y=alt.Y("live:Q", title=title, axis=alt.Axis(format="~r", tickCount=5)))
    )
    # A tooltip needs something to point at everywhere, and an area has no more than its first row.
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_rect(opacity=0)
        .transform_calculate(next="datum.place + 1", floor="0")
        .encode(
            x=x,
            x2="next:Q",
            y="live:Q",
            y2="floor:Q",
            tooltip=[
                alt.Tooltip("node:N", title=_("node")),
                alt.Tooltip("exact:N", title=_("alive")),
            ],
        )
    )
    top = alt.Chart(alt.Data(values=[rows[peak]])).encode(x=x, y="live:Q")
    mark = top.mark_point(color="#D55E00", filled=True, size=60, opacity=1)
    last_half = peak > len(rows) / 2
    name = top.mark_text(
        align="right" if last_half else "left", dx=-8 if last_half else 8, dy=-6
    ).encode(text="node:N")
    return style.finished(alt.layer(live, points, mark, name), 0, height=180)


def _bars(
    rows: list[dict[str, Any]],
    order: list[str],
    works: list[str],
    titles: tuple[str, str, str],
    units: Units,
) -> Spec:
    """Horizontal bars, stacked by kind of work. The titles are the axis's, the same in a word, and
    the legend's."""
    axis, amount, legend = titles
    alt = style.altair()
    picked = alt.param(name=PICKED, value="")
    lit = f"{PICKED} === '' || datum.block === {PICKED}"
    stack = {work: index for index, work in enumerate(works)}
    shown = [term(work) for work in works]
    for row in rows:
        row["rank"] = shown.index(row["work"])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=order, scale=alt.Scale(domain=order), title=None),
            x=alt.X(
                "amount:Q", stack="zero", title=axis, axis=style.axis(alt, style.numbers(units))
            ),
            color=alt.Color(
                "work:N",
                title=legend,
                scale=alt.Scale(domain=shown, range=_colours(list(stack))),
                legend=alt.Legend(orient="top", columns=4),
            ),
            order=alt.Order("rank:Q"),
            opacity=alt.condition(lit, alt.value(1), alt.value(0.3)),
            tooltip=[
                alt.Tooltip("block:N", title=_("block")),
                alt.Tooltip("work:N", title=legend),
                alt.Tooltip("exact:N", title=amount),
            ],
        )
        .add_params(picked)
    )
    return style.finished(chart, len(order))


def _works(found: Sequence[str]) -> list[str]:
    """Each kind once, those with colours of their own first, in the table's order."""
    present = list(dict.fromkeys(found))
    known = [work for work in COLOURS if work in present]
    return known + [work for work in present if work not in COLOURS]


def _colours(works: Sequence[str]) -> list[str]:
    """A colour for each kind: its own where nothing else has it here, else one that is left."""
    taken: list[str] = []
    for work in works:
        own = COLOURS.get(work, "")
        if not own or own in taken:
            left = [colour for colour in style.OKABE_ITO if colour not in taken]
            own = left[0] if left else style.OKABE_ITO[-1]
        taken.append(own)
    return taken


def _places(profile: Profile) -> dict[str, int]:
    shown = blocks(profile)
    places: dict[str, int] = {}
    for place, layer in enumerate(profile.layers):
        places.setdefault(shown[layer.name], place)
    return places


def _signed(amount: int, kind: str, units: Units) -> str:
    if kind == TOTAL:
        return count(amount, units)
    return f"{'+' if amount > 0 else '−'}{count(abs(amount), units)}"
