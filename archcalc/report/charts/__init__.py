"""Charts, described once in Altair: as SVG beside Markdown, and drawn by the browser on the page.

Each function takes a record and returns Vega-Lite's JSON. Axes name their unit and what it counts.
Every name stands in the data, never in an expression, for names come from users' code.
"""

from archcalc.report.charts.blocks import branches, cost_by_block, memory, waterfall
from archcalc.report.charts.models import accuracy, latency, pareto, roofline, scatter
from archcalc.report.charts.style import svg
from archcalc.report.charts.training import curves

__all__ = [
    "accuracy",
    "branches",
    "cost_by_block",
    "curves",
    "latency",
    "memory",
    "pareto",
    "roofline",
    "scatter",
    "svg",
    "waterfall",
]
