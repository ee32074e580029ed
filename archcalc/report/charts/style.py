"""What all charts share: colours, type, axes, and how one becomes a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.errors import needs
from archcalc.language import _
from archcalc.report.document import Spec
from archcalc.report.escape import for_chart
from archcalc.report.units import Units

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito 2008: distinguishable with any colour vision, on white and on black. Their black is
left out, and grey stands for the rest."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""vl-convert carries the first itself, so that a chart is set alike on every machine; the others
have its widths."""

WIDTH = 560

OTHERWISE = "write CSV, JSON, or Markdown with --no-charts"

PLAIN = "format(datum.value, '~g')"


def svg(spec: Spec) -> str:
    """The chart as an SVG file. Raises MissingExtraError without vl-convert-python."""
    with needs("report", "a chart", otherwise=OTHERWISE):
        import vl_convert
    on_paper = dict(spec)
    if "layer" in on_paper:  # layers for the pointer stay on the page
        on_paper["layer"] = [layer for layer in spec["layer"] if layer["mark"].get("opacity") != 0]
    text: str = vl_convert.vegalite_to_svg(on_paper)
    return text + "\n"


def finished(chart: Any, rows: int, *, height: int = 0) -> Spec:
    """The chart as JSON, with its size and the common style."""
    tall = height or rows * (20 if rows > 6 else 26)
    return styled(chart.properties(width=WIDTH, height=tall))


def styled(chart: Any) -> Spec:
    """The chart as JSON, with the common style."""
    spec: dict[str, Any] = _harmless(chart.to_dict())
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


def _harmless(value: Any) -> Any:
    """A chart whose texts end neither the converter nor the script that draws it."""
    if isinstance(value, str):
        return for_chart(value)
    if isinstance(value, dict):
        return {key: _harmless(each) for key, each in value.items()}
    return list(map(_harmless, value)) if isinstance(value, list) else value


def axis(alt: Any, numbers: str, values: Sequence[float] = ()) -> Any:
    """An axis with numbers by Vega's expression, at these values or at five that Vega chooses."""
    where: dict[str, Any] = {"values": list(values)} if values else {"tickCount": 5}
    return alt.Axis(labelExpr=numbers, **where)


def numbers(units: Units) -> str:
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


def model_colour(alt: Any, models: Sequence[str]) -> Any:
    """A colour for each model, and the legend."""
    names = list(dict.fromkeys(models))
    shapes = [OKABE_ITO[place % len(OKABE_ITO)] for place in range(len(names))]
    return alt.Color(
        "model:N",
        title=_("model"),
        scale=alt.Scale(domain=names, range=shapes),
        legend=alt.Legend(orient="right", labelLimit=180),
    )


def altair() -> Any:
    """Altair, whose own types are wider than what is built here. Raises MissingExtraError."""
    with needs("report", "a chart", otherwise=OTHERWISE):
        import altair
    return altair
