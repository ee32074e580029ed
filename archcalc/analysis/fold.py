"""Deep models at a glance: the depth that fits a screen, and repeated modules as one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.analysis.profile import Module, Profile

ROWS = 40
"""Deeper levels are folded away where there would be more rows than this."""


def folded(found: Profile, depth: int | None = None) -> list[list[Module]]:
    """The modules at this depth, by default the deepest that fits a screen, in runs of neighbours
    that differ only in their names."""
    return runs(found.modules(depth or depth_at_a_glance(found)))


def depth_at_a_glance(found: Profile) -> int | None:
    """The deepest level that still fits a screen; None when everything does."""
    if len(found.layers) <= ROWS:
        return None
    deepest = max(layer.name.count(".") + 1 for layer in found.layers)
    fitting = [depth for depth in range(1, deepest) if len(runs(found.modules(depth))) <= ROWS]
    return max(fitting, default=1)


def runs(modules: Sequence[Module]) -> list[list[Module]]:
    """Neighbours that are the same but for their names, together."""
    found: list[list[Module]] = []
    for module in modules:
        if found and len(module.layers) > 1 and _structure(found[-1][-1]) == _structure(module):
            found[-1].append(module)
        else:
            found.append([module])
    return found


def name_of(run: Sequence[Module]) -> str:
    """``encoder_layer_0 … 11 (12×)``, or the name of a module by itself."""
    if len(run) == 1:
        return run[0].name
    return f"{run[0].name} … {run[-1].name.rpartition('.')[2]} ({len(run)}×)"


def _structure(module: Module) -> list[tuple[Any, ...]]:
    return [
        (
            layer.op,
            layer.node.attrs,
            [weight.shape for weight in layer.node.weights],
            [value.shape for value in (*layer.node.inputs, *layer.node.outputs)],
        )
        for layer in module.layers
    ]
