"""Find the Graph of a model by its specification.

    nin                      a registered architecture or its alias
    nin,head=fc              the same with options, to compare variants
    ./net.py:Net             a module class, a function that returns a module, or a module in a
                             Python file; or an @archcalc.architecture, which does not need torch
    package.module:attr      the same in an installed package
    torchvision:resnet50     a model of torchvision
    timm:convnext_tiny       a model of timm
    hf:gpt2                  a configuration of transformers, in a folder or in the hub's cache
    diffusers:./pipe/unet    a model of a diffusers pipeline
    net.pt2                  a program saved by torch.export
    net.onnx                 an ONNX file, which needs onnx but not torch
    net.graph.json           a graph written by --save-graph, which does not need torch

The others need torch, which is imported only if the graph is not in the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from archcalc.errors import UnknownModelError, UsageError, needs
from archcalc.graph import Graph, Shape
from archcalc.lookup import registry
from archcalc.lookup.dependencies import digest_of
from archcalc.lookup.spec import CONFIGURED, Kind, ModelSpec

WEIGHTS = (".safetensors", ".safetensors.index.json")
"""Extensions of files that contain weights but no operations."""


def resolve(
    spec: str,
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: str = "",
    options: Mapping[str, Any] | None = None,
    trust: bool = False,
    cache: bool = False,
) -> Graph:
    """The Graph of a model by its name.

    ``input`` is (C, H, W) or text such as ``"32x32x3"``; for a torch model also texts such as
    ``"ids=1,128:i64"``. With ``training``, the graph is a whole training step: forward, backward,
    and the update of the ``optimizer`` if one is given. ``trust`` loads a ``.pt2`` file even if
    that runs code from the file. ``cache`` keeps the graphs of torch models in the user's cache
    folder and reuses them if nothing has changed.

    Raises UnknownModelError, UsageError, DefinitionError, or MissingExtraError if torch is not
    installed.
    """
    if optimizer and not training:
        raise UsageError("--optimizer needs --train; give both")
    asked = ModelSpec.parse(spec, options=options, input=input, batch=batch, training=training)
    if is_checkpoint(asked):
        raise UsageError(
            f"{asked.name} holds weights and no operations: `archcalc params` shows its parameters "
            "and bytes; other commands need the model"
        )
    declared = find_declared(asked)
    if declared is not None:
        graph = declared.graph(declared_input(input), batch=batch, options=asked.options)
        if not training:
            return graph
        from archcalc.training_step import training_step

        return training_step(graph, optimizer)
    if asked.kind == "graph":
        return saved(asked)
    if asked.kind == "onnx":
        return _imported(asked)

    def traced() -> Graph:
        with needs("torch", f"{asked.name} is a torch model and"):
            from archcalc.pytorch.load import load
        return load(
            asked.name,
            input=input,
            batch=batch,
            training=training,
            optimizer=optimizer,
            options=asked.options,
            spec=spec,
            trust=trust,
        )

    return _cached(asked, optimizer, trust, traced) if cache else traced()


def is_checkpoint(asked: ModelSpec) -> bool:
    """Whether it is a path to weights without operations: a safetensors file, an index, or a folder
    with one of them. A registered name is not, even if there is a folder with that name."""
    if asked.name.endswith(WEIGHTS):
        return True
    if not asked.registered or not os.path.isdir(asked.name):
        return False
    try:
        registry.find(asked.name)
    except UnknownModelError:
        return any(name.endswith(WEIGHTS) for name in os.listdir(asked.name))
    return False


def saved(asked: ModelSpec) -> Graph:
    """The graph of a file, with the input, batch and mode that it was saved with. Raises
    UsageError."""
    from archcalc.io import graph_file

    if asked.options or asked.input or asked.batch != 1:
        raise UsageError(
            f"{asked.name} is a saved graph: it has no options, and its input and batch cannot be "
            "changed"
        )
    graph = graph_file.load(asked.name)
    if asked.training and not graph.training:
        raise UsageError(f"{asked.name} was saved in evaluation mode; save it again with --train")
    return replace(graph, spec=asked.text)


def _imported(asked: ModelSpec) -> Graph:
    """The graph of an ONNX file. Raises UsageError and MissingExtraError."""
    if asked.options:
        raise UsageError(f"{asked.name} is an ONNX file, which has no options")
    if asked.training:
        raise UsageError(f"{asked.name} is an ONNX file, which has no training step; omit --train")
    with needs("onnx", f"{asked.name} is an ONNX file and"):
        from archcalc.importers.onnx import load
    return load(asked.name, input=asked.input, batch=asked.batch, spec=asked.text)


def _cached(asked: ModelSpec, optimizer: str, trust: bool, traced: Callable[[], Graph]) -> Graph:
    """The graph from the user's cache folder or, if it is not there, from ``traced()``."""
    from archcalc.io import graph_cache
    from archcalc.lookup.dependencies import recorded

    packages = ["torch", *PACKAGES.get(asked.kind, ())]
    place = asked.name.rpartition(":")[0] or asked.name
    key = graph_cache.key(
        packages,
        name=asked.name,
        options=dict(asked.options),
        input=asked.input,
        batch=asked.batch,
        training=asked.training,
        optimizer=optimizer,
        trust=trust,
        # In another folder, the same names may belong to other modules.
        where=[os.getcwd(), os.environ.get("PYTHONPATH", "")] if asked.kind == "python" else [],
        content=_content(asked, place),
    )
    found = graph_cache.find(key)
    if found is not None:
        return replace(found, spec=asked.text)
    with needs("torch", f"{asked.name} is a torch model and"):
        import archcalc.pytorch.load  # noqa: F401  # do not record the imports of torch itself
    with recorded() as depends:
        graph = traced()
    graph_cache.keep(key, graph, depends())
    return graph


PACKAGES: Mapping[Kind, tuple[str, ...]] = {
    "torchvision": ("torchvision",),
    "timm": ("timm",),
    "hf": ("transformers",),
    "diffusers": ("diffusers", "transformers"),
}
"""Packages other than torch whose versions a traced graph depends on."""


def _content(asked: ModelSpec, place: str) -> Any:
    """A digest of the file that a model comes from."""
    if asked.kind in CONFIGURED:
        from archcalc.importers import huggingface

        return dict(huggingface.read(asked.name, asked.options).fields)
    return digest_of(place) if asked.kind == "program" else ""


def expand(texts: Sequence[str]) -> list[str]:
    """Replace patterns such as ``resnet*`` and ``timm:convnext_*`` by all names that match. Raises
    UsageError if none does, and MissingExtraError."""
    found: list[str] = []
    for text in texts:
        asked = ModelSpec.parse(text)
        if not asked.is_pattern:
            found.append(text)
            continue
        options = text.removeprefix(asked.name)
        found += [name + options for name in names(asked.kind, asked.name)]
    return found


def names(kind: Kind, pattern: str = "*") -> list[str]:
    """The registered names, those of torchvision or timm (``timm:NAME``), or the model types of
    transformers that match a pattern.

    Raises UsageError if none matches, and MissingExtraError.
    """
    if kind == "registered":
        known = registry.names()
    else:
        with needs("torch", f"the list of {kind}"):
            from archcalc.pytorch.load import names_of
        known = names_of(kind)
    matching = [name for name in known if fnmatchcase(name, pattern)]
    if not matching:
        where = "registered models" if kind == "registered" else kind
        raise UsageError(f"no name of {where} matches {pattern!r}; `archcalc list` shows names")
    return matching


def declared(
    spec: str, options: Mapping[str, Any] | None = None
) -> tuple[registry.Architecture, dict[str, Any]]:
    """The declared network of a spec, and its options from the spec and from ``options``.

    Raises UsageError for a torch model, and UnknownModelError.
    """
    asked = ModelSpec.parse(spec, options=options)
    found = find_declared(asked)
    if found is None:
        raise UsageError(f"{asked.name} is a torch model; a declared network is needed")
    return found, dict(asked.options)


def find_declared(asked: ModelSpec) -> registry.Architecture | None:
    """The declared network of a spec; None for a torch model."""
    if asked.registered:
        try:
            return registry.find(asked.name)
        except UnknownModelError:
            if not Path(asked.name).is_file():
                raise
        from archcalc.lookup import python_file

        raise UsageError(python_file.not_a_name(asked.name))
    if asked.in_file:
        from archcalc.lookup import python_file

        if python_file.is_declared(asked.name):
            return python_file.load(asked.name)
    return None


def declared_input(input: Shape | str | Sequence[str] | None) -> Shape | str | None:
    """The single input of a declared network. Raises UsageError if there are several."""
    if not input:
        return None
    if isinstance(input, str) or all(isinstance(size, int) for size in input):
        return input  # type: ignore[return-value]  # a text or a tuple of integers
    if len(input) > 1:
        raise UsageError(
            f"a declared network has one input; got {len(input)}: {', '.join(map(str, input))}"
        )
    return str(input[0])
