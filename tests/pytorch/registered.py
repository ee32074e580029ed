"""The registered networks with small, fast inputs."""

from __future__ import annotations

import pytest

from archcalc.errors import DefinitionError
from archcalc.graph import Graph
from archcalc.lookup import registry

DEEPER = ("resnet34", "resnet101", "resnet152")
"""Networks with more of the same blocks as resnet18 and resnet50; long tests use them only in slow
runs."""
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in DEEPER else name
    for name in registry.names()
]


def small(name: str, batch: int = 1) -> Graph:
    """Return a registered network on its smallest valid image of at least 64 pixels."""
    architecture = registry.find(name)
    channels, height, width = architecture.input
    for side in range(64, height, 32):
        try:
            return architecture.graph((channels, side, min(side, width)), batch=batch)
        except DefinitionError:
            continue
    return architecture.graph(batch=batch)
