"""Deep models at a glance: the depth that fits a screen, and many alike nodes as one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from archcalc.analysis.profile import Layer, Module, Profile
from archcalc.graph import Shape

ROWS = 40
"""Deeper levels are folded away where there would be more rows than this."""


class Row(NamedTuple):
    """Neighbouring modules that are shown as one."""

    modules: tuple[Module, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for module in self.modules for layer in module.layers)

    @property
    def is_repeated(self) -> bool:
        """Whether the modules are alike, and not single nodes side by side."""
        return len(self.modules) > 1 and len(self.modules[0].layers) > 1

    @property
    def name(self) -> str:
        """``encoder_layer_0 … 11 (12×)``, ``slice … add_9 (40 nodes)``, or a module's own name."""
        first, last = self.modules[0].name, self.modules[-1].name
        if len(self.modules) == 1:
            return first
        many = f"{len(self.modules)}×" if self.is_repeated else self.op
        return f"{first} … {_difference(first, last)} ({many})"

    @property
    def op(self) -> str:
        """The operator; of several nodes their number, of alike modules that of each."""
        is_one = self.is_repeated or len(self.modules) == 1
        return self.modules[0].op if is_one else f"{len(self.modules)} nodes"

    @property
    def output(self) -> Shape:
        return self.modules[-1].output

    @property
    def params(self) -> int:
        return sum(module.params for module in self.modules)


def rows(found: Profile, depth: int | None = None) -> list[Row]:
    """The modules at this depth, by default the deepest that fits a screen. Neighbours that differ
    only in their names are one row. By default, so are neighbouring nodes without parameters and
    multiply-adds where there would be too many rows."""
    if depth is not None:
        return alike(found.modules(depth))
    return at_a_glance(found.modules(depth_at_a_glance(found)))


def depth_at_a_glance(found: Profile) -> int | None:
    """The deepest level that still fits a screen; None when everything does."""
    if len(found.layers) <= ROWS:
        return None
    deepest = max(layer.name.count(".") + 1 for layer in found.layers)
    for together in (alike, at_a_glance):
        fitting = [
            depth for depth in range(1, deepest) if len(together(found.modules(depth))) <= ROWS
        ]
        if fitting:
            return max(fitting)
    return 1


def at_a_glance(modules: Sequence[Module]) -> list[Row]:
    """Alike neighbours together; where these are still too many rows, small nodes too."""
    found = alike(modules)
    return found if len(found) <= ROWS else _gathered(found)


def alike(modules: Sequence[Module]) -> list[Row]:
    """Neighbours that are the same but for their names, as one row each."""
    found: list[list[Module]] = []
    for module in modules:
        if found and len(module.layers) > 1 and _structure(found[-1][-1]) == _structure(module):
            found[-1].append(module)
        else:
            found.append([module])
    return [Row(tuple(run)) for run in found]


def labels(rows: Sequence[Row]) -> dict[str, str]:
    """The row that shows each node, by the node's name."""
    return {layer.name: row.name for row in rows for layer in row.layers}


def _gathered(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        if found and _is_small(row) and _is_small(found[-1]) and _within(row) == _within(found[-1]):
            found[-1] = Row(found[-1].modules + row.modules)
        else:
            found.append(row)
    return found


def _difference(first: str, last: str) -> str:
    """The number at the end of ``last`` where nothing else differs in the last part of the names,
    else that part."""
    first, last = first.rpartition(".")[2], last.rpartition(".")[2]
    stem = last.rstrip("0123456789")
    return last.removeprefix(stem) if stem == first.rstrip("0123456789") != last else last


def _is_small(row: Row) -> bool:
    """Single nodes that are counted, without parameters and multiply-adds; an input stands by
    itself."""
    return all(
        len(module.layers) == 1 and layer.op != "input" and not layer.params and layer.macs == 0
        for module in row.modules
        for layer in module.layers
    )


def _within(row: Row) -> str:
    """The module that a row lies in."""
    return row.modules[-1].name.rpartition(".")[0]


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
