"""The structural difference of two graphs: what was added, removed, changed, node by node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from archcalc.graph import Node, times
from archcalc.readings.profile import Layer, Profile
from archcalc.readings.record import Record


class Change(NamedTuple):
    """One node that differs. ``before`` or ``after`` is None where the node is added or removed."""

    kind: Literal["added", "removed", "changed"]
    name: str
    before: Layer | None
    after: Layer | None
    what: str
    """The settings that differ, as ``padding 0 -> 1``; the node in short when it is new or gone."""

    @property
    def macs(self) -> int:
        """Multiply-adds after less before; what is not counted adds nothing."""
        return _count(self.after, "macs") - _count(self.before, "macs")

    @property
    def params(self) -> int:
        return _count(self.after, "params") - _count(self.before, "params")


@dataclass(frozen=True)
class Diff(Record):
    """Every node that differs between two profiles, in the order of the second, then the first."""

    before: Profile
    after: Profile
    changes: tuple[Change, ...]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": change.kind,
                "name": change.name,
                "what": change.what,
                "params": change.params,
                "macs": change.macs,
            }
            for change in self.changes
        ]


def diff(before: Profile, after: Profile) -> Diff:
    """Match nodes by name and tell those that were added, removed or changed.

    A node changed when its operator, its settings, its weights or its output shape did. The sums of
    the changes are the differences of the totals.
    """
    old = {layer.name: layer for layer in before.layers}
    new = {layer.name: layer for layer in after.layers}
    changes = []
    for name, layer in new.items():
        if name not in old:
            changes.append(Change("added", name, None, layer, _short(layer.node)))
        elif what := _differences(old[name], layer):
            changes.append(Change("changed", name, old[name], layer, what))
    for name, layer in old.items():
        if name not in new:
            changes.append(Change("removed", name, layer, None, _short(layer.node)))
    return Diff(before, after, tuple(changes))


def _differences(before: Layer, after: Layer) -> str:
    old, new = _facts(before.node), _facts(after.node)
    return ", ".join(
        f"{key} {old.get(key, '–')} -> {new.get(key, '–')}"
        for key in dict.fromkeys((*new, *old))
        if old.get(key) != new.get(key)
    )


def _facts(node: Node) -> dict[str, str]:
    facts = {"op": node.op}
    facts.update((key, _text(value)) for key, value in node.attrs.items())
    facts.update((weight.name.rpartition(".")[2], times(weight.shape)) for weight in node.weights)
    if node.outputs:
        facts["output"] = times(node.output.shape)
    return facts


def _short(node: Node) -> str:
    weight = f" {times(node.weights[0].shape)}" if node.weights else ""
    return f"{node.op}{weight}" + (f" to {times(node.output.shape)}" if node.outputs else "")


def _text(value: object) -> str:
    if isinstance(value, tuple) and len(set(value)) == 1:
        return str(value[0])
    return times(value) if isinstance(value, tuple) else str(value)


def _count(layer: Layer | None, field: str) -> int:
    return (getattr(layer, field) or 0) if layer is not None else 0
