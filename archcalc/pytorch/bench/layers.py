"""Time each node in separate passes, because timing nodes slows the whole call down.

A network built by archcalc runs node by node. Any other module has hooks on its leaf modules; its
work between them is not timed, and the result says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archcalc.analysis.latency import Layers, LayerTime
from archcalc.errors import UsageError
from archcalc.graph import Graph, Node
from archcalc.language import mark
from archcalc.pytorch.bench.devices import Call, Device
from archcalc.pytorch.bench.targets import Prepared
from archcalc.pytorch.build import Network
from archcalc.pytorch.layers import BareParameter, Constructor, realise

FEWEST = 5
MOST = 100

Names = list[tuple[str, str]]
"""(name, operator) of each timed node, in order."""
Pass = Callable[[], tuple[Names, list[float]]]


def time_layers(prepared: Prepared, budget: float) -> Layers:
    """Return medians over passes within ``budget`` seconds, alternating with the whole call.

    The forward pass is timed without compilation or CUDA graphs. Raises UsageError for a callable
    that is not a module.
    """
    module, device = prepared.module, prepared.device
    if not isinstance(module, nn.Module):
        raise UsageError(f"{prepared.target.spec} is not a module; --layers needs one")

    def forward() -> object:
        return module(*prepared.args, **prepared.kwargs)

    built = isinstance(module, Network)
    one = (
        walk(module, prepared.args, device)
        if isinstance(module, Network)
        else _watch(module, prepared)
    )
    wholes: list[float] = []
    rows: list[list[float]] = []
    names: Names = []
    with torch.no_grad():
        one()
        begun = device.clock()
        while len(rows) < FEWEST or (device.clock() - begun < budget and len(rows) < MOST):
            wholes += _between(device, forward)
            names, seconds = one()
            if rows and len(rows[0]) != len(seconds):
                raise UsageError(
                    f"{prepared.target.spec} does not call the same modules each time, so "
                    "--layers cannot compare passes"
                )
            rows.append(seconds)
    times = tuple(
        LayerTime(name, op, statistics.median(samples))
        for (name, op), samples in zip(names, zip(*rows, strict=True), strict=True)
    )
    missing = [] if built else [mark("what happens between its leaf modules is not timed")]
    if prepared.setting.compiled or prepared.setting.graphs:
        missing.append(mark("the nodes are timed neither compiled nor captured"))
    return Layers(times, statistics.median(wholes), "; ".join(missing))


def _between(device: Device, call: Call) -> list[float]:
    start = device.mark()
    call()
    return device.between([start, device.mark()])


def walk(network: Network, args: Sequence[Any], device: Device) -> Pass:
    """Return a pass that times every node of a built network."""
    graph = network.architecture
    indices = [
        index
        for index, node in enumerate(graph.nodes)
        if node.op != "input" and (network.training or not node.training_only)
    ]
    calls = {index: _callable(network, graph.nodes[index]) for index in indices}
    dead = _last_uses(graph, indices)
    inputs = [index for index, node in enumerate(graph.nodes) if node.op == "input"]
    names = [(graph.nodes[index].name, graph.nodes[index].op) for index in indices]

    def one() -> tuple[Names, list[float]]:
        made: dict[int, Tensor] = dict(zip(inputs, args, strict=True))
        marks = [device.mark()]
        for index in indices:
            given = [made[value.source] for value in graph.nodes[index].inputs]
            made[index] = calls[index](*given)
            for each in dead[index]:
                del made[each]
            marks.append(device.mark())
        return names, device.between(marks)

    return one


def _callable(network: Network, node: Node) -> Callable[..., Any]:
    layer = realise(node)
    if isinstance(layer, BareParameter):
        return partial(network.get_parameter, node.name)
    return network.get_submodule(node.name) if isinstance(layer, Constructor) else layer.apply


def _last_uses(graph: Graph, indices: list[int]) -> dict[int, list[int]]:
    """Return, for each node, the tensors to free after it, as the whole call frees them."""
    last: dict[int, int] = {}
    for index in indices:
        last[index] = index
        for value in graph.nodes[index].inputs:
            last[value.source] = index
    dead: dict[int, list[int]] = {index: [] for index in indices}
    kept = {value.source for value in graph.outputs.values()}
    for source, index in last.items():
        if source not in kept:
            dead[index].append(source)
    return dead


def _watch(module: nn.Module, prepared: Prepared) -> Pass:
    """Return a pass that times every call of a leaf module with hooks.

    The names are those of the traced nodes.
    """
    device = prepared.device
    known = {node.name: node.op for node in prepared.target.graph.executed}

    def one() -> tuple[Names, list[float]]:
        names: Names = []
        marks: list[Any] = []
        with _hooks(module, known, names, marks, device):
            module(*prepared.args, **prepared.kwargs)
        seconds = device.between(marks) if marks else []
        return names, seconds[::2]  # every other interval lies between calls

    return one


@contextmanager
def _hooks(
    module: nn.Module, known: dict[str, str], names: Names, marks: list[Any], device: Device
) -> Iterator[None]:
    calls: dict[str, int] = {}
    handles = []

    def before(name: str, leaf: nn.Module) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            # The tracer numbers the calls of one module from 2: relu, relu_2.
            called = name if calls[name] == 1 else f"{name}_{calls[name]}"
            names.append((called, known.get(called, type(leaf).__name__)))
            marks.append(device.mark())

        return hook

    def after(*_: Any) -> None:
        marks.append(device.mark())

    try:
        for name, leaf in module.named_modules():
            if not any(True for _ in leaf.children()):
                handles.append(leaf.register_forward_pre_hook(before(name, leaf)))
                handles.append(leaf.register_forward_hook(after))
        yield
    finally:
        for handle in handles:
            handle.remove()
