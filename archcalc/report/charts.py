"""Charts, described once in Altair: as SVG beside Markdown, and drawn by the browser on the page.

Each function takes a record and returns Vega-Lite's JSON. Axes name their unit and what it counts.
Every name stands in the data, never in an expression, for names come from users' code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archcalc.errors import MissingExtraError
from archcalc.readings.compare import Comparison
from archcalc.readings.diff import diff
from archcalc.readings.profile import Profile
from archcalc.readings.where import Measure, block_depth, block_of, parts, work_of
from archcalc.readings.worked_example import Side
from archcalc.report.document import Spec
from archcalc.report.messages import Words
from archcalc.report.units import Units, count, size

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito 2008: told apart with any colour vision, on white and on black; their black is left
out, and grey stands for the rest."""

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

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""vl-convert carries the first itself, so that a chart is set alike on every machine; the others
have its widths."""

WIDTH = 560
PICKED = "picked"
"""The signal through which the charts of one group point out the same block."""

BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def scatter(found: Comparison, words: Words, units: Units) -> Spec:
    """MACs against parameters, with the Pareto line."""
    points = [
        {
            "model": profile.spec,
            "x": profile.macs,
            "y": profile.params_executed,
            "macs": f"{profile.macs:,}",
            "params": f"{profile.params_executed:,}",
        }
        for profile in found.profiles
        if profile.macs and profile.params_executed
    ]
    shown = [("macs", words("column.macs")), ("params", words("column.params"))]
    numbers = (_numbers(units), _numbers(units))
    return _points(points, shown, words("axis.macs"), words("axis.params"), numbers, words)


def latency(rows: Sequence[tuple[str, int, float]], words: Words, units: Units) -> Spec:
    """Measured latency in seconds against MACs, with the Pareto line; (model, MACs, seconds)."""
    points = [
        {
            "model": model,
            "x": macs,
            "y": 1000 * seconds,
            "macs": f"{macs:,}",
            "latency": f"{1000 * seconds:.3g} ms",
        }
        for model, macs, seconds in rows
    ]
    shown = [("macs", words("column.macs")), ("latency", words("column.median"))]
    numbers = (_numbers(units), PLAIN)
    return _points(points, shown, words("axis.macs"), words("axis.latency"), numbers, words)


def cost_by_block(profile: Profile, measure: Measure, words: Words, units: Units) -> Spec | None:
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
            "work": words.term(part.work),
            "amount": part.amount,
            "exact": f"{part.amount:,}",
        }
        for part in found
    ]
    works = _works([part.work for part in found])
    axis = {"macs": "axis.macs", "params": "axis.params_of", "other": "axis.other"}[measure]
    legend = "legend.class" if measure == "other" else "legend.work"
    amount = {"macs": "column.macs", "params": "column.params", "other": "column.operations"}
    titles = (words(axis), words(amount[measure]), words(legend))
    return _bars(rows, order, works, titles, words, units)


MEASURES: tuple[Measure, ...] = ("macs", "params")


def branches(side: Side, words: Words, units: Units) -> Spec:
    """MACs inside one Inception module, branch by branch, before and after."""
    rows, order, works = [], [], []
    names: dict[str, list[dict[str, Any]]] = {}
    for form, profile in ((side.before, side.direct), ("reduced", side.reduced)):
        for layer in profile.layers:
            if not layer.macs:
                continue
            branch = block_of(layer.name, block_depth(profile))
            label = f"{branch}, {words.term(form)}"
            works.append(work_of(layer))
            row = {
                "label": label,
                "block": layer.name,
                "work": words.term(work_of(layer)),
                "amount": layer.macs,
                "exact": layer.formula,
            }
            names.setdefault(branch, []).append(row)
            rows.append(row)
    for found in names.values():
        order += list(dict.fromkeys(row["label"] for row in found))
    titles = (words("axis.macs"), words("column.macs"), words("legend.work"))
    return _bars(rows, order, _works(works), titles, words, units)


def waterfall(side: Side, words: Words, units: Units) -> Spec:
    """From the first form's MACs to the second's, a bar for every node that changes."""
    alt = _altair()
    steps: list[tuple[str, int, int, str]] = [
        (words("bar.start"), 0, side.direct.macs, "bar.total")
    ]
    level = side.direct.macs
    for change in diff(side.direct, side.reduced).changes:
        if change.macs:
            kind = "bar.more" if change.macs > 0 else "bar.less"
            steps.append((change.name, level, level + change.macs, kind))
            level += change.macs
    steps.append((words("bar.end"), 0, level, "bar.total"))
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "start": min(start, end),
            "end": max(start, end),
            "kind": words(kind),
            "text": _signed(end - start, kind, units),
            "exact": f"{end - start:+,}" if kind != "bar.total" else f"{end:,}",
        }
        for label, start, end, kind in steps
    ]
    kinds = ("bar.total", "bar.more", "bar.less")
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("label:N", sort=[row["label"] for row in rows], title=None),
        x=alt.X(
            "start:Q",
            title=words("axis.macs"),
            axis=_axis(alt, _numbers(units)),
            scale=alt.Scale(domain=[0, 1.12 * max(row["end"] for row in rows)], nice=False),
        ),
    )
    bars = base.mark_bar().encode(
        x2="end:Q",
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(
                domain=[words(kind) for kind in kinds], range=["#999999", "#D55E00", "#0072B2"]
            ),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=[
            alt.Tooltip("label:N", title=words("column.node")),
            alt.Tooltip("exact:N", title=words("column.macs")),
        ],
    )
    figures = base.mark_text(align="left", dx=4).encode(x=alt.X("end:Q"), text="text:N")
    return _finished(alt.layer(bars, figures), len(rows))


def memory(profile: Profile, words: Words, units: Units) -> Spec | None:
    """Bytes alive at each node, with the peak marked."""
    alt = _altair()
    reading = profile.memory
    if not reading.peak_bytes or len(reading.activations) < 2:
        return None
    depth = block_depth(profile)
    unit, unit_name = next(each for each in BYTES if reading.peak_bytes >= each[0])
    rows = [
        {
            "place": place,
            "node": row.name,
            "block": block_of(row.name, depth),
            "live": row.live / unit,
            "exact": size(row.live, "exact"),
        }
        for place, row in enumerate(reading.activations)
    ]
    assert reading.peak is not None
    peak = reading.activations.index(reading.peak)
    single = all(
        value.dtype == "float32" for node in profile.graph.executed for value in node.outputs
    )
    # The last node's step ends where one more would begin.
    steps = [*rows, rows[-1] | {"place": len(rows)}]
    x = alt.X(
        "place:Q",
        title=words("axis.node"),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
        scale=alt.Scale(domain=[0, len(rows)], nice=False),
    )
    title = words("axis.live" if single else "axis.live_any", unit=unit_name)
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
                alt.Tooltip("node:N", title=words("column.node")),
                alt.Tooltip("exact:N", title=words("column.live")),
            ],
        )
    )
    top = alt.Chart(alt.Data(values=[rows[peak]])).encode(x=x, y="live:Q")
    mark = top.mark_point(color="#D55E00", filled=True, size=60, opacity=1)
    last_half = peak > len(rows) / 2
    name = top.mark_text(
        align="right" if last_half else "left", dx=-8 if last_half else 8, dy=-6
    ).encode(text="node:N")
    return _finished(alt.layer(live, points, mark, name), 0, height=180)


def roofline(
    points: Sequence[tuple[str, float, float]],
    flops: float,
    bandwidth: float,
    words: Words,
) -> Spec:
    """FLOP/s reached against FLOPs a byte, under the measured ceilings of arithmetic and memory;
    (model, FLOPs a byte, FLOP/s) each."""
    alt = _altair()
    ridge = flops / bandwidth
    left = min([ridge, *(point[1] for point in points)]) / 3
    right = max([ridge, *(point[1] for point in points)]) * 3
    roof = [{"x": x, "y": min(flops, x * bandwidth)} for x in (left, ridge, right)]
    rows = [
        {
            "model": model,
            "x": intensity,
            "y": speed,
            "intensity": f"{intensity:.3g}",
            "speed": f"{speed / 1e9:.3g} GFLOP/s",
        }
        for model, intensity, speed in points
    ]
    x = alt.X(
        "x:Q",
        title=words("axis.intensity"),
        scale=alt.Scale(type="log", domain=[left, right], nice=False),
        axis=_axis(alt, PLAIN, _round_numbers([left, right])),
    )
    speeds = [left * bandwidth, flops, *(point[2] for point in points)]
    y = alt.Y(
        "y:Q",
        title=words("axis.speed"),
        scale=_factors(alt, speeds),
        axis=_axis(alt, _numbers("si"), _round_numbers(speeds)),
    )
    line = alt.Chart(alt.Data(values=roof)).mark_line(color="#999999", strokeWidth=2)
    dots = alt.Chart(alt.Data(values=rows)).mark_point(filled=True, size=80, opacity=1)
    return _finished(
        alt.layer(
            line.encode(x=x, y=y),
            dots.encode(
                x=x,
                y=y,
                color=_model_colour(alt, [str(row["model"]) for row in rows], words),
                tooltip=[
                    alt.Tooltip("model:N", title=words("legend.model")),
                    alt.Tooltip("intensity:N", title=words("column.intensity")),
                    alt.Tooltip("speed:N", title=words("column.achieved")),
                ],
            ),
        ),
        0,
        height=280,
    )


def svg(spec: Spec) -> str:
    """The chart as an SVG file. Raises MissingExtraError without vl-convert-python."""
    try:
        import vl_convert
    except ImportError as error:
        raise _missing(error) from error
    on_paper = dict(spec)
    if "layer" in on_paper:  # what is there for the pointer alone stays on the page
        on_paper["layer"] = [layer for layer in spec["layer"] if layer["mark"].get("opacity") != 0]
    text: str = vl_convert.vegalite_to_svg(on_paper)
    return text + "\n"


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of those points that no other beats in both, from left to right.

    >>> pareto([(1, 5), (2, 2), (3, 3), (4, 1)])
    [0, 1, 3]
    """
    front, best = [], float("inf")
    for place in sorted(range(len(points)), key=lambda place: points[place]):
        if points[place][1] < best:
            best = points[place][1]
            front.append(place)
    return front


def _points(
    rows: list[dict[str, Any]],
    shown: Sequence[tuple[str, str]],
    x_title: str,
    y_title: str,
    numbers: tuple[str, str],
    words: Words,
) -> Spec:
    """Models as points with their names, on axes that grow by factors, and the Pareto line."""
    alt = _altair()
    front = [rows[place] for place in pareto([(row["x"], row["y"]) for row in rows])]
    x = alt.X(
        "x:Q",
        title=x_title,
        scale=_factors(alt, [row["x"] for row in rows]),
        axis=_axis(alt, numbers[0], _round_numbers([row["x"] for row in rows])),
    )
    y = alt.Y(
        "y:Q",
        title=y_title,
        scale=_factors(alt, [row["y"] for row in rows]),
        axis=_axis(alt, numbers[1], _round_numbers([row["y"] for row in rows])),
    )
    line = alt.Chart(alt.Data(values=front)).mark_line(
        color="#999999", strokeDash=[4, 3], interpolate="step-after"
    )
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=_model_colour(alt, [row["model"] for row in rows], words),
        tooltip=[
            alt.Tooltip("model:N", title=words("legend.model")),
            *(alt.Tooltip(f"{key}:N", title=title) for key, title in shown),
        ],
    )
    layers = [dots]
    if len(front) > 1:
        layers.insert(0, line.encode(x=x, y=y))
    return _finished(alt.layer(*layers), 0, height=260)


def _factors(alt: Any, values: Sequence[float]) -> Any:
    """A logarithmic scale with room around the points."""
    return alt.Scale(type="log", domain=list(_room(values)), nice=False)


def _room(values: Sequence[float]) -> tuple[float, float]:
    room = 1.6 if max(values) / min(values) < 100 else 2.5
    return min(values) / room, max(values) * room


def _round_numbers(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times powers of ten in the room of a scale; powers alone where those are many."""
    low, high = _room(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    # Whole numbers from integers, so that an axis never says 0.30000000000000004.
    found = [
        step * 10**power if power >= 0 else step / 10**-power for power in powers for step in steps
    ]
    return [value for value in found if low <= value <= high]


def _bars(
    rows: list[dict[str, Any]],
    order: list[str],
    works: list[str],
    titles: tuple[str, str, str],
    words: Words,
    units: Units,
) -> Spec:
    """Horizontal bars, stacked by kind of work. The titles are the axis's, the same in a word, and
    the legend's."""
    axis, amount, legend = titles
    alt = _altair()
    picked = alt.param(name=PICKED, value="")
    lit = f"{PICKED} === '' || datum.block === {PICKED}"
    stack = {work: index for index, work in enumerate(works)}
    shown = [words.term(work) for work in works]
    for row in rows:
        row["rank"] = shown.index(row["work"])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=order, scale=alt.Scale(domain=order), title=None),
            x=alt.X("amount:Q", stack="zero", title=axis, axis=_axis(alt, _numbers(units))),
            color=alt.Color(
                "work:N",
                title=legend,
                scale=alt.Scale(domain=shown, range=_colours(list(stack))),
                legend=alt.Legend(orient="top", columns=4),
            ),
            order=alt.Order("rank:Q"),
            opacity=alt.condition(lit, alt.value(1), alt.value(0.3)),
            tooltip=[
                alt.Tooltip("block:N", title=words("column.block")),
                alt.Tooltip("work:N", title=legend),
                alt.Tooltip("exact:N", title=amount),
            ],
        )
        .add_params(picked)
    )
    return _finished(chart, len(order))


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
            left = [colour for colour in OKABE_ITO if colour not in taken]
            own = left[0] if left else OKABE_ITO[-1]
        taken.append(own)
    return taken


def _model_colour(alt: Any, models: Sequence[str], words: Words) -> Any:
    names = list(dict.fromkeys(models))
    shapes = [OKABE_ITO[place % len(OKABE_ITO)] for place in range(len(names))]
    return alt.Color(
        "model:N",
        title=words("legend.model"),
        scale=alt.Scale(domain=names, range=shapes),
        legend=alt.Legend(orient="right", labelLimit=180),
    )


def _places(profile: Profile) -> dict[str, int]:
    depth = block_depth(profile)
    places: dict[str, int] = {}
    for place, layer in enumerate(profile.layers):
        places.setdefault(block_of(layer.name, depth), place)
    return places


def _axis(alt: Any, numbers: str, values: Sequence[float] = ()) -> Any:
    """An axis with numbers by Vega's expression, at these values or at five that Vega chooses."""
    where: dict[str, Any] = {"values": list(values)} if values else {"tickCount": 5}
    return alt.Axis(labelExpr=numbers, **where)


PLAIN = "format(datum.value, '~g')"


def _numbers(units: Units) -> str:
    """Vega's expression for a number of an axis in the report's units."""
    value = "datum.value"
    if units == "zh":
        return (
            f"{value} >= 1e8 ? format({value} / 1e8, '~r') + '亿' : "
            f"{value} >= 1e4 ? format({value} / 1e4, '~r') + '万' : format({value}, ',')"
        )
    if units == "exact":
        return f"format({value}, ',')"
    return f"format({value}, '~s')"


def _signed(amount: int, kind: str, units: Units) -> str:
    if kind == "bar.total":
        return count(amount, units)
    return f"{'+' if amount > 0 else '−'}{count(abs(amount), units)}"


def _finished(chart: Any, rows: int, *, height: int = 0) -> Spec:
    """The chart as JSON, with its size and the common style."""
    tall = height or rows * (20 if rows > 6 else 26)
    sized = chart.properties(width=WIDTH, height=tall)
    spec: dict[str, Any] = sized.to_dict()
    spec["config"] = {
        "font": FONT,
        "background": "white",
        "view": {"stroke": None},
        "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "axisY": {"labelLimit": 220},
        "legend": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "text": {"fontSize": 11},
    }
    return spec


def _altair() -> Any:
    """Altair, whose own types are wider than what is built here. Raises MissingExtraError."""
    try:
        import altair
    except ImportError as error:
        raise _missing(error) from error
    return altair


def _missing(error: ImportError) -> MissingExtraError:
    return MissingExtraError(
        f"charts need {error.name}, which is not installed: pip install 'archcalc[report]', or "
        "write CSV, JSON, or Markdown with --no-charts"
    )
