"""Run any ``nn.Module`` or callable once, on ``meta``, and record what it does.

    from archcalc.pytorch.trace import trace

    graph = trace(torchvision.models.resnet50(), (1, 3, 224, 224))

No weight is allocated, nothing is multiplied, and the module is afterwards as it was before.
Where a tensor came from stands in ``recorder.py``, what a call answers in ``tracer.py``.
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
"""Importing them fills the table of calls."""


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
    """The Graph of one run of ``model``, an ``nn.Module`` or any callable, on these inputs.

    An input is a tensor, a shape ``(1, 3, 224, 224)`` or ``archcalc.shape(1, 128, dtype="i64")``, a
    text ``"x=1,3,224,224:f32"``, or anything else that the model takes. A plain tuple of integers
    is a shape only as an argument of its own, and only where the signature does not ask for
    integers; ``archcalc.shape`` is one anywhere. ``inputs`` and ``kwargs`` are passed on without
    any interpretation, whatever the names.

    The run is in evaluation mode. With ``train`` it is in training mode; the backward pass follows,
    from gradients of all floating outputs, in phase "backward", and the ``optimizer``'s step
    ("sgd", "adam", a function of the parameters) in phase "optimizer". With ``train=None`` each
    module keeps its own mode and only the forward pass runs. The modules' modes are restored.

    A model that asks for values (``.item()``, ``if x.sum() > 0``) is run on the CPU instead, and
    the graph's notes say so; ``real`` builds it anew for that where it was built on ``meta``.

    ``way`` is for tests: "exact" asks torch for every shape, "dispatch" leaves everything to
    torch's dispatcher, "real" runs with values. The counts are the same.

    Raises UsageError for wrong inputs, and DefinitionError, with the Graph up to there, where the
    model's own forward fails.
    """
    if optimizer is not None and not train:
        raise UsageError("an optimizer needs a training step: give train=True")
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
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
        # The CPU's fused attention would compute the scores twice in a training step, a GPU's
        # likewise; counted is the mathematics, as on meta.
        around = sdpa_kernel(SDPBackend.MATH) if tracer.real else no_collection()
        with deep_enough(model), around:
            try:
                graph = _run(model, given, keywords, tracer, name, train, optimizer)
            except GradientsNeededError:
                # Once more, with a graph to differentiate.
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
            "inputs= is a tuple or list of the positional arguments; "
            'give an argument that is called so as kwargs={"inputs": ...}'
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
    """One sentence with the module and its shapes, and the Graph up to it."""
    recorder = tracer.recorder
    last = next((each.outputs[0] for each in reversed(recorder.records) if each.outputs), None)
    partial = recorder.finish(name, {"output": last} if last else {}, training=training)
    place = tracer.modules.failed or name
    text = first_line(error)
    if not isinstance(error, RecursionError):  # a RuntimeError too, with a sentence of its own
        text = text.removeprefix("RuntimeError: ")
    return DefinitionError(f"{place}: {text}", place.partition(" ")[0], partial)


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
