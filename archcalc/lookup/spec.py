"""Parse the specification of a model: its name, options, input, batch and mode."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.guard import shortened

Input = Shape | str | Sequence[str] | None
Kind = Literal[
    "registered", "torchvision", "timm", "hf", "diffusers", "program", "graph", "onnx", "python"
]

CONFIGURED: tuple[Literal["hf", "diffusers"], ...] = ("hf", "diffusers")
"""Libraries that build a model from a configuration."""

BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


@dataclass(frozen=True)
class ModelSpec:
    """A model with its options, input, batch and mode. Use :meth:`parse` to create one."""

    text: str
    """The specification as written, for example ``nin,head=fc``."""
    name: str
    """The name without options."""
    options: Mapping[str, Any] = field(default_factory=dict)
    input: Input = None
    """(C, H, W) or texts; the model's own if empty."""
    batch: int = 1
    training: bool = False

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        options: Mapping[str, Any] | None = None,
        input: Input = None,
        batch: int = 1,
        training: bool = False,
    ) -> ModelSpec:
        """Parse a specification. Options in the text override ``options``. Raises UsageError.

        >>> ModelSpec.parse("nin,head=fc", options={"mlp": "false"}).options
        {'mlp': 'false', 'head': 'fc'}
        """
        name, *inline = _split(text)
        chosen = {**(options or {}), **parse_settings(inline)}
        return cls(text, name, chosen, input, batch, training)

    @property
    def kind(self) -> Kind:
        """The source of the model."""
        for kind in CONFIGURED:
            if self.name.startswith(f"{kind}:"):
                return kind
        place, colon, _ = self.name.rpartition(":")
        if self.name.endswith(".pt2"):
            return "program"
        if self.name.endswith(".onnx"):
            return "onnx"
        if self.name.endswith(".graph.json"):
            return "graph"
        if not colon:
            return "registered"
        if place == "torchvision":
            return "torchvision"
        return "timm" if place == "timm" else "python"

    @property
    def registered(self) -> bool:
        """Whether it is a name or an alias of a registered architecture."""
        return self.kind == "registered"

    @property
    def is_pattern(self) -> bool:
        """Whether the name is a pattern, such as ``timm:convnext_*``."""
        return self.kind in ("registered", "torchvision", "timm") and any(
            sign in self.name for sign in "*?["
        )

    @property
    def in_file(self) -> bool:
        """Whether it is in a Python file, given by its path."""
        return ".py:" in self.name


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Parse ``["head=fc", "num_classes=100"]`` to a dictionary. Raises UsageError."""
    options = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals and value):
            raise UsageError(
                f"option {shortened(setting)!r}: write key=value, such as num_classes=100"
            )
        options[key] = value
    return options


def typed(text: Any) -> Any:
    """Parse ``"64"`` as 64, ``"(1, 2)"`` as a tuple, ``"true"`` as True; other text stays text."""
    if not isinstance(text, str):
        return text
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _split(text: str) -> list[str]:
    """Split at commas outside brackets: ``sizes=(1, 2)`` is one part.

    >>> _split("net.py:Net,sizes=(1, 2),wide=true")
    ['net.py:Net', 'sizes=(1, 2)', 'wide=true']
    """
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += BRACKETS.get(sign, 0)
        if sign == "," and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
