"""The graphs and profiles of several models by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archcalc.analysis.profile import Profile, profile
from archcalc.graph import Graph
from archcalc.lookup.resolve import expand, resolve

Follow = Callable[[int, int, str], None]
"""Called with what is done, what there is to do, and what comes next."""


def graphs(
    models: Sequence[str | Graph], *, follow: Follow | None = None, **asked: Any
) -> list[Graph]:
    """Each model's graph, in order; a pattern stands for every name that matches.

    ``asked`` are the keywords of :func:`archcalc.lookup.resolve.resolve`, whose errors are raised.
    """
    chosen: list[str | Graph] = []
    for model in models:
        chosen += [model] if isinstance(model, Graph) else expand([model])
    found = []
    for place, model in enumerate(chosen):
        if isinstance(model, Graph):
            found.append(model)
            continue
        if follow is not None:
            follow(place, len(chosen), model)
        found.append(resolve(model, **asked))
    return found


def profiles(
    models: Sequence[str | Graph], *, convention: str = "paper", **asked: Any
) -> list[Profile]:
    """The same as profiles."""
    return [profile(graph, convention=convention) for graph in graphs(models, **asked)]
