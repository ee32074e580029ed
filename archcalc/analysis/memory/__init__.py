"""Memory by liveness: which activations are alive together, where most are, what training keeps.

An activation is alive from the node that makes it to the last node that reads it; the outputs of
the graph to the end. Views share their input's storage. Nothing else works in place unless the
graph says so, and no workspace of a library is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archcalc.analysis.memory.kept import Saved, saved_for_backward
from archcalc.analysis.memory.liveness import Activation, eager_liveness, liveness
from archcalc.analysis.memory.step import OPTIMIZERS, StepMemory, training_step
from archcalc.analysis.record import Record
from archcalc.graph import Graph
from archcalc.ops.operator import Device

__all__ = [
    "Activation",
    "Memory",
    "Saved",
    "StepMemory",
    "eager_liveness",
    "liveness",
    "memory",
    "saved_for_backward",
    "training_step",
]


@dataclass(frozen=True, repr=False)
class Memory(Record):
    """Bytes of one pass."""

    weight_bytes: int
    activations: tuple[Activation, ...]
    saved: tuple[Saved, ...]
    eager: tuple[int, ...] = ()
    """Bytes alive at each node as eager torch runs the model: the caller holds the input, Python
    frames hold what they name, and kernels make what they return beside their result."""
    step: StepMemory | None = None
    """A training step with this graph's forward pass."""

    @property
    def peak(self) -> Activation | None:
        """The first node at which most bytes are alive, in inference."""
        return max(self.activations, key=lambda activation: activation.live, default=None)

    @property
    def peak_bytes(self) -> int:
        """The minimum that any allocator needs for the activations of inference."""
        return self.peak.live if self.peak else 0

    @property
    def eager_peak_bytes(self) -> int:
        return max(self.eager, default=0)

    @property
    def eager_peak_at(self) -> str:
        """The first node at which most bytes are alive in eager torch."""
        if not self.eager:
            return ""
        return self.activations[self.eager.index(self.eager_peak_bytes)].name

    @property
    def saved_bytes(self) -> int:
        """Kept for the backward pass of one training step, weights and gradients aside."""
        return sum(saved.nbytes for saved in self.saved)

    def rows(self) -> list[dict[str, Any]]:
        return [activation._asdict() for activation in self.activations]


def memory(graph: Graph, device: Device = "cpu", optimizer: str = "sgd") -> Memory:
    """Liveness of the graph's evaluation pass, and what its training pass keeps for backward, with
    the kernels of the device and the state of the optimizer.

    The backward pass follows from the forward pass, also where the graph is a whole step.
    """
    forward = graph.forward
    return Memory(
        sum(weight.nbytes for weight in graph.weights),
        liveness(forward.eval()),
        saved_for_backward(forward.train(), device),
        eager_liveness(forward.eval()),
        training_step(graph, device, optimizer) if optimizer in OPTIMIZERS else None,
    )
