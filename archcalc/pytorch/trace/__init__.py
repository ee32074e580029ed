"""Run an ``nn.Module`` or any callable once, on ``meta``, and record its operations.

    from archcalc.pytorch.trace import trace

    graph = trace(torchvision.models.resnet50(), (1, 3, 224, 224))

No weight is allocated, nothing is computed, and the module is left unchanged. ``tracer.py``
answers each call; ``recorder.py`` records which call made which tensor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from archcalc.errors import ArchcalcError, DefinitionError, NoFormulaError, UsageError
from archcalc.graph import Graph
from archcalc.guard import PASS, first_line
from archcalc.language import Message
from archcalc.pytorch.trace import layers, recurrent, tensors, views
from archcalc.pytorch.trace.build import build_on_meta
from archcalc.pytorch.trace.copies import Copies, settle_sizes
from archcalc.pytorch.trace.inputs import (
    arguments,
    named_tensors,
    stand_in,
    walk,
)
from archcalc.pytorch.trace.modules import deep_enough, no_collection, watch_modules
from archcalc.pytorch.trace.own_random import own_random
from archcalc.pytorch.trace.questions import Answers, settle
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

__all__ = ["build_on_meta", "stub", "trace"]

HANDLERS = (layers, recurrent, tensors, views)
"""Importing these modules registers their handlers."""


def trace(
    model: Callable[..., Any],
    *args: Any,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    name: str = "",
    train: bool | None = False,
    optimizer: Optimizer | None = None,
    real: Callable[[], Callable[..., Any]] | None = None,
    way: Way = "fast",
    **named: Any,
) -> Graph:
    """Return the Graph of one run of ``model``, an ``nn.Module`` or any callable.

    Each input is a tensor, a shape such as ``(1, 3, 224, 224)`` or
    ``archcalc.shape(1, 128, dtype="i64")``, text such as ``"x=1,3,224,224:f32"``, or any other
    value that the model accepts. A plain tuple of integers is a shape only at the top level, and
    only if the signature does not expect integers; ``archcalc.shape`` is a shape anywhere.
    ``inputs`` and ``kwargs`` pass arguments of any name to the model uninterpreted.

    The model runs in evaluation mode. With ``train=True`` it runs in training mode, then the
    backward pass runs from gradients of all floating-point outputs (phase "backward"), then one
    step of ``optimizer``: "sgd", "adam" or a function of the parameters (phase "optimizer"). With
    ``train=None`` each module keeps its own mode and only the forward pass runs. The modules'
    modes are restored afterwards.

    A model that needs values (``.item()``, ``if x.sum() > 0``) runs on the CPU instead, and the
    graph's notes say so. If the model was built on ``meta``, ``real`` builds it again for that run.

    ``way`` is for tests: "exact" asks torch for every shape, "dispatch" leaves every call to
    torch's dispatcher, and "real" runs with values. All of them give the same counts.

    Raises UsageError for invalid inputs. Raises DefinitionError, with the Graph recorded so far,
    if the model's forward pass fails.
    """
    if optimizer is not None and not train:
        raise UsageError("an optimizer needs a training step: pass train=True")
    model = getattr(model, "_orig_mod", model)  # unwrap torch.compile
    function = model.forward if isinstance(model, nn.Module) else model
    given, keywords = arguments(function, args, named)
    given += _sequence(inputs)
    for key, value in (kwargs or {}).items():
        if key in keywords:
            raise UsageError(f"input {key!r} is given twice")
        keywords[key] = value

    def run(
        model: Callable[..., Any],
        way: Way,
        note: str = "",
        answers: Answers | None = None,
        gradients: bool = bool(train),
    ) -> tuple[Graph, Answers]:
        tracer = Tracer(way, gradients=gradients, answers=answers)
        if note:
            tracer.recorder.notes.append(note)
        # In a training step fused attention computes the scores twice. Count the unfused
        # arithmetic, as on meta.
        around = sdpa_kernel(SDPBackend.MATH) if tracer.real else no_collection()
        with deep_enough(model), around:
            try:
                graph = _run(model, given, keywords, tracer, name, train, optimizer)
            except GradientsNeededError:
                return run(model, way, note, answers, gradients=True)
        return graph, tracer.questions.answers

    def again(answers: Answers) -> Graph | None:
        try:
            return run(model, way, answers=answers)[0]
        except ValuesNeededError:
            return None

    if way != "real":
        try:
            graph, answers = run(model, way)
            settled = settle(graph, answers, again)
            if isinstance(settled, str):
                raise ValuesNeededError(
                    Message("a count depends on values at {line}", line=settled)
                )
            return replace(graph, notes=(*graph.notes, *(each.note for each in settled)))
        except ValuesNeededError as reason:
            if way == "symbolic":
                raise NoFormulaError(
                    f"{name or _title(model)} depends on values, not on sizes alone: {reason}"
                ) from None
            note = Message(
                "run on the CPU with real values, because {reason}; the totals depend on the "
                "values that these inputs produce, such as a detector's proposals",
                reason=reason.args[0],
            )
    else:
        note = Message("run on the CPU with real values, as asked")
    if real is not None:
        with own_random(draws=True):
            model = real()
    return run(model, "real", note)[0]


def _sequence(inputs: Sequence[Any] | None) -> tuple[Any, ...]:
    if inputs is not None and not isinstance(inputs, (tuple, list)):
        raise UsageError(
            "inputs= must be a tuple or list of positional arguments; "
            'pass an argument named inputs as kwargs={"inputs": ...}'
        )
    return tuple(inputs or ())


def _run(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tracer: Tracer,
    name: str,
    train: bool | None,
    optimizer: Optimizer | None,
) -> Graph:
    recorder = tracer.recorder
    name = name or _title(model)
    copies = Copies()
    model = copies.of(model)
    tracer.modules.originals = copies.modules
    root = model if isinstance(model, nn.Module) else getattr(model, "__self__", None)
    training = bool(train)
    device = CPU if tracer.real else META
    with own_random(draws=tracer.real), ExitStack() as cleanup:
        cleanup.callback(tracer.modules.restore)
        cleanup.enter_context(torch.inference_mode(False))
        cleanup.enter_context(torch.set_grad_enabled(tracer.gradients))
        args = stand_in(args, device, tracer.real)
        kwargs = stand_in(kwargs, device, tracer.real)
        if copies.lazy:
            settle_sizes(model, args, kwargs, name)
        if isinstance(root, nn.Module):
            training = root.training if train is None else train
            tracer.modules.add(root, "")
            tracer.modules.keep()
        function = model.forward if isinstance(model, nn.Module) else model
        for label, tensor in named_tensors(function, args, kwargs):
            recorder.input(tensor, label)
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            recorder.notes.append(
                Message("autocast is not followed: dtypes and bytes are as without it")
            )
        cleanup.enter_context(watch_modules(tracer))
        cleanup.enter_context(_eager())
        try:
            tracer.modules.set_mode(train, root)
            with tracer.mode:
                out = model(*args, **kwargs)
            if train:
                backward(tracer, out)
                if optimizer is not None:
                    step(tracer, optimizer)
        except (ArchcalcError, ValuesNeededError, GradientsNeededError, *PASS):
            raise
        except BaseException as error:  # the model's own code can fail in any way
            raise _failure(tracer, name, training, error) from error
    outputs = {
        label: tracer.value(tensor)
        for label, tensor in walk(
            out, "" if not isinstance(out, torch.Tensor) else "output", objects=True
        )
    }
    if tracer.modules.fixed:
        training = any(record.attrs.get("training") for record in recorder.records)
        recorder.notes.append(
            Message("the program was exported in training mode, which cannot be changed")
            if training
            else Message("the program was exported in evaluation mode, which cannot be changed")
        )
    elif train is None:
        recorder.notes.append(tracer.modules.modes())
    return recorder.finish(name, outputs, training=training)


def _failure(tracer: Tracer, name: str, training: bool, error: BaseException) -> DefinitionError:
    """Name the failing module and its input shapes, and attach the Graph recorded so far."""
    recorder = tracer.recorder
    last = next((each.outputs[0] for each in reversed(recorder.records) if each.outputs), None)
    partial = recorder.finish(name, {"output": last} if last else {}, training=training)
    place = tracer.modules.failed or name
    text = first_line(error)
    if not isinstance(error, RecursionError):  # a RuntimeError with its own text
        text = text.removeprefix("RuntimeError: ")
    return DefinitionError(f"{place}: {text}", place.partition(" ")[0], partial)


def _title(model: Any) -> str:
    if isinstance(model, nn.Module):
        return type(model).__name__
    return getattr(model, "__qualname__", type(model).__name__)


@contextmanager
def _eager() -> Iterator[None]:
    """Run functions under torch.compile as plain Python."""
    if "torch._dynamo" in sys.modules:
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
