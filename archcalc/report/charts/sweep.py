"""Charts of a sweep: the front among an even sample, and how a figure is distributed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from archcalc.analysis.figures import FIGURES
from archcalc.report.charts import style
from archcalc.report.document import Spec
from archcalc.symbolic.sweep import Sweep

BOOTSTRAPS = 200
"""Resamples behind the band of a distribution."""


def front(found: Sweep) -> Spec:
    """The first two objectives: a sample of the candidates, and the front as a line."""
    alt = style.altair()
    first, second = ([*found.objectives, *found.objectives][index].figure for index in (0, 1))
    colours = alt.Color(
        "of:N",
        title=None,
        scale=alt.Scale(domain=["sample", "front"], range=["#999999", style.OKABE_ITO[0]]),
        legend=alt.Legend(orient="top"),
    )
    axes = {
        "x": alt.X("x:Q", **_of_figure(alt, first)),
        "y": alt.Y("y:Q", **_of_figure(alt, second)),
        "color": colours,
    }
    layers = []
    for name, rows in (("sample", found.sample[:2000]), ("front", found.front)):
        points = [{"x": row[first], "y": row[second], "of": name} for row in rows]
        data = alt.Data(values=sorted(points, key=lambda point: point["x"]))
        layers.append(alt.Chart(data).mark_circle(size=12, opacity=0.6).encode(**axes))
        if name == "front":
            layers.append(alt.Chart(data).mark_line(strokeWidth=1.5).encode(**axes))
    return style.finished(alt.layer(*layers), 0, height=300)


def distribution(found: Sweep, figure: str) -> Spec:
    """The empirical distribution function of a figure over the kept candidates, with the band that
    holds 95 % of its bootstrap resamples (Radosavovic et al. 2020, section 3.1)."""
    alt = style.altair()
    values = sorted(row[figure] for row in found.sample)
    rows = _bands(values)
    x = alt.X("x:Q", **_of_figure(alt, figure))
    data = alt.Data(values=rows)
    band = (
        alt.Chart(data)
        .mark_area(opacity=0.25, color=style.OKABE_ITO[0])
        .encode(x=x, y=alt.Y("low:Q", title="share of candidates"), y2="high:Q")
    )
    line = (
        alt.Chart(data)
        .mark_line(color=style.OKABE_ITO[0], interpolate="step-after")
        .encode(x=x, y=alt.Y("share:Q", title="share of candidates"))
    )
    return style.finished(alt.layer(band, line), 0, height=260)


def curve(found: Sweep, axis: str, figure: str) -> Spec:
    """A figure along one axis: its median over the others, and the range between 10 and 90 %."""
    alt = style.altair()
    groups: dict[Any, list[float]] = {}
    for row in found.sample:
        groups.setdefault(row[axis], []).append(row[figure])
    rows = []
    for value, figures in sorted(groups.items(), key=lambda item: str(item[0]).zfill(20)):
        ordered = sorted(figures)
        rows.append(
            {
                "x": value,
                "median": _quantile(ordered, 0.5),
                "low": _quantile(ordered, 0.1),
                "high": _quantile(ordered, 0.9),
            }
        )
    kind = "Q" if all(type(row["x"]) is int for row in rows) else "N"
    x = alt.X(f"x:{kind}", title=axis)
    data = alt.Data(values=rows)
    band = (
        alt.Chart(data)
        .mark_area(opacity=0.25, color=style.OKABE_ITO[0])
        .encode(x=x, y=alt.Y("low:Q", **_of_figure(alt, figure)), y2="high:Q")
    )
    line = (
        alt.Chart(data)
        .mark_line(point=True, color=style.OKABE_ITO[0])
        .encode(x=x, y=alt.Y("median:Q", **_of_figure(alt, figure)))
    )
    return style.finished(alt.layer(band, line), 0, height=240)


def _of_figure(alt: Any, key: str) -> dict[str, Any]:
    """The axis of a figure: its label with its unit, and short numbers."""
    figure = FIGURES.get(key)
    title = key if figure is None else figure.label + (f", {figure.unit}" if figure.unit else "")
    numbers = style.axis(alt, style.numbers("si"))
    return {"title": title, "scale": alt.Scale(zero=False), "axis": numbers}


def _bands(values: Sequence[float], points: int = 200) -> list[dict[str, float]]:
    """At evenly spread ranks: the value, its share, and the band of the resampled shares."""
    if not values:
        return []
    draw, count = random.Random(0), len(values)
    ranks = sorted({round(place * (count - 1) / (points - 1)) for place in range(points)})
    # A resample's share up to the value of rank r counts draws of ranks 0..r: binomial, and near
    # enough to normal for a band of 95 % where there are more than a few.
    rows = []
    for rank in ranks:
        share = (rank + 1) / count
        if count > 100:
            half = 1.96 * math.sqrt(share * (1 - share) / count)
            low, high = share - half, share + half
        else:
            shares = sorted(
                sum(draw.random() < share for _ in range(count)) / count for _ in range(BOOTSTRAPS)
            )
            low, high = _quantile(shares, 0.025), _quantile(shares, 0.975)
        rows.append(
            {"x": values[rank], "share": share, "low": max(0.0, low), "high": min(1.0, high)}
        )
    return rows


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
