"""Measured latencies as plain records without torch: samples in seconds, and their environment.

Every sample is kept. Medians, quantiles and ratios are computed from the samples on demand, and
nothing is rounded before it is shown.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from archcalc.analysis.quantile import interquartile_range, quantiles
from archcalc.analysis.record import Record
from archcalc.graph import Shape
from archcalc.language import _, several

OTHERS = 0.2
"""The number of cores used by other processes from which a report mentions them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a model was run: the settings that a caller can choose."""

    device: str
    """``cpu``, ``cuda:0``, ``mps``."""
    dtype: str
    """The dtype of weights and inputs, which are cast. autocast is not used."""
    batch: int
    threads: int | None = None
    """Threads of torch's intra-op pool; None if the device is not a CPU."""
    channels_last: bool = False
    compiled: bool = False
    graphs: bool = False
    """Whether the model was replayed as a CUDA graph."""
    train: bool = False
    """Whether a whole training step was measured: forward, backward and optimizer."""
    optimizer: str = ""

    def __str__(self) -> str:
        parts = [self.device, self.dtype, _("batch {count}", count=self.batch)]
        if self.threads is not None:
            parts.append(threads_text(self.threads))
        parts += [
            word
            for word, used in (
                (_("channels last"), self.channels_last),
                (_("compiled"), self.compiled),
                (_("CUDA graph"), self.graphs),
                (_("training step with {optimizer}", optimizer=self.optimizer), self.train),
            )
            if used
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the software. Unknown is None or empty."""

    processor: str
    cores: int
    """Cores that this process may use."""
    system: str
    python: str
    torch: str
    archcalc: str
    gpu: str = ""
    commit: str | None = None
    """The commit of the git checkout that the command ran in."""
    dirty: bool | None = None
    """Whether that checkout had uncommitted changes."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """torch's switches that affect latency: TF32, cuDNN, oneDNN, ..."""

    def __str__(self) -> str:
        made = self.gpu or self.processor
        parts = [
            made,
            several("{count} core", "{count} cores", self.cores),
            self.system,
            f"Python {self.python}",
            f"torch {self.torch}",
        ]
        if self.commit:
            commit = _("commit {hash}", hash=self.commit[:10])
            parts.append(_("{commit} with changes", commit=commit) if self.dirty else commit)
        return ", ".join(parts)


def threads_text(threads: int) -> str:
    return several("{count} thread", "{count} threads", threads)


class Warmup(NamedTuple):
    """The warm-up before the samples."""

    seconds: float
    calls: int
    steady: bool
    """Whether the running median became steady in time."""


class LayerTime(NamedTuple):
    """The time of one node, from a separate pass."""

    name: str
    op: str
    seconds: float
    """Median over the passes."""
    macs: int | None = None
    flops: int | None = None
    bytes: int | None = None
    """Bytes that the node reads and writes."""
    bound: float | None = None
    """Seconds that the roofline allows at best."""
    label: str = ""
    """What that bound is: ``compute``, ``memory``, ``launch``, or ``free``."""
    window: str = ""
    """``1×1`` of a convolution."""
    predicted: float | None = None
    """Seconds predicted by the machine's calibration."""

    @property
    def flops_per_second(self) -> float | None:
        return self.flops / self.seconds if self.flops and self.seconds else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.bytes / self.seconds if self.bytes and self.seconds else None

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte."""
        return self.flops / self.bytes if self.flops is not None and self.bytes else None

    @property
    def distance(self) -> float | None:
        """The measured time divided by its lower bound."""
        return self.seconds / self.bound if self.bound else None

    @property
    def error(self) -> float | None:
        """How far the prediction is above or below the time, as a part of it."""
        if self.predicted is None or not self.seconds:
            return None
        return self.predicted / self.seconds - 1


class Layers(NamedTuple):
    """The pass that timed every node separately."""

    times: tuple[LayerTime, ...]
    whole: float
    """Seconds of the whole call in the same setting, timed without hooks."""
    missing: str = ""
    """A sentence about what this pass cannot measure."""

    @property
    def total(self) -> float:
        return sum(row.seconds for row in self.times)

    @property
    def overhead(self) -> float:
        """The sum over the nodes divided by the whole call: the overhead of timing nodes, or what
            it
        hides."""
        return self.total / self.whole


class Predicted(NamedTuple):
    """What the machine's calibration predicts for a whole call."""

    seconds: float
    low: float
    high: float
    """The ends of the interval that contains 90 % of networks."""
    lacks: tuple[str, ...] = ()
    """Operators that were not calibrated, or not at such sizes."""


class Verified(NamedTuple):
    """One call timed by archcalc and by ``torch.utils.benchmark.Timer``, in turns: seconds per
    call."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """archcalc's median divided by the Timer's."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


CautionKind = Literal[
    "unsteady",
    "few",
    "two speeds",
    "spread",
    "drift",
    "outliers",
    "threads",
    "others",
    "frequency",
    "ceiling",
    "throttled",
]


@dataclass(frozen=True, slots=True)
class Caution:
    """A caution about a measurement: a code, and its values."""

    kind: CautionKind
    values: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """One model in one setting: every sample, in seconds per call."""

    model: str
    spec: str
    inputs: tuple[Shape, ...]
    setting: Setting
    samples: tuple[float, ...]
    """Measured by the host's clock including synchronization with the device, in order."""
    per_turn: int
    """Consecutive samples before the next model's turn."""
    calls: int
    """Calls per sample; a sample is their mean."""
    warmup: Warmup
    device_samples: tuple[float, ...] = ()
    """The device's own time without launches, if the device reports it."""
    peak_bytes: int | None = None
    """CUDA: peak bytes allocated in a call. CPU: peak resident memory of the whole process."""
    peak_growth_bytes: int | None = None
    """CPU: the growth of resident memory during the first call."""
    macs: int | None = None
    flops: int | None = None
    bytes_moved: int | None = None
    """Bytes that all nodes read and write, in the setting's dtype."""
    bound: float | None = None
    """Seconds that the roofline allows at best."""
    least_macs: int | None = None
    """Multiply-adds of the counted nodes, if other nodes are not counted."""
    ceiling: float | None = None
    """FLOP/s of the device in this dtype, measured."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """What was watched meanwhile: clocks, throttling, other processes, a probe's spread."""
    warnings: tuple[Caution | str, ...] = ()
    """What a reader should know; sentences in files of older versions."""
    layers: Layers | None = None
    verified: Verified | None = None
    predicted: Predicted | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        return quantiles(self.samples, 10)[0]

    @property
    def p90(self) -> float:
        return quantiles(self.samples, 10)[-1]

    @property
    def iqr(self) -> float:
        """The interquartile range, in seconds."""
        return interquartile_range(self.samples)

    @property
    def device_median(self) -> float | None:
        return statistics.median(self.device_samples) if self.device_samples else None

    @property
    def throughput(self) -> float:
        """Samples of the batch (such as images) per second."""
        return self.setting.batch / self.median

    @property
    def flops_per_second(self) -> float | None:
        return None if self.flops is None else self.flops / self.median

    @property
    def error(self) -> float | None:
        """How far the prediction is above or below the median, as a part of it."""
        return None if self.predicted is None else self.predicted.seconds / self.median - 1

    @property
    def share_of_ceiling(self) -> float | None:
        """Achieved FLOP/s divided by the ceiling."""
        achieved = self.flops_per_second
        return None if achieved is None or not self.ceiling else achieved / self.ceiling


@dataclass(frozen=True, repr=False)
class Bench(Record):
    """Everything that one run of ``archcalc bench`` measured.

    Models in the same setting took turns, so their samples can be compared turn by turn.
    """

    environment: Environment
    latencies: tuple[Latency, ...]
    ceilings: tuple[Mapping[str, Any], ...] = ()
    """Of the roofline, as :class:`archcalc.analysis.roofline.Ceilings` writes them."""

    @property
    def headline(self) -> str:
        specs = ", ".join(dict.fromkeys(row.spec for row in self.latencies))
        return f"of {specs}: {len(self.latencies)} measurements"

    def groups(self) -> list[list[Latency]]:
        """The models of each setting, which took turns, in the order given."""
        return by_setting(self.latencies)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "model": row.model,
                "spec": row.spec,
                **asdict(row.setting),
                "input": row.inputs[0] if row.inputs else None,
                "median_s": row.median,
                "p10_s": row.p10,
                "p90_s": row.p90,
                "iqr_s": row.iqr,
                "device_median_s": row.device_median,
                "throughput_per_s": row.throughput,
                "samples": len(row.samples),
                "peak_bytes": row.peak_bytes,
                "macs": row.macs,
                "flops": row.flops,
                "flops_per_s": row.flops_per_second,
                "share_of_ceiling": row.share_of_ceiling,
                "bound_s": row.bound,
                "predicted_s": row.predicted and row.predicted.seconds,
            }
            for row in self.latencies
        ]


def by_setting(latencies: Sequence[Latency]) -> list[list[Latency]]:
    """Measurements of one setting together, in order of first sight."""
    found: dict[Setting, list[Latency]] = {}
    for latency in latencies:
        found.setdefault(latency.setting, []).append(latency)
    return list(found.values())


def find(bench: Bench, spec: str, inputs: Sequence[Shape]) -> Latency | None:
    """The first measurement of this model on these inputs."""
    wanted = tuple(tuple(shape) for shape in inputs)
    for latency in bench.latencies:
        if latency.spec == spec and latency.inputs == wanted:
            return latency
    return None
