"""Turn a model's name into a call that can be timed, with the model and inputs on the device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from archcalc.analysis.latency import Setting
from archcalc.errors import ArchcalcError, UsageError
from archcalc.graph import Graph, Shape
from archcalc.lookup import registry
from archcalc.lookup.inputs import shape
from archcalc.lookup.resolve import declared_input, resolve
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch import load
from archcalc.pytorch.bench.devices import Call, Cuda, Device
from archcalc.pytorch.build import build
from archcalc.pytorch.trace.inputs import stand_in, walk
from archcalc.pytorch.trace.training import OPTIMIZERS
from archcalc.training_step import training_step

PREPARING_CALLS = 3
"""Calls before the warm-up, for compilation, cuDNN's search and memory pools."""


@dataclass(frozen=True)
class Target:
    """One model at one batch size, with its cost and a way to build it."""

    spec: str
    graph: Graph
    """The operations that are timed: the forward pass, or with ``train`` the whole step."""
    make: Callable[[], Any]
    """Returns a module with values, on the CPU, in float32."""
    inputs: Sequence[Any]
    """Shapes of positional inputs."""
    named: Mapping[str, Any] = field(default_factory=dict)
    """Shapes of named inputs."""

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return tuple(node.output.shape for node in self.graph.inputs)


@dataclass(frozen=True)
class Prepared:
    """A model that is ready to be called."""

    target: Target
    setting: Setting
    module: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    call: Call
    """The timed call."""
    device: Device

    def sample(self, calls: int) -> Any:
        return self.device.sample(self.call, calls)


def find_target(
    spec: str,
    *,
    input: Shape | str | Sequence[str] | None,
    batch: int,
    train: bool,
    optimizer: str,
    options: Mapping[str, Any],
    trust: bool = False,
) -> Target:
    """Find a model by name. Raises the errors of :func:`archcalc.lookup.resolve.resolve`."""
    asked = ModelSpec.parse(spec, options=options)
    if asked.registered:
        graph = registry.find(asked.name).graph(
            declared_input(input), batch=batch, training=train, options=asked.options
        )
        shapes = [shape(*node.output.shape) for node in graph.inputs]
        priced = training_step(graph, optimizer) if train else graph
        return Target(graph.spec, priced, lambda: build(graph, seed=0), shapes)
    model = load.find(asked.name, asked.options, trust=trust)
    graph = resolve(
        spec,
        input=input,
        batch=batch,
        training=train,
        optimizer=optimizer,
        options=options,
        trust=trust,
    )
    inputs, named = load.call_inputs(input, batch, model, asked.name)

    def make() -> Any:
        made = model.build()
        return copy.deepcopy(made) if model.ready else made  # leaves the user's module unchanged

    return Target(spec, graph, make, inputs, named)


def prepare(target: Target, setting: Setting, device: Device) -> Prepared:
    """Build, cast, move, compile and capture a model, and call it a few times.

    Raises UsageError if the model cannot run in this setting.
    """
    dtype = getattr(torch, setting.dtype)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = target.make()
        args = _moved(
            stand_in(tuple(target.inputs), torch.device("cpu"), True), setting, dtype, device
        )
        kwargs = _moved(
            stand_in(dict(target.named), torch.device("cpu"), True), setting, dtype, device
        )
        if isinstance(module, nn.Module):
            module.train(setting.train)
            module.to(device=device.name, dtype=dtype)
            if setting.channels_last:
                as_channels_last(module)
        called = torch.compile(module) if setting.compiled else module
        call = _call(called, module, args, kwargs, setting)
        with torch.set_grad_enabled(setting.train):
            for _ in range(PREPARING_CALLS):
                call()
            if setting.graphs:
                assert isinstance(device, Cuda)
                call = device.capture(call)
            call()
        device.synchronize()
    except ArchcalcError:
        raise
    except Exception as error:  # the model's own code, a compiler or the device can fail in any way
        text = str(error).strip().partition("\n")[0] or "no message"
        raise UsageError(
            f"{target.spec} cannot be timed on {setting}: {type(error).__name__}: {text}"
        ) from error
    return Prepared(target, setting, module, args, kwargs, call, device)


def _call(
    called: Any,
    module: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    setting: Setting,
) -> Call:
    if not setting.train:
        return lambda: called(*args, **kwargs)
    optimizer = _optimizer(module, setting)
    gradients: list[Tensor] = []

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        out = called(*args, **kwargs)
        roots = [tensor for _, tensor in walk(out, "") if tensor.requires_grad]
        if not gradients:
            # Ones instead of a loss's gradient, because the loss is not part of the model.
            gradients.extend(torch.ones_like(root) for root in roots)
        torch.autograd.backward(roots, gradients)
        optimizer.step()

    return step


def _optimizer(module: Any, setting: Setting) -> torch.optim.Optimizer:
    if not isinstance(module, nn.Module):
        raise UsageError("only a module has parameters to train; omit --train")
    optimizer = OPTIMIZERS[setting.optimizer](
        parameter for parameter in module.parameters() if parameter.requires_grad
    )
    for group in optimizer.param_groups:
        # The arithmetic is the same, and the weights do not change however many steps are timed.
        group["lr"] = 0.0
        if setting.graphs and "capturable" in group:
            group["capturable"] = True
    return optimizer


def _moved(tree: Any, setting: Setting, dtype: torch.dtype, device: Device) -> Any:
    """Move inputs to the device and cast floating-point ones to the dtype."""

    def moved(tensor: Tensor) -> Tensor:
        floating = tensor.is_floating_point()
        tensor = tensor.to(device=device.name, dtype=dtype if floating else None)
        if setting.channels_last and tensor.dim() == 4:
            tensor = tensor.to(memory_format=torch.channels_last)
        return tensor

    return tree_map_only(Tensor, moved, tree)


def as_channels_last(module: nn.Module) -> None:
    """Store four-dimensional weights as N×H×W×C. torch's own method does not accept modules with
    other weights."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
