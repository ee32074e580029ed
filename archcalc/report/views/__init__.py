"""What each command shows: records in, a Report out. Nothing is computed here."""

from archcalc.report.views.beside import comparison, side_by_side, totals, worked
from archcalc.report.views.catalogue import card, listing, names
from archcalc.report.views.inside import (
    explanation,
    layers,
    memory,
    parameters,
    partial,
    receptive_field,
)

__all__ = [
    "card",
    "comparison",
    "explanation",
    "layers",
    "listing",
    "memory",
    "names",
    "parameters",
    "partial",
    "receptive_field",
    "side_by_side",
    "totals",
    "worked",
]
