"""Door two: run any ``nn.Module`` or callable once, on ``meta``, and write down what it does.

    from archcalc.pytorch.trace import trace

    graph = trace(torchvision.models.resnet50(), (1, 3, 224, 224))

No weight is allocated, nothing is multiplied, and the module is afterwards as it was before.
Where a tensor came from stands in ``recorder.py``, what a call answers in ``tracer.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from archcalc.errors import ArchcalcError, DefinitionError
from archcalc.graph import Graph
from archcalc.pytorch.trace import layers, recurrent, tensors, views
from archcalc.pytorch.trace.build import build_on_meta
from archcalc.pytorch.trace.inputs import (
    arguments,
    named_tensors,
    parse_tensor_spec,
    stand_in,
    walk,
)
from archcalc.pytorch.trace.modules import no_collection, same_random_state, watch_modules
from archcalc.pytorch.trace.stub import stub
from archcalc.pytorch.trace.tracer import (
    CPU,
    META,
    GradientsNeededError,
    Tracer,
    ValuesNeededError,
    Way,
)
from archcalc.pytorch.trace.training import Optimizer, backward, step

__all__ = ["build_on_meta", "parse_tensor_spec", "stub", "trace"]

HANDLERS = (layers, recurrent, tensors, views)
"""Importing them fills the table of calls."""


def trace(
    model: Callable[..., Any],
    *inputs: Any,
    name: str = "",
    train: bool = False,
    optimizer: Optimizer | None = None,
    real: Callable[[], nn.Module] | None = None,
    way: Way = "fast",
    **kwargs: Any,
) -> Graph:
    """The Graph of one run of ``model``, an ``nn.Module`` or any callable, on these inputs.

    An input is a tensor, a shape ``(1, 3, 224, 224)``, a text ``"x=1,3,224,224:f32"``, or anything
    else that the model takes, tensors and shapes nested in it; keyword arguments likewise. The run
    is in the mode that each module is in. With ``train`` the backward pass follows, from gradients
    of all floating outputs, in phase "backward", and the ``optimizer``'s step ("sgd", "adam", a
    function of the parameters) in phase "optimizer".

    A model that asks for values (``.item()``, ``if x.sum() > 0``) is run on the CPU instead, and
    the graph's notes say so; ``real`` builds it anew for that where it was built on ``meta``.

    ``way`` is for tests: "exact" asks torch for every shape, "dispatch" leaves everything to
    torch's dispatcher, "real" runs with values. The counts are the same.

    Raises DefinitionError, with the Graph up to there, where the model's own forward fails.
    """
    args, named = arguments(inputs, kwargs)

    def run(model: Callable[..., Any], way: Way, *notes: str, gradients: bool = train) -> Graph:
        tracer = Tracer(way, gradients=gradients)
        tracer.recorder.notes += notes
        with nullcontext() if tracer.real else no_collection():
            try:
                return _run(model, args, named, tracer, name, train, optimizer)
            except GradientsNeededError:
                # Once more, with a graph to differentiate.
                return run(model, way, *notes, gradients=True)

    if way != "real":
        try:
            return run(model, way)
        except ValuesNeededError as reason:
            note = f"run on the CPU with real values, because {reason}"
    else:
        note = "run on the CPU with real values, as asked"
    return run(real() if real is not None else model, "real", note)


def _run(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tracer: Tracer,
    name: str,
    train: bool,
    optimizer: Optimizer | None,
) -> Graph:
    recorder = tracer.recorder
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    root = model if isinstance(model, nn.Module) else getattr(model, "__self__", None)
    training = train
    if isinstance(root, nn.Module):
        training = train or root.training
        tracer.modules.add(root, "")
        tracer.modules.keep()
    name = name or _title(model)
    device = CPU if tracer.real else META
    with same_random_state(), ExitStack() as cleanup:
        cleanup.callback(tracer.modules.restore)
        cleanup.enter_context(torch.inference_mode(False))
        cleanup.enter_context(torch.set_grad_enabled(tracer.gradients))
        args = stand_in(args, device, tracer.real)
        kwargs = stand_in(kwargs, device, tracer.real)
        function = model.forward if isinstance(model, nn.Module) else model
        for label, tensor in named_tensors(function, args, kwargs):
            recorder.input(tensor, label)
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            recorder.notes.append("autocast is not followed: dtypes and bytes are as without it")
        cleanup.enter_context(watch_modules(tracer))
        cleanup.enter_context(_eager())
        try:
            with tracer.mode:
                out = model(*args, **kwargs)
            if train:
                backward(tracer, out)
                if optimizer is not None:
                    step(tracer, optimizer)
        except ArchcalcError:
            raise
        except Exception as error:  # the model's own code can fail in any way
            raise _failure(tracer, name, training, error) from error
    outputs = {
        label: tracer.value(tensor)
        for label, tensor in walk(out, "" if not isinstance(out, torch.Tensor) else "output")
    }
    return recorder.finish(name, outputs, training=training)


def _failure(tracer: Tracer, name: str, training: bool, error: Exception) -> DefinitionError:
    """One sentence with the module and its shapes, and the Graph up to it."""
    recorder = tracer.recorder
    last = next((each.outputs[0] for each in reversed(recorder.records) if each.outputs), None)
    partial = recorder.finish(name, {"output": last} if last else {}, training=training)
    place = tracer.modules.failed or name
    text = str(error).strip().partition("\n")[0] or "no message"
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
    return DefinitionError(f"{place}: {kind}{text}", place.partition(" ")[0], partial)


def _title(model: Any) -> str:
    if isinstance(model, nn.Module):
        return type(model).__name__
    return getattr(model, "__qualname__", type(model).__name__)


@contextmanager
def _eager() -> Iterator[None]:
    """Functions under torch.compile run as they are written."""
    if "torch._dynamo" in sys.modules:
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
