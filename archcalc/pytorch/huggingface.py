"""Build models of transformers and diffusers from their configurations, without weights, and make
inputs for their task."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from types import MethodType
from typing import Any, NamedTuple

import torch
from torch import nn

from archcalc.analysis.tokens import CACHES, routings
from archcalc.errors import UsageError, needs
from archcalc.graph import Attributes, Graph, Node
from archcalc.guard import guard
from archcalc.importers.huggingface import Configuration
from archcalc.language import Message
from archcalc.lookup.inputs import shape
from archcalc.ops import TABLE
from archcalc.pytorch.trace import build_on_meta, trace

SEQUENCE = 128
"""The default number of tokens."""

IGNORED = ("quantization_config", "auto_map", "_name_or_path", "transformers_version")
"""Fields that describe storage or origin of the weights, not the computation."""


class Recipe(NamedTuple):
    """How to build a model and call it."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int], dict[str, Any]]
    """Returns the inputs by name for a batch size."""
    finish: Callable[[nn.Module, Graph], Graph]
    """Adds information from the module to its graph."""


def recipe(asked: Configuration) -> Recipe:
    """Return the recipe of a configuration. Raises UsageError and MissingExtraError."""
    from archcalc.pytorch import diffusion

    return diffusion.recipe(asked) if asked.kind == "diffusers" else _transformers(asked)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' messages about their own defaults."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _transformers(asked: Configuration) -> Recipe:
    with needs("hf", f"{asked.name} is a configuration of transformers and"):
        import transformers
    with guard(f"{asked.name} is not a usable configuration"), quiet():
        config, kind = _config(asked, transformers), _class(asked, transformers)
    if kind is None:
        with guard(f"{asked.name} cannot be built"), quiet():
            kind = transformers.AutoModel._model_mapping[type(config)]
        if isinstance(kind, tuple):
            kind = kind[0]

    def build() -> nn.Module:
        from transformers.initialization import no_init_weights

        chosen = {"attn_implementation": asked.attention} if asked.attention else {}
        without = torch.empty(0).is_meta  # nothing to initialise on meta
        with quiet(), no_init_weights() if without else nullcontext():
            module: nn.Module = kind._from_config(deepcopy(config), **chosen)
        if without:
            module.tie_weights()  # type: ignore[operator]  # a method of transformers' models
        return module

    def inputs(batch: int) -> dict[str, Any]:
        with guard(f"{asked.name} does not declare its input; give --input NAME=SIZES"):
            given = Inputs(config, kind, batch, asked.seq).all()
        return _decoding(asked, build, given) if asked.decode else given

    return Recipe(build, inputs, finished)


def _config(asked: Configuration, transformers: Any) -> Any:
    fields = {key: each for key, each in asked.fields.items() if key not in IGNORED}
    family = fields["model_type"]
    known = transformers.CONFIG_MAPPING
    if family not in known:
        raise UsageError(
            f"{asked.name}: transformers {transformers.__version__} has no model_type {family!r}"
        )
    return known[family].from_dict(fields)


def _class(asked: Configuration, transformers: Any) -> Any:
    """Return the class that the configuration names, or None."""
    name = asked.architecture
    if not name:
        return None
    found = getattr(transformers, name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(
            f"{asked.name}: transformers {transformers.__version__} has no model {name!r}; "
            "use --set architectures=none to count the base model of its type"
        )
    return found


# -- inputs

COMPARED = ("input_ids", "pixel_values", "input_features", "input_values")
AUDIO = 16_000
"""Samples of a waveform, one second for most models."""


class Inputs:
    """The inputs of a model's task (tokens, images, audio), named as in its ``forward``."""

    def __init__(self, config: Any, kind: Any, batch: int, seq: int | None) -> None:
        self.config = config
        self.kind = kind
        self.batch = batch
        self.text = self.part("get_text_config")
        self.seq = seq or min(SEQUENCE, self.field("max_position_embeddings") or SEQUENCE)

    def all(self) -> dict[str, Any]:
        """Return exactly the inputs that the model needs."""
        parameters = inspect.signature(self.kind.forward).parameters
        needed = {
            name: None
            for name, each in parameters.items()
            if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        }
        del needed["self"]
        main = getattr(self.kind, "main_input_name", "input_ids")
        if main in parameters:
            needed = {main: None, **needed}
        if self.config.is_encoder_decoder:
            needed["decoder_input_ids"] = None
        if "return_loss" in parameters:  # a contrastive model compares two kinds of input
            needed |= dict.fromkeys(COMPARED)
        return {name: self.tensor(name) for name in needed if name in parameters}

    def tensor(self, name: str) -> Any:
        maker = getattr(self, name, None)
        if maker is None:
            raise UsageError(f"{self.kind.__name__} needs {name}; give it as --input {name}=SIZES")
        return maker()

    def part(self, name: str) -> Any:
        found = getattr(self.config, name, None)
        return found() if callable(found) else found

    def field(self, *names: str) -> Any:
        """Return the first of these fields in the configuration or one of its parts."""
        parts = [self.config, self.text]
        parts += [getattr(self.config, f"{each}_config", None) for each in PARTS]
        for part in parts:
            for name in names:
                if (found := getattr(part, name, None)) is not None:
                    return found
        return None

    def input_ids(self) -> Any:
        return shape(self.batch, self.seq, dtype="i64")

    decoder_input_ids = input_ids

    def pixel_values(self) -> Any:
        channels = self.field("num_channels", "in_channels", "in_chans") or 3
        height, width = _pair(self.field("image_size", "input_size", "crop_size") or 224)
        frames = self.field("num_frames", "frames_per_clip")
        time = (frames,) if frames and type(channels) is int else ()
        return shape(self.batch, *time, channels, height, width)

    def pixel_values_videos(self) -> Any:
        return self.pixel_values()

    def input_values(self) -> Any:
        if bins := self.field("num_mel_bins"):
            return shape(self.batch, self.field("max_length") or 1024, bins)
        channels = self.field("audio_channels")
        return shape(self.batch, *([channels] if channels else []), AUDIO)

    def input_features(self) -> Any:
        bins = self.field("num_mel_bins", "feature_size", "input_feat_per_channel") or 80
        frames = self.field("max_source_positions")
        if self.config.model_type == "whisper":
            return shape(self.batch, bins, 2 * frames)
        return shape(self.batch, self.seq, bins)


PARTS = ("vision", "audio", "encoder", "image_encoder", "backbone", "speech", "decoder")


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return size["height"], size["width"]
    if isinstance(size, (list, tuple)):
        return (size[0], size[-1]) if len(size) > 1 else (size[0], size[0])
    return size, size


# -- decoding: one token against a cache


def _decoding(
    asked: Configuration, build: Callable[[], nn.Module], given: dict[str, Any]
) -> dict[str, Any]:
    """Return one token and the cache that the model itself fills with the others.

    Raises UsageError.
    """
    model = build_on_meta(build)
    kept: list[Any] = []

    def prefill(self: nn.Module, **inputs: Any) -> Any:
        kept.append(self(**inputs, use_cache=True))
        return kept[-1]

    with guard(f"{asked.name} cannot fill a cache"), quiet():
        trace(MethodType(prefill, model), kwargs=given, way="fast", train=False)
    found = kept[-1]
    names = [name for name in CACHES if getattr(found, name, None) is not None]
    if not names:
        raise UsageError(f"{asked.name} has no cache; omit --decode")
    last = {key: each for key, each in given.items() if not key.endswith("input_ids")}
    token = "decoder_input_ids" if "decoder_input_ids" in given else "input_ids"
    last[token] = shape(given[token].sizes[0], 1, dtype="i64")
    if getattr(found, "encoder_last_hidden_state", None) is not None:
        from transformers.modeling_outputs import BaseModelOutput

        last = {token: last[token]}
        last["encoder_outputs"] = BaseModelOutput(found.encoder_last_hidden_state)
    last[names[0]] = getattr(found, names[0])
    return last


# -- masked attention and experts


def finished(module: nn.Module, graph: Graph) -> Graph:
    """Add the masked work of attention and notes on experts to a graph."""
    notes = dict.fromkeys(
        Message(
            "each token goes to {chosen} of {experts} experts, whichever the router chooses: the "
            "products of those are counted",
            chosen=each.chosen,
            experts=each.experts,
        )
        for each in routings(graph)
    )
    return replace(_masked(module, graph), notes=(*graph.notes, *notes))


PRODUCTS = ("attention", "matmul")
"""Windows of operators that compute attention, in one kernel or as two products."""


def _masked(module: nn.Module, graph: Graph) -> Graph:
    """Set ``masked_macs`` of causal attention: the work on pairs of queries and keys that the mask
    and the sliding window keep."""
    modules = dict(module.named_modules())
    calls: dict[str, list[Node]] = {}
    for node in graph.nodes:
        row = TABLE.get(node.op)
        if row is not None and row.window in PRODUCTS and node.phase == "forward":
            calls.setdefault(node.name.rpartition(".")[0], []).append(node)
    changed: dict[str, Node] = {}
    for path, nodes in calls.items():
        owner = modules.get(path)
        if not getattr(owner, "is_causal", False):
            continue
        config = getattr(owner, "config", None)
        window = getattr(owner, "sliding_window", getattr(config, "sliding_window", None))
        for node, queries, keys in _attentions(nodes):
            cost = TABLE[node.op].cost(node)
            if cost is not None and queries <= keys:
                left = cost.macs // (queries * keys) * pairs(queries, keys, window)
                attrs = Attributes({**node.attrs, "masked_macs": left})
                changed[node.name] = node._replace(attrs=attrs)
    return replace(graph, nodes=tuple([changed.get(node.name, node) for node in graph.nodes]))


def _attentions(nodes: list[Node]) -> Iterator[tuple[Node, int, int]]:
    """Yield the calls of one attention module with the numbers of queries and keys.

    The calls are one fused kernel, or the products for the scores and with the values.
    """
    fused = [node for node in nodes if TABLE[node.op].window == "attention"]
    for node in fused:
        yield node, node.inputs[0].shape[-2], node.inputs[1].shape[-2]
    if not fused and len(nodes) == 2:
        scores = nodes[0].output.shape
        if len(scores) > 2 and nodes[1].inputs[0].shape[-2:] == scores[-2:]:
            yield nodes[0], scores[-2], scores[-1]
            yield nodes[1], scores[-2], scores[-1]


def pairs(queries: int, keys: int, window: int | None = None) -> int:
    """Count the pairs of queries and keys that a causal mask keeps, aligned at the last key.

    >>> pairs(4, 4), pairs(4, 4, window=2), pairs(1, 9)
    (10, 7, 9)
    """
    reach = min(window or keys, keys)
    # The first query sees `first` keys and each later one sees one more, until the window is full.
    first = keys - queries + 1
    growing = max(0, min(queries, reach - first))
    return growing * first + growing * (growing - 1) // 2 + (queries - growing) * reach
