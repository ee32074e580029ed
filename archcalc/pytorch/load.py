"""Find a torch model by its name, build it on ``meta`` and trace it.

Every kind of name leads to a :class:`Model`, which describes how to build it and its default input.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archcalc.errors import MissingExtraError, UsageError, needs
from archcalc.graph import Graph, Shape
from archcalc.guard import guard
from archcalc.lookup.inputs import TensorShape, parse_tensor, shape
from archcalc.lookup.python_file import run
from archcalc.lookup.spec import CONFIGURED, ModelSpec, typed
from archcalc.pytorch.program import load as load_program
from archcalc.pytorch.trace import build_on_meta, trace
from archcalc.pytorch.trace.inputs import stand_in

PREFIXES = tuple(f"{kind}:" for kind in CONFIGURED)


@dataclass(frozen=True)
class Model:
    """A model that can be traced."""

    build: Callable[[], Callable[..., Any]]
    """Makes the module; called on ``meta`` first, and again if values are needed."""
    input: Shape | None = None
    """Default shape of one image (C, H, W) or video (C, T, H, W); None if unknown."""
    exported: bool = False
    """Whether it is an exported program, whose mode cannot change."""
    images: int = 1
    """The number of such inputs."""
    ready: bool = False
    """Whether ``build`` returns an existing module."""
    named: Callable[[int], dict[str, Any]] | None = None
    """Returns the default inputs by name for a batch size."""
    finish: Callable[[Any, Graph], Graph] | None = None
    """Adds information from the module to its graph."""
    decodes: bool = False
    """Whether it continues from a cache that it fills itself, and accepts no other input."""


def load(
    name: str,
    *,
    input: Shape | str | Sequence[str] | None,
    batch: int,
    training: bool,
    optimizer: str,
    options: Mapping[str, Any],
    spec: str,
    trust: bool = False,
) -> Graph:
    """Return the Graph of a torch model by its name.

    ``trust`` loads a saved program even if that runs code in the file.

    Raises UsageError for an invalid name, option or input, MissingExtraError for a missing package,
    and DefinitionError if the model's forward pass fails.
    """
    if optimizer and not training:
        raise UsageError("--optimizer needs --train; give both")
    model = find(name, options, trust=trust)
    inputs = call_inputs(input, batch, model, name)
    if model.ready:
        module = model.build()
    else:
        with guard(f"{name} cannot be built"):
            module = build_on_meta(model.build)  # type: ignore[arg-type]  # any callable will do
        if not callable(module):
            raise UsageError(f"{name} returns {type(module).__name__}, which is not a model")
    args, named = inputs
    graph = trace(
        module,
        inputs=args,
        kwargs=named,
        name=_short(name),
        train=training,
        optimizer=optimizer or None,
        real=None if model.ready else _for_real(model, module, name),
    )
    if model.finish is not None:
        graph = model.finish(module, graph)
    return replace(graph, spec=spec)


LARGEST_REAL = 2 * 2**30
"""Largest weights, in bytes, that are allocated for a configuration's model."""


def _for_real(model: Model, module: Any, name: str) -> Callable[[], Callable[..., Any]]:
    """Return a function that builds the model with values.

    A small configuration can describe a huge model, so models over ``LARGEST_REAL`` are rejected.
    """
    if model.named is None or not isinstance(module, nn.Module):
        return model.build
    size = sum(each.nbytes for each in module.parameters())

    def build() -> Callable[..., Any]:
        if size > LARGEST_REAL:
            raise UsageError(
                f"{name} cannot be counted without values and has {size / 2**30:.0f} GiB of "
                "weights; reduce it, for example with --set num_hidden_layers=2"
            )
        return model.build()

    return build


def make(
    name: str,
    options: Mapping[str, Any],
    *,
    seed: int = 0,
    device: str = "cpu",
    trust: bool = False,
) -> nn.Module:
    """Return the module, with weights from its own code under this seed.

    torch's random state is unchanged. Raises the errors of :func:`load`.
    """
    model = find(name, options, trust=trust)
    with guard(f"{name} cannot be built"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        on_meta = device == "meta" and not model.ready
        made = build_on_meta(model.build) if on_meta else model.build()  # type: ignore[arg-type]  # any callable will do
    if not isinstance(made, nn.Module):
        raise UsageError(f"{name} returns {type(made).__name__}, which is not a torch module")
    return made if on_meta else made.to(device)


def example(
    asked: ModelSpec, input: Sequence[str], batch: int, seed: int, *, trust: bool = False
) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """Return the module of a spec with tensors to call it, by position and by name.

    The batch of images is at least 2, because exporters treat a batch of 1 as a constant. A raw
    tensor, such as ``x=1,3,224,224``, keeps its own batch.
    """
    model = find(asked.name, asked.options, trust=trust)
    if not any("," in text for text in input):
        batch = max(batch, 2)
    args, kwargs = call_inputs(input or None, batch, model, asked.name)
    cpu = torch.device("cpu")
    module = make(asked.name, asked.options, seed=seed, trust=trust)
    return module, stand_in(tuple(args), cpu, True), stand_in(kwargs, cpu, True)


def find(name: str, options: Mapping[str, Any], *, trust: bool = False) -> Model:
    """Find a model by name, without building it. Raises UsageError or MissingExtraError."""
    if name.endswith(".pt2"):
        return _program(name, options, trust)
    if name.endswith(".graph.json"):
        raise UsageError(f"{name} is a saved graph, which can be counted but not built or run")
    if name.startswith(PREFIXES):
        return _configured(name, options)
    place, _, attribute = name.rpartition(":")
    if place == "torchvision":
        return _torchvision(attribute, options)
    if place == "timm":
        return _timm(attribute, options)
    return _from_python(place, attribute, name, options)


def _torchvision(name: str, options: Mapping[str, Any]) -> Model:
    with needs("torch", f"torchvision:{name}"):
        from torchvision import models
    if name not in models.list_models():
        raise UsageError(f"torchvision has no model {name!r}{_near(name, models.list_models())}")
    builder = models.get_model_builder(name)
    keywords = _typed(builder, options, f"torchvision:{name}")
    if name in ("googlenet", "inception_v3"):
        keywords.setdefault("init_weights", False)  # avoids a warning and slow initialisation
    shape, images = _torchvision_input(name, builder, keywords)
    return Model(
        lambda: builder(weights=None, **_without_download(builder, keywords)), shape, images=images
    )


def names_of(place: str) -> list[str]:
    """Return every model of torchvision or timm as ``PLACE:NAME``, or every ``model_type`` of
    transformers. Raises MissingExtraError."""
    if place == "hf":
        with needs("hf", "the list of hf"):
            from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES
        return sorted(MODEL_MAPPING_NAMES)
    if place == "torchvision":
        with needs("torch", "the list of torchvision"):
            from torchvision import models
        return [f"torchvision:{name}" for name in models.list_models()]
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError("timm is not installed: pip install timm") from error
    return [f"timm:{name}" for name in timm.list_models()]


FRAMES = 16
"""Frames of a clip, as torchvision's video models were trained."""


def _torchvision_input(
    name: str, builder: Callable[..., Any], keywords: Mapping[str, Any]
) -> tuple[Shape, int]:
    """Return the default input shape of a torchvision model, and the number of inputs."""
    from torchvision import models

    weights = models.get_model_weights(name).DEFAULT
    crop = getattr(weights.transforms, "keywords", {}).get("crop_size", 224)
    height, width = (crop, crop) if isinstance(crop, int) else (crop[0], crop[-1])
    folder = builder.__module__.split(".")[-2:]
    if "video" in folder:
        return (3, FRAMES, height, width), 1
    if "optical_flow" in folder:
        return (3, 520, 960), 2  # the size of their published operations
    if "vision_transformer" in folder:
        # Built for one size, which may differ from that of the best weights.
        height = width = keywords.get("image_size", 224)
    return (3, height, width), 1


def _without_download(builder: Callable[..., Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """Keep detection and segmentation models from downloading a backbone."""
    parameters = inspect.signature(builder).parameters
    if "weights_backbone" in parameters:
        return {"weights_backbone": None, **keywords}
    return keywords


def _timm(name: str, options: Mapping[str, Any]) -> Model:
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError("timm is not installed: pip install timm") from error
    if not timm.is_model(name):
        raise UsageError(f"timm has no model {name!r}{_near(name, timm.list_models())}")
    keywords = {key: typed(text) for key, text in options.items()}
    size = timm.get_pretrained_cfg(name, allow_unregistered=False)
    shape = size.input_size if size is not None else (3, 224, 224)
    return Model(lambda: timm.create_model(name, pretrained=False, **keywords), tuple(shape))


def _configured(name: str, options: Mapping[str, Any]) -> Model:
    from archcalc.importers.huggingface import read
    from archcalc.pytorch.huggingface import recipe

    asked = read(name, options)
    found = recipe(asked)
    return Model(found.build, named=found.inputs, finish=found.finish, decodes=asked.decode)


def _program(path: str, options: Mapping[str, Any], trust: bool) -> Model:
    if options:
        raise UsageError(f"{path} is a saved program, which has no options")
    program = load_program(path, trust=trust)
    with guard(f"{path} cannot be run"):
        module = program.module(check_guards=False)  # guards are code from the file
    shapes = [tuple(node.meta["val"].shape) for node in _user_inputs(program)]
    # Symbolic sizes have no default.
    fixed = all(isinstance(size, int) for shape in shapes for size in shape)
    image = shapes[0][1:] if len(shapes) == 1 and len(shapes[0]) == 4 and fixed else None
    return Model(lambda: module, image, ready=True, exported=True)


def _user_inputs(program: Any) -> list[Any]:
    """Return the graph's placeholders for the caller's tensors."""
    names = set(program.graph_signature.user_inputs)
    return [
        node
        for node in program.graph.nodes
        if node.op == "placeholder"
        and node.name in names
        and isinstance(node.meta.get("val"), torch.Tensor)
    ]


def _from_python(place: str, attribute: str, name: str, options: Mapping[str, Any]) -> Model:
    module = run(place) if place.endswith(".py") else _python_module(place, name)
    if not hasattr(module, attribute):
        usable = [key for key, value in vars(module).items() if _is_model(value, module)]
        raise UsageError(f"{place} has no {attribute!r}{_near(attribute, usable)}")
    found = getattr(module, attribute)
    if isinstance(found, nn.Module):
        if options:
            raise UsageError(f"{name} is a module instance, which has no options")
        return Model(lambda: found, ready=True)
    if not callable(found):
        raise UsageError(f"{name} is {type(found).__name__}, not a class, function or module")
    keywords = _typed(found, options, name)
    _require_arguments(found, keywords, name)
    return Model(lambda: found(**keywords))


def _python_module(place: str, name: str) -> Any:
    if not place:
        raise UsageError(f"{name!r}: write file.py:Name, package.module:Name or torchvision:name")
    with _importing_from(os.getcwd()):
        try:
            with guard(f"{name} cannot be imported"):
                return importlib.import_module(place)
        except UsageError as error:
            absent = getattr(error.__cause__, "name", None)
            missing = isinstance(error.__cause__, ModuleNotFoundError)
            if missing and absent is not None and place.startswith(absent):
                raise UsageError(
                    f"{name}: there is no module {absent!r}; write file.py:Name for a file, or "
                    "torchvision:name or timm:name for a model of these libraries"
                ) from None
            raise


@contextmanager
def _importing_from(folder: str) -> Any:
    """Look for imports in this folder first."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the import may have changed sys.path
            sys.path.remove(folder)


def _is_model(value: Any, module: Any) -> bool:
    if isinstance(value, nn.Module):
        return True
    own = getattr(value, "__module__", None) == module.__name__
    return own and callable(value)


def _typed(function: Callable[..., Any], options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Convert options to values. Raises UsageError for one that the function does not accept."""
    parameters = _parameters(function)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in options:
            if key not in parameters:
                has = f"its options are {', '.join(parameters)}" if parameters else "it has none"
                raise UsageError(f"{name} has no option {key!r}; {has}")
    return {key: typed(text) for key, text in options.items()}


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function, or none for a builtin without a signature."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _require_arguments(function: Any, keywords: Mapping[str, Any], name: str) -> None:
    missing = [
        key
        for key, parameter in _parameters(function).items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and key not in keywords
    ]
    if missing:
        wanted = " ".join(f"--set {key}=..." for key in missing)
        raise UsageError(f"{name} needs {', '.join(missing)}; give {wanted}")


def call_inputs(
    input: Shape | str | Sequence[str] | None, batch: int, model: Model, name: str
) -> tuple[list[TensorShape], dict[str, Any]]:
    """Return the model's inputs by position and by name. Raises UsageError."""
    if batch < 1:
        raise UsageError(f"batch {batch} is not allowed; it must be at least 1")
    if input and model.decodes:
        raise UsageError(f"{name}: --decode makes its own inputs; give --seq instead of --input")
    if not input:
        if model.named is not None:
            return [], model.named(batch)
        if model.input is None:
            raise UsageError(
                f"{name} does not declare its input; write archcalc show {name} --input 224x224x3 "
                "for an image, or --input x=1,3,224,224:f32 for each tensor"
            )
        return [shape(batch, *model.input)] * model.images, {}
    if isinstance(input, str):
        input = [input]
    if all(isinstance(size, int) for size in input):
        return [shape(batch, *input)], {}
    positional = []
    named: dict[str, Any] = {}
    for text in map(str, input):
        key, tensor = parse_tensor(text, batch)
        if key in named:
            raise UsageError(f"input {key!r} is given twice")
        if key:
            named[key] = tensor
        else:
            positional.append(tensor)
    return positional, named


def _short(name: str) -> str:
    """Return the model's name in tables, without its location."""
    if name.endswith(".pt2"):
        return Path(name).stem
    place = name.rpartition(":")[2]
    return Path(place).absolute().name if name.startswith(PREFIXES) else place


def _near(name: str, known: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; it has {', '.join(known[:8])}" if known else ""
