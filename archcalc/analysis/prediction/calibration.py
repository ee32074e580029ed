"""What a calibration found out about one machine in one setting: plain numbers, read from a file.

``archcalc calibrate`` writes it; predictions need nothing else, neither torch nor scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archcalc.analysis.latency import Environment, threads_text
from archcalc.analysis.prediction.trees import Trees
from archcalc.analysis.record import Record
from archcalc.analysis.roofline import Ceilings
from archcalc.graph import DTYPES, Graph
from archcalc.language import _

COVERAGE = 0.9
"""Of the networks that an interval is meant to hold."""


@dataclass(frozen=True, slots=True)
class CalibratedSetting:
    """How the calls ran."""

    device: str
    dtype: str
    threads: int | None = None
    """Threads of torch's intra-op pool; None if the device is not a CPU."""
    channels_last: bool = False

    def __str__(self) -> str:
        parts = [self.device, self.dtype]
        if self.threads is not None:
            parts.append(threads_text(self.threads))
        if self.channels_last:
            parts.append(_("channels last"))
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class KindModel:
    """What was learnt about one kind of operator.

    The trees give natural logarithms. Their rows are the features of a call, and then one column
    per operator: 1 for the call's own.
    """

    ops: tuple[str, ...]
    """The operators that were timed."""
    calls: int
    """How many calls were timed."""
    lowest: tuple[float, ...]
    """The least value of each feature among them."""
    highest: tuple[float, ...]
    error: float
    """The median of abs(prediction / time - 1) over calls that no model had seen."""
    median: Trees
    """A call's time over its least time."""
    low: Trees
    """What to add to that for the 5 % quantile; learnt from calls that ``median`` had not seen."""
    high: Trees
    """The same for the 95 % quantile."""


@dataclass(frozen=True, slots=True)
class NetworkModel:
    """From the sum over a network's calls to its time, and how far that was off.

    Learnt from networks whose calls the models had not seen.
    """

    overhead: float
    """Seconds of a pass beside its calls."""
    per_call: float
    """Seconds of each call beside its operator; below 0 where timing a call by itself costs more
    than calling it."""
    scale: float
    """Seconds of a whole pass per second of calls timed one by one."""
    low: float
    """The 5 % quantile of log(time / prediction), in units of the calls' own spread."""
    high: float
    floor: float
    """The least spread of a network: what its calls have in common."""
    networks: int
    median_error: float
    """The median of abs(prediction / time - 1) over the networks."""


@dataclass(frozen=True, repr=False)
class Calibration(Record):
    """One machine in one setting."""

    environment: Environment
    setting: CalibratedSetting
    ceilings: Ceilings
    features: tuple[str, ...]
    """The features that the trees look at, by their position."""
    kinds: Mapping[str, KindModel]
    network: NetworkModel
    seconds: float
    """How long it took."""
    others: float | None = None
    """Cores that other processes used meanwhile; None where it is not known."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the packages that drew the networks and fitted the models."""

    @property
    def machine(self) -> str:
        return self.environment.gpu or self.environment.processor

    @property
    def calls(self) -> int:
        return sum(kind.calls for kind in self.kinds.values())

    @property
    def headline(self) -> str:
        return f"of {self.machine}, {self.setting}: {self.calls:,} calls"

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"kind": name, "ops": len(kind.ops), "calls": kind.calls, "error": kind.error}
            for name, kind in self.kinds.items()
        ]

    def suits(self, graph: Graph) -> bool:
        """Whether the graph's floating-point tensors have the calibrated dtype."""
        return graph.to(self.setting.dtype) is graph


def dtype_of(graph: Graph) -> str:
    """The floating-point dtype of a graph's weights and tensors, the one with most elements."""
    sizes = [(weight.dtype, weight.numel) for weight in graph.weights]
    sizes += [(value.dtype, value.numel) for node in graph for value in node.outputs]
    found: dict[str, int] = {}
    for dtype, numel in sizes:
        if DTYPES[dtype].floating:
            found[dtype] = found.get(dtype, 0) + numel
    return max(found, key=lambda dtype: found[dtype], default="float32")


def least_seconds(flops: int, nbytes: int, ceilings: Ceilings) -> float:
    """What a call takes at least by the measured ceilings: its arithmetic, its bytes at main
    memory's speed and one launch, one after another.

    A sum has no corners where one of the three takes over, so its ratio to the time is smoother
    than that of the roofline's maximum.
    """
    return flops / ceilings.flops + nbytes / ceilings.bandwidth + ceilings.launch
