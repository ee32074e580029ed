"""One training step: weights, gradients, the optimizer's state and the peak of each phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from archcalc.analysis.memory.kept import Keeping
from archcalc.analysis.memory.liveness import alive_at, held_until, scratch
from archcalc.analysis.storage import Key, key
from archcalc.graph import Graph, Node, Value
from archcalc.ops import TABLE
from archcalc.ops.operator import Device


class Needs(NamedTuple):
    """What an optimizer needs for each weight."""

    state: int = 0
    """Numbers that it keeps from step to step."""
    scratch: int = 0
    """Numbers at a time while it updates one parameter; torch on the CPU goes one by one."""
    counts_steps: bool = False
    """A counter of float32 for each parameter."""


OPTIMIZERS: Mapping[str, Needs] = {
    "sgd": Needs(),
    "sgd-momentum": Needs(1),
    "sgd-nesterov": Needs(1, 1),
    "adam": Needs(2, 2, counts_steps=True),
    "adamw": Needs(2, 2, counts_steps=True),
    "rmsprop": Needs(1, 1, counts_steps=True),
    "adagrad": Needs(1, 1, counts_steps=True),
}


class StepMemory(NamedTuple):
    """One training step, in bytes: what it holds, and the most it holds at a time."""

    optimizer: str
    weights: int
    gradients: int
    """Of every weight that this pass reads."""
    optimizer_state: int
    saved: int
    """Activations kept from the forward to the backward pass."""
    forward_peak: int
    backward_peak: int
    step_peak: int

    @property
    def peak(self) -> int:
        """Everything at once, in the phase that needs most."""
        return max(self.forward_peak, self.backward_peak, self.step_peak)

    @property
    def peak_phase(self) -> Literal["forward", "backward", "step"]:
        if self.forward_peak == self.peak:
            return "forward"
        return "backward" if self.backward_peak == self.peak else "step"


def training_step(graph: Graph, device: Device = "cpu", optimizer: str = "sgd") -> StepMemory:
    """What one step of training holds, and the most at a time in each phase. Raises KeyError for an
    optimizer that is not in :data:`OPTIMIZERS`."""
    graph = graph.forward.train()
    keeping = Keeping(graph, device)
    weights = sum(weight.nbytes for weight in graph.weights)
    read = {weight.name: weight.nbytes for node in graph.executed for weight in node.weights}
    gradients = sum(read.values())
    needs = OPTIMIZERS[optimizer]
    state = needs.state * gradients + 4 * len(read) * needs.counts_steps
    forward, backward, left = Passes(graph, keeping, device).peaks()
    scratch_bytes = needs.scratch * max(read.values(), default=0)
    return StepMemory(
        optimizer,
        weights,
        gradients,
        state,
        sum(row.nbytes for row in keeping.rows),
        weights + state + forward,
        weights + state + backward,
        weights + state + gradients + left + scratch_bytes,
    )


class Passes:
    """The forward and the backward pass of one training step, storage by storage."""

    def __init__(self, graph: Graph, keeping: Keeping, device: Device) -> None:
        self.graph = graph
        self.keeping = keeping
        self.device = device
        self.nodes = [node for node in graph.executed if node.phase == "forward"]
        self.buffers: dict[int, int] = {}
        """Bytes of each gradient's storage."""
        self.gradient: dict[Key, int] = {}
        """The storage of the gradient of each value."""

    def peaks(self) -> tuple[int, int, int]:
        """The most bytes in the forward and in the backward pass, weights and optimizer aside, and
        what the caller still holds in the end: inputs and outputs."""
        storages, by_node = self.keeping.storages, self.keeping.by_node
        last = held_until(self.graph, storages)
        end = len(self.graph.executed)
        for owner in self.keeping.kept:
            last[owner] = end
        also, forward = 0, 0
        rows = alive_at(self.graph, storages, last, self.device)
        for node, alive in zip(self.graph.executed, rows, strict=True):
            kept = by_node.get(node.name, (set(), 0))[1]
            made = scratch(node, storages, self.device)
            forward = max(forward, alive + also + max(kept - made, 0))
            also += kept
        callers = {
            storages.owner[key(value)]
            for value in (*[node.output for node in self.graph.inputs], *self.outputs())
        }
        left = sum(storages.size[owner] for owner in callers)
        alive = left + sum(storages.size[owner] for owner in self.keeping.kept - callers) + also
        return forward, self._backward(alive, callers), left

    def outputs(self) -> list[Value]:
        return [v for v in self.graph.outputs.values() if key(v) in self.keeping.storages.owner]

    def _backward(self, alive: int, callers: set[Key]) -> int:
        storages, by_node, graded = self.keeping.storages, self.keeping.by_node, self.keeping.graded
        for value in self.outputs():
            self._give(key(value), value.nbytes)
        peak, weights = alive, 0
        done: set[str] = set()
        for node in reversed(self.nodes):
            mine = [key(value) for value in node.outputs if key(value) in self.gradient]
            keys, also = by_node.get(node.name, (set(), 0))
            if mine:
                aliased = self._aliases(node)
                for value in node.inputs:
                    if key(value) not in graded:
                        continue
                    given = self.gradient.get(key(value))
                    extra = 0
                    if aliased and given is None:
                        self.gradient[key(value)] = self.gradient[mine[0]]
                    else:
                        if given is not None and not aliased:
                            extra = value.nbytes  # one more, which is added to the first
                        if given is None or self._shared(given):
                            self._give(key(value), value.nbytes)
                    peak = max(peak, alive + weights + self._held() + extra)
                for weight in node.weights:
                    if weight.name not in done:
                        done.add(weight.name)
                        weights += weight.nbytes
                peak = max(peak, alive + weights + self._held())
                for each in mine:
                    del self.gradient[each]
            alive -= also + sum(storages.size[each] for each in keys - callers)
        return peak

    def _aliases(self, node: Node) -> bool:
        """Whether the gradient of an input is that of the output, or a view of it."""
        row = TABLE.get(node.op)
        if row is None:
            return False
        out = node.outputs[0]
        if row.window == "concat":
            return True
        which = row.saves(node) if callable(row.saves) else row.saves
        plain = row.kind in ("elementwise", "movement", "activation") and row.saves_also is None
        passes = row.passes_through(node, self.graph.training)
        same = all(value.numel == out.numel for value in node.inputs)
        return ((plain and which == "nothing") or passes) and same

    def _shared(self, buffer: int) -> bool:
        return sum(each == buffer for each in self.gradient.values()) > 1

    def _give(self, place: Key, nbytes: int) -> None:
        name = len(self.buffers)
        self.buffers[name] = nbytes
        self.gradient[place] = name

    def _held(self) -> int:
        return sum(self.buffers[each] for each in set(self.gradient.values()))
