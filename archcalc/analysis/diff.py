"""The difference of two profiles, node by node, and of two saved reports, model by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from archcalc.analysis.figures import COMPARED
from archcalc.analysis.profile import Layer, Profile
from archcalc.analysis.record import Record
from archcalc.analysis.saved import SavedLayer, SavedModel
from archcalc.graph import Shape, times

AnyLayer = Layer | SavedLayer


class Change(NamedTuple):
    """One node that differs. ``before`` is None for an added node, ``after`` for a removed one."""

    kind: Literal["added", "removed", "changed"]
    name: str
    before: AnyLayer | None
    after: AnyLayer | None
    what: str
    """The settings that differ, such as ``padding 0 -> 1``; a short description of an added or
    removed node."""
    follows: bool = False
    """Whether only the shapes differ, because of a change in an earlier node."""

    @property
    def macs(self) -> int:
        """Multiply-adds after minus before. Operations that are not counted add nothing."""
        return _count(self.after, "macs") - _count(self.before, "macs")

    @property
    def params(self) -> int:
        return _count(self.after, "params") - _count(self.before, "params")


@dataclass(frozen=True, repr=False)
class Diff(Record):
    """Every node that differs between two profiles, in the order of the second, then the first."""

    before: Profile | SavedModel
    after: Profile | SavedModel
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


class Total(NamedTuple):
    """One total, or the shape of the input or output, that differs."""

    name: str
    before: int | Shape
    after: int | Shape


class ModelDiff(NamedTuple):
    """One model of two reports. ``before`` or ``after`` is None if that report does not have it."""

    spec: str
    before: SavedModel | None
    after: SavedModel | None
    figures: tuple[Total, ...] = ()
    changes: tuple[Change, ...] = ()
    why: str = ""
    """The reason why one report does not have it, if known."""


@dataclass(frozen=True, repr=False)
class ReportDiff(Record):
    """The models that differ between two reports; empty if none does."""

    before: str
    """The name of the first report: a file or a commit."""
    after: str
    models: tuple[ModelDiff, ...]

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"model": model.spec, "figure": figure.name, "before": figure.before}
            | {"after": figure.after}
            for model in self.models
            for figure in model.figures
        ]


def diff(before: Profile | SavedModel, after: Profile | SavedModel) -> Diff:
    """Match nodes by name and list those that were added, removed or changed.

    A node changed when its operator, its settings, its weights or its output shape did. The sums of
    the changes are the differences of the totals.
    """
    old: dict[str, AnyLayer] = {layer.name: layer for layer in before.layers}
    new: dict[str, AnyLayer] = {layer.name: layer for layer in after.layers}
    changes = []
    for name, layer in new.items():
        if name not in old:
            changes.append(Change("added", name, None, layer, _short(layer)))
        elif differing := _differences(old[name], layer):
            what = ", ".join(f"{key} {was} -> {now}" for key, was, now in differing)
            follows = [key for key, _, _ in differing] == ["output"]
            changes.append(Change("changed", name, old[name], layer, what, follows))
    for name, layer in old.items():
        if name not in new:
            changes.append(Change("removed", name, layer, None, _short(layer)))
    return Diff(before, after, tuple(changes))


def diff_reports(
    before: Sequence[SavedModel],
    after: Sequence[SavedModel],
    names: tuple[str, str],
    missing: Mapping[str, str] | None = None,
) -> ReportDiff:
    """The differences, model by model. Models are matched by their specification; two reports of
    one model each are compared even if the names differ. ``missing`` gives reasons for models that
    only one report has."""
    if len(before) == len(after) == 1:
        pairs: list[tuple[SavedModel | None, SavedModel | None]] = [(before[0], after[0])]
    else:
        left, right = _keyed(before), _keyed(after)
        pairs = [(left.get(key), right.get(key)) for key in dict.fromkeys((*right, *left))]
    found = []
    for old, new in pairs:
        spec = (new or old).spec  # type: ignore[union-attr]  # one of the two is there
        if old is None or new is None:
            found.append(ModelDiff(spec, old, new, why=(missing or {}).get(spec, "")))
            continue
        figures = tuple(_figures(old, new))
        changes = diff(old, new).changes
        if figures or changes:
            found.append(ModelDiff(spec, old, new, figures, changes))
    return ReportDiff(*names, tuple(found))


def _keyed(models: Sequence[SavedModel]) -> dict[tuple[str, int], SavedModel]:
    """By spec, and by its turn where one is in the report more than once."""
    found: dict[tuple[str, int], SavedModel] = {}
    for model in models:
        turn = 0
        while (model.spec, turn) in found:
            turn += 1
        found[model.spec, turn] = model
    return found


def _figures(old: SavedModel, new: SavedModel) -> list[Total]:
    found = [
        Total(name, old.figures[name], new.figures[name])
        for name in COMPARED
        if name in old.figures and name in new.figures and old.figures[name] != new.figures[name]
    ]
    if old.input != new.input:
        found.append(Total("input", old.input, new.input))
    if old.output != new.output:
        found.append(Total("output", old.output, new.output))
    return found


def _differences(before: AnyLayer, after: AnyLayer) -> list[tuple[str, str, str]]:
    """(what, as it was, as it is), a setting each."""
    old, new = _facts(before), _facts(after)
    found = [
        (key, old.get(key, "–"), new.get(key, "–"))
        for key in dict.fromkeys((*new, *old))
        if old.get(key) != new.get(key)
    ]
    if not found:  # a report that keeps no settings still has the counts
        found = [
            (name, f"{_count(before, key):,}", f"{_count(after, key):,}")
            for key, name in (("params", "params"), ("macs", "MACs"))
            if _count(before, key) != _count(after, key)
        ]
    return found


def _facts(layer: AnyLayer) -> dict[str, str]:
    facts = {"op": layer.op}
    facts.update((key, _text(value)) for key, value in settings(layer).items())
    facts.update((key, times(shape)) for key, shape in weights(layer).items())
    if layer.output:
        facts["output"] = times(layer.output)
    return facts


def settings(layer: AnyLayer) -> Mapping[str, Any]:
    """A layer's attributes."""
    return layer.attrs if isinstance(layer, SavedLayer) else layer.node.attrs


def weights(layer: AnyLayer) -> Mapping[str, Shape]:
    """The shapes of a layer's own weights, by the last part of their names."""
    if isinstance(layer, SavedLayer):
        return layer.weights
    return {weight.name.rpartition(".")[2]: weight.shape for weight in layer.node.weights}


def _short(layer: AnyLayer) -> str:
    first = next(iter(weights(layer).values()), None)
    text = f"{layer.op} {times(first)}" if first is not None else layer.op
    return f"{text} -> {times(layer.output)}" if layer.output else text


def _text(value: object) -> str:
    if isinstance(value, tuple) and len(set(map(str, value))) == 1:
        return str(value[0])
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _count(layer: AnyLayer | None, field: str) -> int:
    return (getattr(layer, field) or 0) if layer is not None else 0
