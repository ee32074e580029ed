"""Build models of diffusers' pipelines from their configurations."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from archcalc.errors import UsageError, needs
from archcalc.guard import guard
from archcalc.importers.huggingface import Configuration
from archcalc.lookup.inputs import shape
from archcalc.pytorch.huggingface import Recipe, quiet

TOKENS = 77
"""The sequence length of CLIP's text encoder, which conditions most pipelines."""


def recipe(asked: Configuration) -> Recipe:
    """Return the recipe of a diffusers configuration. Raises UsageError and MissingExtraError."""
    if asked.seq or asked.decode or asked.attention:
        raise UsageError(f"{asked.name} is a diffusers model, which takes only --input and --batch")
    with needs("hf", f"{asked.name} is a configuration of diffusers and"), quiet():
        import diffusers
    found = getattr(diffusers, asked.architecture, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(
            f"{asked.name}: diffusers {diffusers.__version__} has no model {asked.architecture!r}"
        )

    kind: Any = found  # nn.Module declares no from_config

    def build() -> nn.Module:
        with quiet():
            module: nn.Module = kind.from_config(dict(asked.fields))
        return module

    def inputs(batch: int) -> dict[str, Any]:
        with guard(f"{asked.name} is not a usable configuration"):
            return _inputs(kind, asked.fields, batch, asked.name)

    return Recipe(build, inputs, lambda module, graph: graph)


def _inputs(kind: Any, fields: Any, batch: int, name: str) -> dict[str, Any]:
    """Return a noisy sample, its time step and the conditioning text, by parameter name."""
    defaults = inspect.signature(kind.__init__).parameters

    def field(*names: str, otherwise: Any = None) -> Any:
        for each in names:
            found = fields.get(each)
            if found is None and each in defaults:
                found = defaults[each].default
            if found is not None and found is not inspect.Parameter.empty:
                return found
        return otherwise

    channels = field("in_channels", otherwise=4)
    size = field("sample_size", otherwise=64)
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    latent = shape(batch, channels, height, width)
    text = field("cross_attention_dim", "caption_channels", "joint_attention_dim", otherwise=768)
    known = {
        "sample": latent,
        "x": latent,
        "hidden_states": latent,
        "timestep": shape(batch, dtype="i64"),
        "encoder_hidden_states": shape(batch, TOKENS, text[0] if isinstance(text, list) else text),
        "pooled_projections": shape(batch, field("pooled_projection_dim", otherwise=2048)),
    }
    needed = [
        each.name
        for each in inspect.signature(kind.forward).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    if "pooled_projection_dim" in fields:
        needed.append("pooled_projections")
    missing = [each for each in needed if each != "self" and each not in known]
    if missing:
        raise UsageError(
            f"{name}: {kind.__name__} needs {', '.join(missing)}; give every input as "
            "--input NAME=SIZES"
        )
    return {each: known[each] for each in dict.fromkeys(needed) if each != "self"}
