"""archcalc: what a neural-network architecture costs, and why.

>>> import archcalc
>>> archcalc.graph("nin", input="32x32x3").profile().macs
222486528
>>> comparison = archcalc.compare(["inception-naive", "inception-reduced"])
>>> round(comparison.ratio(comparison.profiles[1], "macs"), 3)
0.422

Importing it costs milliseconds; what needs torch imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.errors import (
    ArchcalcError,
    DefinitionError,
    MissingExtraError,
    ShapeError,
    UnknownModelError,
    UsageError,
)
from archcalc.graph import Graph, Handle, Node, Shape
from archcalc.readings import compare as _compare
from archcalc.readings.compare import Comparison
from archcalc.readings.diff import Diff, diff
from archcalc.readings.profile import Profile, profile
from archcalc.readings.worked_example import WorkedExample, worked_example
from archcalc.registry import Architecture, architecture
from archcalc.resolve import resolve
from archcalc.version import VERSION

__all__ = [
    "ArchcalcError",
    "Architecture",
    "Comparison",
    "DefinitionError",
    "Diff",
    "Graph",
    "Handle",
    "MissingExtraError",
    "Node",
    "Profile",
    "ShapeError",
    "UnknownModelError",
    "UsageError",
    "WorkedExample",
    "__version__",
    "architecture",
    "compare",
    "diff",
    "graph",
    "profile",
    "worked_example",
]

__version__ = VERSION


def graph(
    spec: str,
    *,
    input: Shape | str | None = None,
    batch: int = 1,
    training: bool = False,
    **options: Any,
) -> Graph:
    """The Graph of a model by its name.

    ``input`` is (C, H, W) or text such as ``"32x32x3"``, the model's own unless given; ``options``
    are the model's. Raises UnknownModelError, UsageError, or DefinitionError, which names the node
    that cannot take its input.

    >>> graph("nin", head="fc").output.shape
    (1, 10)
    """
    return resolve(spec, input=input, batch=batch, training=training, options=options)


def compare(
    models: Sequence[str | Graph],
    *,
    input: Shape | str | None = None,
    batch: int = 1,
    training: bool = False,
    baseline: str = "",
    sort: str = "",
    convention: str = "paper",
    options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Models by name, or graphs, side by side; ratios are to ``baseline``, the first unless given.

    Raises what :func:`graph` raises, and UsageError for an unknown baseline, metric or convention.
    """
    graphs = [
        resolve(model, input=input, batch=batch, training=training, options=options)
        if isinstance(model, str)
        else model
        for model in models
    ]
    profiles = [profile(found, convention=convention) for found in graphs]
    return _compare.compare(profiles, baseline=baseline, sort=sort)
