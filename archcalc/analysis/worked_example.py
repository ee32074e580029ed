"""The worked example of the Inception story: what a 1×1 in front of the 5×5 saves, and what the
whole module saves with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.profile import Layer, Profile, profile
from archcalc.analysis.record import Record
from archcalc.graph import Shape
from archcalc.language import mark
from archcalc.lookup.registry import find

DEFAULT_INPUT: Shape = (192, 28, 28)
"""C, H, W of the paper's module 3a."""


class Side(NamedTuple):
    """Direct against reduced, of the branch or of the module."""

    title: str
    before: str
    """What the form without reductions is called."""
    direct: Profile
    reduced: Profile

    @property
    def forms(self) -> tuple[Profile, Profile]:
        return self.direct, self.reduced

    @property
    def ratio(self) -> float:
        """How many times fewer multiply-adds the reduced form needs."""
        return self.direct.macs / self.reduced.macs


@dataclass(frozen=True, repr=False)
class WorkedExample(Record):
    """The 5×5 branch and the whole module, each with and without its 1×1 reductions."""

    branch: Side
    module: Side

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return tuple(found for side in (self.branch, self.module) for found in side.forms)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"model": found.name, "name": layer.name, "macs": layer.macs, "formula": layer.formula}
            for found in self.profiles
            for layer in counted(found)
        ]


def counted(found: Profile) -> list[Layer]:
    """The layers with multiply-adds."""
    return [layer for layer in found.layers if layer.macs]


def worked_example(
    input: Shape | str | None = None, *, batch: int = 1, convention: str = "paper"
) -> WorkedExample:
    """Naive against reduced at one input (C, H, W), or text such as ``"28x28x192"``.

    >>> example = worked_example("28x28x192")
    >>> [found.macs for found in example.branch.forms]
    [120422400, 12443648]
    >>> round(example.branch.ratio, 2), round(example.module.ratio, 2)
    (9.68, 2.37)
    """

    def priced(name: str) -> Profile:
        graph = find(name).graph(input or DEFAULT_INPUT, batch=batch)
        return profile(graph, convention=convention)

    return WorkedExample(
        Side(
            mark("5×5 branch"), "direct", priced("inception-5x5"), priced("inception-5x5-reduced")
        ),
        Side(
            mark("Inception module"),
            "naive",
            priced("inception-naive"),
            priced("inception-reduced"),
        ),
    )
