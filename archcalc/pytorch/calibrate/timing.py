"""Time every node of the designed networks in its context, and every network as a whole.

A machine is rarely idle for minutes. Groups of networks therefore alternate pass by pass, and every
network is timed in several visits, minutes apart. The fastest visit counts, because interference
only slows a call down.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import nn

from archcalc.analysis.prediction.features import Call, calls
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph
from archcalc.pytorch.bench.devices import Device
from archcalc.pytorch.bench.layers import Pass, walk
from archcalc.pytorch.bench.targets import as_channels_last
from archcalc.pytorch.bench.timer import no_garbage_collection
from archcalc.pytorch.build import Network

VISITS = 2
TOGETHER = 6
"""Networks that alternate in one group."""
FEWEST, MOST = 3, 10
"""Limits of the passes over each network in a visit."""
SHARE = 0.25
"""Seconds of a visit, which limit the passes over a slow network."""
WARM = 2
"""Untimed passes at the start of a visit. The first access to memory costs more than the work of a
short operator."""
TURN = 0.005
"""Seconds of passes over the whole network in a turn."""

NOISE = 2**16
"""The number of distinct values in a network's weights."""

Share = Callable[[float], None]
"""Called with the completed fraction of the work."""


@dataclass(frozen=True)
class Timed:
    """One network with the time of each call and of the whole pass."""

    graph: Graph
    calls: tuple[Call, ...]
    seconds: tuple[float, ...]
    """Seconds of each call, in order."""
    whole: float
    """Seconds of a pass that is not timed per node."""


@dataclass
class _Visited:
    """A network with the results of each visit."""

    graph: Graph
    wholes: list[float] = field(default_factory=list)
    rows: list[tuple[float, ...]] = field(default_factory=list)
    """Seconds of each node in the order of the walk."""
    names: tuple[str, ...] = ()


@dataclass
class _Ready:
    """A network that is ready to be timed."""

    of: _Visited
    forward: Callable[[], object]
    look: Pass
    passes: int
    short: bool
    """Whether it is so fast that caches filled by another network would affect its time."""
    wholes: list[float] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)


def time_networks(
    graphs: Iterable[Graph],
    dtype: str,
    channels_last: bool,
    device: Device,
    budget: float,
    fewest: int = 1,
    follow: Share = lambda share: None,
) -> list[Timed]:
    """Time as many networks as ``budget`` seconds allow, but at least ``fewest`` if available."""
    begun = time.perf_counter()  # the device's clock may count only its own work
    rest = iter(graphs)
    known: list[_Visited] = []

    def report() -> None:
        follow(min((time.perf_counter() - begun) / budget, 1.0))

    while group := [_Visited(graph.to(dtype)) for graph in islice(rest, TOGETHER)]:
        known += _visit(group, dtype, channels_last, device)
        report()
        if time.perf_counter() - begun >= budget / VISITS and len(known) >= fewest:
            break
    for _ in range(VISITS - 1):
        for start in range(0, len(known), TOGETHER):
            _visit(known[start : start + TOGETHER], dtype, channels_last, device)
            report()
    return [_finished(each) for each in known]


def _visit(
    group: Sequence[_Visited], dtype: str, channels_last: bool, device: Device
) -> list[_Visited]:
    """Time a group in turns, without networks that the device cannot run in this dtype."""
    with torch.no_grad():
        prepared = [_prepared(each, dtype, channels_last, device) for each in group]
        ready = [each for each in prepared if each is not None]
        with no_garbage_collection():
            for number in range(max((each.passes for each in ready), default=0)):
                for each in ready:
                    if number < each.passes:
                        if each.short:
                            each.forward()
                        each.wholes += _turn(each.forward, device)
                        each.rows.append(each.look()[1])
    for each in ready:
        each.of.wholes.append(undisturbed(each.wholes))
        each.of.rows.append(tuple(map(undisturbed, zip(*each.rows, strict=True))))
    return [each.of for each in ready]


def _prepared(known: _Visited, dtype: str, channels_last: bool, device: Device) -> _Ready | None:
    """Build and warm up a network; return None if the device cannot run it."""
    kind = getattr(torch, dtype)
    try:
        network = with_noise(Network(known.graph)).eval().to(device=device.name, dtype=kind)
        args: list[Any] = []
        for node in known.graph.inputs:
            given = torch.randn(node.output.shape).to(device=device.name, dtype=kind)
            if channels_last and given.dim() == 4:
                given = given.to(memory_format=torch.channels_last)
            args.append(given)
        if channels_last:
            as_channels_last(network)
        for _ in range(WARM):
            network(*args)
        look = walk(network, args, device)
        names, seconds = look()
        known.names = tuple(name for name, _ in names)
    except (ArchcalcError, RuntimeError):  # torch has no kernel for every operator in every dtype
        return None
    one = sum(seconds)
    passes = min(MOST, max(FEWEST, int(SHARE / (2 * one + TURN))))
    return _Ready(known, lambda: network(*args), look, passes, one < TURN)


def with_noise(network: Network) -> Network:
    """Fill the network's weights on the CPU with a repeated block of noise.

    The noise is scaled so that signals neither vanish nor grow, and for linear layers so that the
    softmax over unscaled scores has no subnormal numbers, on which products are ten times slower.
    Drawing every weight would take as long as some passes.
    """
    network.to_empty(device="cpu")
    noise = torch.randn(NOISE, generator=torch.Generator().manual_seed(0))
    for layer in network.modules():
        if isinstance(layer, nn.LayerNorm | nn.GroupNorm | nn.modules.batchnorm._BatchNorm):
            layer.reset_parameters()
    for name, parameter in network.named_parameters():
        if parameter.dim() < 2:
            parameter.data.fill_(0.0 if name.endswith("bias") else 1.0)
        else:
            linear = isinstance(network.get_submodule(name.rpartition(".")[0]), nn.Linear)
            scale = ((1 if linear else 2) / parameter[0].numel()) ** 0.5
            repeated = noise.repeat(-(-parameter.numel() // NOISE))[: parameter.numel()]
            parameter.data = repeated.view(parameter.shape).mul_(scale)
    return network


def _turn(call: Callable[[], object], device: Device) -> list[float]:
    """Return the seconds of each call in one turn."""
    found: list[float] = []
    while sum(found) < TURN:
        start = device.mark()
        call()
        found += device.between([start, device.mark()])
    return found


def _finished(each: _Visited) -> Timed:
    found = calls(each.graph)
    fastest = dict(zip(each.names, map(min, zip(*each.rows, strict=True)), strict=True))
    return Timed(each.graph, found, tuple(fastest[call.name] for call in found), min(each.wholes))


def undisturbed(samples: Sequence[float]) -> float:
    """Return the mean of the faster half, since interference only slows a call down."""
    ordered = sorted(samples)
    return statistics.fmean(ordered[: -(-len(ordered) // 2)])
