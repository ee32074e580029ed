"""The registered networks, and inputs on which their arithmetic takes little time."""

from __future__ import annotations

import pytest

from archcalc.errors import DefinitionError
from archcalc.graph import Graph
from archcalc.lookup import registry

DEEPER = ("resnet34", "resnet101", "resnet152")
"""More of the blocks of resnet18 and resnet50: what takes long tests these in slow runs."""
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in DEEPER else name
    for name in registry.names()
]


def small(name: str, batch: int = 1) -> Graph:
    """A registered network on the smallest image, of 64 pixels or more, that it takes."""
    architecture = registry.find(name)
    channels, height, width = architecture.input
    for side in range(64, height, 32):
        try:
            return architecture.graph((channels, side, min(side, width)), batch=batch)
        except DefinitionError:
            continue
    return architecture.graph(batch=batch)
