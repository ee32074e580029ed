"""What a person calls a model, to its Graph.

nin                      a registered architecture or its alias
nin,head=fc              the same with options, so that variants can be compared
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc import registry
from archcalc.errors import UsageError
from archcalc.graph import Graph, Shape


def resolve(
    spec: str,
    *,
    input: Shape | str | None = None,
    batch: int = 1,
    training: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Graph:
    """The Graph of a model by its name. Raises UnknownModelError, UsageError or DefinitionError."""
    name, *inline = spec.split(",")
    chosen = {**(options or {}), **parse_settings(inline)}
    return registry.find(name).graph(input, batch=batch, training=training, options=chosen)


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """``["head=fc", "num_classes=100"]`` to a dictionary. Raises UsageError."""
    options = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals and value):
            raise UsageError(f"option {setting!r}: write key=value, such as num_classes=100")
        options[key] = value
    return options
