"""Charts that set networks beside one another, a point each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.language import _
from archcalc.report.charts import style
from archcalc.report.document import Spec
from archcalc.report.units import Units


def scatter(found: Comparison, units: Units) -> Spec:
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
    shown = [("macs", _("MACs")), ("params", _("params"))]
    return _points(points, shown, _("parameters read in this pass"), style.numbers(units), units)


def latency(rows: Sequence[tuple[str, int, float]], units: Units) -> Spec:
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
    shown = [("macs", _("MACs")), ("latency", _("median"))]
    return _points(points, shown, _("median latency, ms"), style.PLAIN, units)


def accuracy(rows: Sequence[tuple[str, int, float, float, float]], units: Units) -> Spec:
    """Measured test accuracy against MACs, with its interval and the Pareto line; (label, MACs,
    accuracy, low, high), all but the MACs as parts of 1."""
    alt = style.altair()
    points: list[dict[str, Any]] = [
        {
            "model": label,
            "x": macs,
            "y": 100 * mean,
            "low": 100 * low,
            "high": 100 * high,
            "macs": f"{macs:,}",
            "accuracy": f"{100 * mean:.2f} %",
            "interval": f"{100 * low:.2f} – {100 * high:.2f} %",
        }
        for label, macs, mean, low, high in rows
    ]
    shown = [
        ("macs", _("MACs")),
        ("accuracy", _("test accuracy")),
        ("interval", _("95 % interval")),
    ]
    front = [points[place] for place in pareto([(row["x"], -row["y"]) for row in points])]
    edges = [row[edge] for row in points for edge in ("low", "high")]
    room = max(0.1 * (max(edges) - min(edges)), 0.2)
    scale = alt.Scale(
        domain=[max(0.0, min(edges) - room), min(100.0, max(edges) + room)], nice=False, zero=False
    )
    y = alt.Y("y:Q", title=_("test accuracy, %"), scale=scale, axis=style.axis(alt, style.PLAIN))
    bars = (
        alt.Chart(alt.Data(values=points))
        .mark_rule(strokeWidth=1.5)
        .encode(
            x=_macs_axis(alt, points, units),
            y=alt.Y("low:Q", scale=scale),
            y2="high:Q",
            color=style.model_colour(alt, [row["model"] for row in points]),
        )
    )
    layers = _layers(points, front, shown, _macs_axis(alt, points, units), y)
    return style.finished(alt.layer(bars, *layers), 0, height=260)


def roofline(
    points: Sequence[tuple[str, float, float]],
    flops: float,
    bandwidth: float,
) -> Spec:
    """FLOP/s reached against FLOPs a byte, under the measured ceilings of arithmetic and memory;
    (model, FLOPs a byte, FLOP/s) each."""
    alt = style.altair()
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
        title=_("FLOPs per byte moved (FLOPs: 2 per MAC, 1 per other operation)"),
        scale=alt.Scale(type="log", domain=[left, right], nice=False),
        axis=style.axis(alt, style.PLAIN, _round_numbers([left, right])),
    )
    speeds = [left * bandwidth, flops, *(point[2] for point in points)]
    y = alt.Y(
        "y:Q",
        title=_("FLOP/s (2 per MAC, 1 per other operation)"),
        scale=_factors(alt, speeds),
        axis=style.axis(alt, style.numbers("si"), _round_numbers(speeds)),
    )
    line = alt.Chart(alt.Data(values=roof)).mark_line(color="#999999", strokeWidth=2)
    dots = alt.Chart(alt.Data(values=rows)).mark_point(filled=True, size=80, opacity=1)
    return style.finished(
        alt.layer(
            line.encode(x=x, y=y),
            dots.encode(
                x=x,
                y=y,
                color=style.model_colour(alt, [str(row["model"]) for row in rows]),
                tooltip=[
                    alt.Tooltip("model:N", title=_("model")),
                    alt.Tooltip("intensity:N", title=_("FLOPs/byte")),
                    alt.Tooltip("speed:N", title=_("GFLOP/s")),
                ],
            ),
        ),
        0,
        height=280,
    )


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
    y_title: str,
    y_numbers: str,
    units: Units,
) -> Spec:
    """A cost against MACs, on logarithmic axes."""
    alt = style.altair()
    front = [rows[place] for place in pareto([(row["x"], row["y"]) for row in rows])]
    y = alt.Y(
        "y:Q",
        title=y_title,
        scale=_factors(alt, [row["y"] for row in rows]),
        axis=style.axis(alt, y_numbers, _round_numbers([row["y"] for row in rows])),
    )
    layers = _layers(rows, front, shown, _macs_axis(alt, rows, units), y)
    return style.finished(alt.layer(*layers), 0, height=260)


def _macs_axis(alt: Any, rows: list[dict[str, Any]], units: Units) -> Any:
    values = [row["x"] for row in rows]
    numbers = style.axis(alt, style.numbers(units), _round_numbers(values))
    return alt.X(
        "x:Q",
        title=_("MACs (multiply-adds of conv, linear, matmul)"),
        scale=_factors(alt, values),
        axis=numbers,
    )


def _layers(
    rows: list[dict[str, Any]],
    front: list[dict[str, Any]],
    shown: Sequence[tuple[str, str]],
    x: Any,
    y: Any,
) -> list[Any]:
    """Models as points with their names, and the Pareto line where it joins two."""
    alt = style.altair()
    line = alt.Chart(alt.Data(values=front)).mark_line(
        color="#999999", strokeDash=[4, 3], interpolate="step-after"
    )
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=style.model_colour(alt, [row["model"] for row in rows]),
        tooltip=[
            alt.Tooltip("model:N", title=_("model")),
            *(alt.Tooltip(f"{key}:N", title=title) for key, title in shown),
        ],
    )
    return [line.encode(x=x, y=y), dots] if len(front) > 1 else [dots]


def _factors(alt: Any, values: Sequence[float]) -> Any:
    """A logarithmic scale with room around the points."""
    return alt.Scale(type="log", domain=list(_room(values)), nice=False)


def _room(values: Sequence[float]) -> tuple[float, float]:
    room = 1.6 if max(values) / min(values) < 100 else 2.5
    return min(values) / room, max(values) * room


def _round_numbers(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times powers of ten in the room of a scale; only powers if there are many."""
    low, high = _room(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    # Whole numbers from integers, so that an axis never says 0.30000000000000004.
    found = [
        step * 10**power if power >= 0 else step / 10**-power for power in powers for step in steps
    ]
    return [value for value in found if low <= value <= high]
