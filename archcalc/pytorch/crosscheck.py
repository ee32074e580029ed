"""Count a network with other tools and explain every difference.

The tools run unchanged on the built module and are never the source of archcalc's numbers. Each
figure is compared with the one that :mod:`archcalc.analysis.conventions` predicts from the graph
alone.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.analysis.conventions import CONVENTIONS, total
from archcalc.analysis.profile import profile
from archcalc.analysis.profiles import Follow
from archcalc.analysis.record import Record
from archcalc.errors import MissingExtraError, UsageError
from archcalc.graph import Graph
from archcalc.guard import guard
from archcalc.language import _
from archcalc.lookup import registry
from archcalc.lookup.resolve import declared_input, find_declared
from archcalc.lookup.spec import Input, ModelSpec
from archcalc.ops.counters import Correction
from archcalc.pytorch import load
from archcalc.pytorch.build import build
from archcalc.pytorch.trace import build_on_meta, trace
from archcalc.pytorch.trace.inputs import stand_in
from archcalc.pytorch.trace.own_random import own_random

Inputs = tuple[torch.Tensor, ...]
Prepare = Callable[[str], tuple[nn.Module, Inputs]]
"""Returns a fresh module and its inputs on a device, because some counters modify the module."""


@dataclass(frozen=True, slots=True)
class Count:
    """One counter's figures for a network, with the figures that archcalc expects."""

    counter: str
    """``traced``, or the name of a convention."""
    tool: str
    """Package and release: ``fvcore 0.1.5.post20221221``."""
    params: int
    """Parameters according to this counter."""
    declared_params: int
    value: int
    """The counter's own figure, in its own ``unit``."""
    unit: str
    steps: tuple[Correction, ...]
    """Steps from archcalc's multiply-adds, which come first, to the expected figure."""

    @property
    def macs(self) -> int:
        """The counter's figure in archcalc's convention: without the convention's other steps."""
        return self.value - sum(step.amount for step in self.steps[1:])

    @property
    def unexplained(self) -> int:
        """The difference that the steps do not explain; if not 0, one of the counts is wrong."""
        return self.value - sum(step.amount for step in self.steps)

    @property
    def unexplained_params(self) -> int:
        return self.params - self.declared_params

    @property
    def explained(self) -> bool:
        return not self.unexplained and not self.unexplained_params

    @property
    def cause(self) -> str:
        """The difference in words: ``+ 2 per BatchNorm element = 5,519,360``."""
        parts = [_signed(step.amount, _(step.label)) for step in self.steps[1:]]
        if self.unexplained:
            parts.append(_signed(self.unexplained, _("unexplained")))
        if self.unexplained_params:
            parts.append(_signed(self.unexplained_params, _("parameters unexplained")))
        return "; ".join(parts)


@dataclass(frozen=True, repr=False)
class Crosscheck(Record):
    """The counts of one network by all counters."""

    model: str
    spec: str
    inputs: tuple[tuple[int, ...], ...]
    training: bool
    params: int
    """Declared parameters, executed or not."""
    macs: int
    """Declared multiply-adds."""
    counts: tuple[Count, ...]
    failed: tuple[tuple[str, str], ...] = ()
    """Counters that cannot run this model, with the first line of their errors."""

    @property
    def explained(self) -> bool:
        return all(count.explained for count in self.counts)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per counter."""
        return [
            {
                "model": self.spec,
                "counter": count.counter,
                "tool": count.tool,
                "params": count.params,
                "params_difference": count.unexplained_params,
                "value": count.value,
                "unit": count.unit,
                "macs": count.macs,
                "difference": count.value - self.macs,
                "unexplained": count.unexplained,
                "cause": count.cause,
            }
            for count in self.counts
        ]

    def count(self, counter: str) -> Count:
        """Return the count of one counter. Raises KeyError."""
        for count in self.counts:
            if count.counter == counter:
                return count
        raise KeyError(counter)


def crosscheck(
    names: Iterable[str] = (), *, tools: Iterable[str] | None = None
) -> Iterator[Crosscheck]:
    """Check registered models one by one, by default all of them.

    ``tools`` are names of :data:`TOOLS`, by default every installed one. Raises UnknownModelError,
    and MissingExtraError for a requested tool that is not installed.
    """
    asked = None if tools is None else tuple(tools)
    for name in tuple(names) or registry.names():
        yield check(registry.find(name).graph(), asked)


def check(
    graph: Graph, tools: Iterable[str] | None = None, follow: Follow | None = None
) -> Crosscheck:
    """Build a declared graph and count it with every tool that supports it."""
    traced = _traced(graph, sum(weight.numel for weight in graph.weights))
    counts = [
        _counted(graph, name, partial(_prepared, graph))
        for name in _followed(_tools(graph, tools), follow)
    ]
    return _crosscheck(graph, (traced, *counts))


def check_model(
    spec: str,
    *,
    input: Input = None,
    batch: int = 1,
    training: bool = False,
    options: Mapping[str, Any] | None = None,
    tools: Iterable[str] | None = None,
    trust: bool = False,
    follow: Follow | None = None,
) -> Crosscheck:
    """Count any model with every tool that supports it.

    ``spec`` names a registered model, a model in a file or a torch model. A torch model's forward
    pass is traced, in training mode with ``training``. ``follow(done, total, name)`` is called
    before each tool. Raises the errors of :func:`archcalc.lookup.resolve.resolve`.
    """
    asked = ModelSpec.parse(spec, options=options)
    architecture = find_declared(asked)
    if architecture is not None:
        given = declared_input(input)
        return check(
            architecture.graph(given, batch=batch, training=training, options=asked.options),
            tools,
            follow,
        )
    model = load.find(asked.name, asked.options, trust=trust)
    shapes, named = load.call_inputs(input, batch, model, asked.name)
    if named:
        raise UsageError("counters take inputs by position only; omit the names of the inputs")

    def prepared(device: str) -> tuple[nn.Module, Inputs]:
        net = _module(model, device, asked.name)
        if not model.exported:
            net.train(training)
        return net, stand_in(tuple(shapes), torch.device(device), real=device != "meta")

    graph = trace(
        prepared("meta")[0],
        inputs=shapes,
        name=asked.name.rpartition(":")[2],
        train=None,
        real=lambda: prepared("cpu")[0],
    )
    graph = replace(graph, spec=spec, notes=())
    counts = []
    failed = []
    for name in _followed(_tools(graph, tools), follow):
        try:
            with guard(f"{name} cannot count it"):
                counts.append(_counted(graph, name, prepared))
        except MissingExtraError:
            raise
        except UsageError as error:
            failed.append((name, str(error)))
    return replace(_crosscheck(graph, counts), failed=tuple(failed))


def _followed(tools: Iterable[str], follow: Follow | None) -> Iterator[str]:
    names = tuple(tools)
    for place, name in enumerate(names):
        if follow is not None:
            follow(place, len(names), name)
        yield name


def _module(model: load.Model, device: str, name: str) -> nn.Module:
    """Return a fresh module of a torch model, on ``meta`` or with values."""
    with guard(f"{name} cannot be built"):
        if model.ready:
            net: Any = copy.deepcopy(model.build())
            if isinstance(net, nn.Module):
                net.to(device)
        elif device == "meta":
            net = build_on_meta(model.build)  # type: ignore[arg-type]  # any callable will do
        else:
            with own_random(draws=True):
                net = model.build()
    if not isinstance(net, nn.Module):
        raise UsageError(f"{name} is not a module; counters accept only modules")
    return net


def _tools(graph: Graph, tools: Iterable[str] | None) -> Iterable[str]:
    """Return the requested tools, or the installed ones that support these inputs."""
    several = len(graph.inputs) > 1
    usable = [name for name in installed() if not (several and TOOLS[name].one_input)]
    return usable if tools is None else tools


def _crosscheck(graph: Graph, counts: Sequence[Count]) -> Crosscheck:
    params = sum(weight.numel for weight in graph.weights)
    shapes = tuple(node.output.shape for node in graph.inputs)
    macs = profile(graph).macs
    return Crosscheck(graph.name, graph.spec, shapes, graph.training, params, macs, tuple(counts))


def installed() -> tuple[str, ...]:
    """Return the names of the installed tools."""
    return tuple(name for name, tool in TOOLS.items() if tool.version)


def _traced(graph: Graph, params: int) -> Count:
    """Count the built module by tracing it, with the same operator table."""
    net, inputs = _prepared(graph)
    seen = trace(net, *inputs, train=None)
    declared = total(graph)
    return Count(
        counter="traced",
        tool="archcalc.trace of the built module",
        params=sum(weight.numel for weight in seen.weights),
        declared_params=params,
        value=profile(seen).macs,
        unit=declared.unit,
        steps=declared.steps,
    )


def _counted(graph: Graph, name: str, prepared: Prepare) -> Count:
    tool = TOOLS[name]
    if not tool.version:
        raise MissingExtraError(
            f"{name} is not installed: pip install {tool.package}, or leave it out"
        )
    net, inputs = prepared(tool.device)
    with _quiet(), torch.no_grad():
        value, theirs = tool.ask(net, inputs)
    expected = total(graph, name)
    return Count(
        counter=name,
        tool=f"{tool.package} {tool.version}",
        params=theirs,
        declared_params=sum(weight.numel for weight in graph.weights),
        value=value,
        unit=expected.unit,
        steps=expected.steps,
    )


def _prepared(graph: Graph, device: str = "meta") -> tuple[nn.Module, Inputs]:
    """Return a fresh module and its inputs for one counter."""
    net = build(graph, device="meta").train(graph.training)
    if device != "meta":
        net.to_empty(device=device)
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.data.zero_()  # arbitrary values, such as denormals, could be slow
    inputs = tuple(
        torch.zeros(node.output.shape, dtype=getattr(torch, node.output.dtype), device=device)
        for node in graph.inputs
    )
    return net, inputs


def _torch(net: nn.Module, inputs: Inputs) -> tuple[int, int]:
    with FlopCounterMode(display=False) as counter:
        net(*inputs)
    return counter.get_total_flops(), sum(p.numel() for p in net.parameters())


def _fvcore(net: nn.Module, inputs: Inputs) -> tuple[int, int]:
    from fvcore.nn import FlopCountAnalysis, parameter_count

    counter = FlopCountAnalysis(net, inputs)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(counter.total()), int(parameter_count(net)[""])


def _torchinfo(net: nn.Module, inputs: Inputs) -> tuple[int, int]:
    from torchinfo import summary

    mode = "train" if net.training else "eval"
    seen = summary(net, input_data=list(inputs), mode=mode, verbose=0, device="meta")
    return int(seen.total_mult_adds), int(seen.total_params)


def _thop(net: nn.Module, inputs: Inputs) -> tuple[int, int]:
    from thop import profile as thop_profile

    value, params = thop_profile(net, inputs=inputs, verbose=False)
    return int(value), int(params)


def _ptflops(net: nn.Module, inputs: Inputs) -> tuple[int, int]:
    from ptflops import get_model_complexity_info

    value, params = get_model_complexity_info(
        net,
        tuple(inputs[0].shape[1:]),
        input_constructor=lambda shape: inputs[0],
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
    )
    return int(value), int(params)


@dataclass(frozen=True, slots=True)
class Tool:
    """A counter of another project."""

    package: str
    ask: Callable[[nn.Module, Inputs], tuple[int, int]]
    """Maps (module, inputs) to (figure, parameters)."""
    device: str = "meta"
    """The device that it runs on; on ``meta`` nothing is computed."""
    one_input: bool = False
    """Whether it supports only modules with one input tensor."""

    @property
    def version(self) -> str:
        """The installed release, or an empty string."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""


TOOLS: Mapping[str, Tool] = {
    "torch": Tool("torch", _torch),
    # fvcore uses torch.jit.trace, which cannot trace meta kernels written in Python.
    "fvcore": Tool("fvcore", _fvcore, "cpu"),
    "torchinfo": Tool("torchinfo", _torchinfo),
    "thop": Tool("ultralytics-thop", _thop),
    # On meta it counts linear layers twice: its patch of torch.addmm also sees the meta kernel's.
    "ptflops": Tool("ptflops", _ptflops, "cpu", one_input=True),
}
"""Counters by the name of their convention."""

assert set(TOOLS) < set(CONVENTIONS)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the tools' messages about what they do not count."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _signed(amount: int, label: str) -> str:
    return f"{'+' if amount >= 0 else '−'} {label} = {abs(amount):,}"
