"""Record what torch dispatches for the backward pass and the optimizer step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from archcalc.errors import UsageError
from archcalc.guard import first_line
from archcalc.language import Message
from archcalc.pytorch.trace.dispatch import DispatchMode
from archcalc.pytorch.trace.recorder import Scope, tensors_in
from archcalc.pytorch.trace.tracer import (
    CALLS,
    ESSENTIAL,
    GradientsNeededError,
    Tracer,
    python_body,
)

Optimizer = str | Callable[[Iterable[Tensor]], torch.optim.Optimizer]

OPTIMIZERS: dict[str, Callable[[Iterable[Tensor]], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "sgd-momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "sgd-nesterov": lambda parameters: torch.optim.SGD(
        parameters, lr=0.1, momentum=0.9, nesterov=True
    ),
    "adam": lambda parameters: torch.optim.Adam(parameters),
    "adamw": lambda parameters: torch.optim.AdamW(parameters),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters),
}
"""Optimizers by name, with torch's defaults except for the learning rate."""


def backward(tracer: Tracer, out: Any) -> None:
    """Run autograd from a gradient for every output that requires one. The loss is not included."""
    recorder = tracer.recorder
    roots = [each for each in tensors_in(_plain(out)) if each.requires_grad]
    if not roots:
        recorder.notes.append(
            Message("no parameter needs a gradient, so there is no backward pass")
        )
        return
    recorder.phase = "backward"
    gradients = [torch.empty_like(root) for root in roots]
    for gradient, root in zip(gradients, roots, strict=True):
        recorder.bind(gradient, tracer.value(root))
    tracer.call = torch.autograd.backward, (roots, gradients), {}
    differentiate(tracer, roots, gradients)


def differentiate(tracer: Tracer, *args: Any, **kwargs: Any) -> Any:
    """Run autograd, in the backward pass or in a model's own forward pass, and record it."""
    if not tracer.gradients:
        raise GradientsNeededError
    function = tracer.call[0]
    args, kwargs = tracer.own(args), tracer.own(kwargs)
    try:
        # The function mode stays active for the recomputation in checkpoints.
        with DispatchMode(tracer), tracer.mode:
            return (python_body(function) or function)(*args, **kwargs)
    except (RuntimeError, NotImplementedError) as error:
        raise tracer.explained(error, function) from error


def wants_gradients(tracer: Tracer, *args: Any, **kwargs: Any) -> Any:
    """Switch to a run with an autograd graph if the model requires gradients of its own tensors."""
    function = tracer.call[0]
    asked = args[1] if len(args) > 1 else kwargs.get("requires_grad", True)
    if asked and not tracer.gradients and not isinstance(args[0], torch.nn.Parameter):
        raise GradientsNeededError
    return function(*args, **kwargs)


# Tensor.backward is written in Python and calls torch.autograd.backward.
for _function in (torch.autograd.grad, torch.autograd.backward):
    CALLS[_function] = differentiate
if "handle_torch_function" not in torch.autograd.backward.__code__.co_names:
    # In torch 2.9 a mode sees only Tensor.backward.
    CALLS[Tensor.backward] = differentiate
CALLS[Tensor.requires_grad_] = wants_gradients
# vars(), because for a type checker requires_grad is a plain bool.
CALLS[vars(torch._C.TensorBase)["requires_grad"].__set__] = wants_gradients
ESSENTIAL.update((differentiate, wants_gradients))


def step(tracer: Tracer, optimizer: Optimizer) -> None:
    """Record one optimizer step over the parameters that have a gradient.

    This is the second step, because in the first one the state does not exist yet and momentum is
    a copy of the gradient. An optimizer that reads values, such as Adafactor, needs a real run.
    """
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise UsageError(f"unknown optimizer {optimizer!r}: one of {', '.join(OPTIMIZERS)}")
        optimizer = OPTIMIZERS[optimizer]
    twins = [twin for twin in tracer.twins.values() if twin.requires_grad]
    chosen = [twin for twin in twins if twin.grad is not None]
    if not chosen:
        return
    tracer.recorder.phase = "optimizer"
    tracer.recorder.scope = Scope("optimizer", False)
    with torch.no_grad():
        try:
            running = optimizer(chosen)
            running.step()
            with DispatchMode(tracer):
                running.step()
        except Exception as error:  # the optimizer's own code can fail in any way
            if isinstance(error, (RuntimeError, NotImplementedError)):
                reason = tracer.explained(error, torch.optim.Optimizer.step)
                if reason is not error:
                    raise reason from error
            raise UsageError(f"the optimizer step failed: {first_line(error)}") from error


def _plain(out: Any) -> Any:
    """Return the tensors of any output structure."""
    from archcalc.pytorch.trace.inputs import walk

    return tuple(tensor for _, tensor in walk(out, ""))
