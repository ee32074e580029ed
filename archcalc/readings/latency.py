"""What was measured, as plain records without torch: samples in seconds, and what made them.

Every sample is kept; medians, quantiles and ratios are worked out from them when asked for, and
nothing is rounded before it is shown.
"""

from __future__ import annotations

import json
import os
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.readings.record import Record

SCHEMA_VERSION = 1
KIND = "archcalc bench"
RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Setting:
    """How a model was run: what a caller can choose."""

    device: str
    """``cpu``, ``cuda:0``, ``mps``."""
    dtype: str
    """Of weights and inputs, which are cast; there is no autocast."""
    batch: int
    threads: int | None = None
    """Of torch's pool within an operation; None where the device is no CPU."""
    channels_last: bool = False
    compiled: bool = False
    graphs: bool = False
    """Replayed as a CUDA graph."""
    train: bool = False
    """A whole step: forward, backward, and the optimizer's."""
    optimizer: str = ""

    def __str__(self) -> str:
        parts = [self.device, self.dtype, f"batch {self.batch}"]
        if self.threads is not None:
            parts.append(f"{self.threads} thread{'s' * (self.threads != 1)}")
        parts += [
            word
            for word, used in (
                ("channels last", self.channels_last),
                ("compiled", self.compiled),
                ("CUDA graph", self.graphs),
                (f"training step with {self.optimizer}", self.train),
            )
            if used
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the software. Unknown is None or empty."""

    processor: str
    cores: int
    """That this process may use."""
    system: str
    python: str
    torch: str
    archcalc: str
    gpu: str = ""
    commit: str | None = None
    """Of the git checkout that the command ran in."""
    dirty: bool | None = None
    """Whether that checkout had changes that are not committed."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """torch's switches that change a time: TF32, cuDNN, oneDNN, ..."""

    def __str__(self) -> str:
        made = self.gpu or self.processor
        text = (
            f"{made}, {self.cores} cores, {self.system}, Python {self.python}, torch {self.torch}"
        )
        if self.commit:
            text += f", commit {self.commit[:10]}{' with changes' if self.dirty else ''}"
        return text


class Warmup(NamedTuple):
    """The time before the samples."""

    seconds: float
    calls: int
    steady: bool
    """Whether the running median settled before the time was up."""


class LayerTime(NamedTuple):
    """One node's time, from a pass of its own."""

    name: str
    op: str
    seconds: float
    """Median over the passes."""
    macs: int | None = None
    flops: int | None = None
    bytes: int | None = None
    """Read and written when the node runs alone."""
    bound: float | None = None
    """Seconds that the roofline allows at best."""
    label: str = ""
    """What that bound is: ``compute``, ``memory``, ``launch``, or ``free``."""
    window: str = ""
    """``1×1`` of a convolution."""

    @property
    def flops_per_second(self) -> float | None:
        return self.flops / self.seconds if self.flops and self.seconds else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.bytes / self.seconds if self.bytes and self.seconds else None

    @property
    def intensity(self) -> float | None:
        """FLOPs a byte."""
        return self.flops / self.bytes if self.flops is not None and self.bytes else None

    @property
    def distance(self) -> float | None:
        """How many times its lower bound it takes."""
        return self.seconds / self.bound if self.bound else None


class Layers(NamedTuple):
    """The pass that timed every node by itself."""

    times: tuple[LayerTime, ...]
    whole: float
    """Seconds of the whole call in the same pass's setting, timed without looking inside."""
    missing: str = ""
    """What this pass cannot see, in words."""

    @property
    def total(self) -> float:
        return sum(row.seconds for row in self.times)

    @property
    def overhead(self) -> float:
        """The nodes' sum over the whole call: what looking inside costs, or hides."""
        return self.total / self.whole


class Verified(NamedTuple):
    """One call timed by us and by ``torch.utils.benchmark.Timer``, in turns: seconds a call."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Our median over theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


@dataclass(frozen=True)
class Latency:
    """One model in one setting: every sample, in seconds a call."""

    model: str
    spec: str
    inputs: tuple[Shape, ...]
    setting: Setting
    samples: tuple[float, ...]
    """From the host's clock, the wait for the device in it, in the order in which they came."""
    per_turn: int
    """Samples in a row before the next model had its turn."""
    calls: int
    """Calls in a sample; a sample is their mean."""
    warmup: Warmup
    device_samples: tuple[float, ...] = ()
    """The device's own time without the launches, where the device tells it."""
    peak_bytes: int | None = None
    """CUDA: most bytes allocated in a call. CPU: peak resident memory of the whole process."""
    peak_growth_bytes: int | None = None
    """CPU: how far the first call took resident memory above where it was before."""
    macs: int | None = None
    flops: int | None = None
    bytes_moved: int | None = None
    """Read and written by all nodes, each run alone, in the setting's dtype."""
    bound: float | None = None
    """Seconds that the roofline allows at best."""
    ceiling: float | None = None
    """FLOP/s of the device in this dtype, measured."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """What was watched meanwhile: clocks, throttling, other processes, a probe's spread."""
    warnings: tuple[str, ...] = ()
    layers: Layers | None = None
    verified: Verified | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def p10(self) -> float:
        return quantile(self.samples, 0.1)

    @property
    def p90(self) -> float:
        return quantile(self.samples, 0.9)

    @property
    def iqr(self) -> float:
        """The distance between the quartiles."""
        return quantile(self.samples, 0.75) - quantile(self.samples, 0.25)

    @property
    def device_median(self) -> float | None:
        return statistics.median(self.device_samples) if self.device_samples else None

    @property
    def throughput(self) -> float:
        """Images, or whatever the batch is made of, a second."""
        return self.setting.batch / self.median

    @property
    def flops_per_second(self) -> float | None:
        return None if self.flops is None else self.flops / self.median

    @property
    def share_of_ceiling(self) -> float | None:
        """Achieved FLOP/s over the ceiling's."""
        achieved = self.flops_per_second
        return None if achieved is None or not self.ceiling else achieved / self.ceiling


@dataclass(frozen=True)
class Bench(Record):
    """Everything that one run of ``archcalc bench`` measured.

    Models in the same setting took turns, so their samples can be compared turn by turn.
    """

    environment: Environment
    latencies: tuple[Latency, ...]
    ceilings: tuple[Mapping[str, Any], ...] = ()
    """Of the roofline, as :class:`archcalc.readings.roofline.Ceilings` writes them."""

    def groups(self) -> list[list[Latency]]:
        """The models that took turns: those of one setting, in the order asked for."""
        found: dict[Setting, list[Latency]] = {}
        for latency in self.latencies:
            found.setdefault(latency.setting, []).append(latency)
        return list(found.values())

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
            }
            for row in self.latencies
        ]

    def record(self) -> dict[str, Any]:
        """For JSON: everything, in base units."""
        from archcalc.version import VERSION

        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": VERSION,
            "kind": KIND,
            "environment": asdict(self.environment),
            "ceilings": list(self.ceilings),
            "latencies": [_latency_record(row) for row in self.latencies],
        }


class Ratio(NamedTuple):
    """One median over another, with the interval that a bootstrap gives it."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether there is a difference: the interval does not hold 1."""
        return not self.low <= 1 <= self.high

    def __str__(self) -> str:
        """``3.1× faster (95 %: 2.9 to 3.3)``; which of the two is meant is the caller's to say."""
        if not self.shown:
            return f"no difference shown (95 %: {self.low:.3g}× to {self.high:.3g}×)"
        value, low, high, word = self.value, self.low, self.high, "faster"
        if value < 1:
            value, low, high, word = 1 / value, 1 / high, 1 / low, "slower"
        return f"{value:.3g}× {word} (95 %: {low:.3g}× to {high:.3g}×)"


def speedup(before: Latency, after: Latency, *, seed: int = 0, resamples: int = RESAMPLES) -> Ratio:
    """How many times faster ``after`` is: the ratio of medians, 1 when they are equal.

    The interval is a percentile bootstrap over turns. Two models that took turns are resampled
    together, turn by turn, so a drift of the machine that hit both does not widen it; two that were
    measured apart are resampled each by itself.
    """
    value = before.median / after.median
    left, right = turns(before), turns(after)
    together = before.setting == after.setting and len(left) == len(right)
    generator = random.Random(seed)
    ratios = []
    for _ in range(resamples):
        chosen = generator.choices(range(len(left)), k=len(left))
        other = chosen if together else generator.choices(range(len(right)), k=len(right))
        ratios.append(_median_of(left, chosen) / _median_of(right, other))
    tail = (1 - CONFIDENCE) / 2
    return Ratio(value, quantile(ratios, tail), quantile(ratios, 1 - tail))


def turns(latency: Latency) -> list[tuple[float, ...]]:
    """The samples, turn by turn."""
    samples, size = latency.samples, latency.per_turn
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def quantile(samples: Sequence[float], share: float) -> float:
    """The value below which this share of the samples lies, between neighbours in proportion.

    >>> quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.1)
    1.4
    """
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Spearman's: 1 where the one always grows with the other, equal values sharing their rank.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    0.8
    """
    return statistics.correlation(_ranks(xs), _ranks(ys))


def find(bench: Bench, spec: str, inputs: Sequence[Shape]) -> Latency | None:
    """The first measurement of this model on these inputs."""
    wanted = tuple(tuple(shape) for shape in inputs)
    for latency in bench.latencies:
        if latency.spec == spec and latency.inputs == wanted:
            return latency
    return None


def load(path: str | os.PathLike[str]) -> Bench:
    """A run of ``archcalc bench`` from its JSON file. Raises UsageError for any other file."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON; write one with archcalc bench -o {path}") from error
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise UsageError(f"{path} holds no measurement; write one with archcalc bench -o FILE.json")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {data.get('schema_version')}, this archcalc reads "
            f"{SCHEMA_VERSION}; measure again with archcalc bench -o FILE.json"
        )
    try:
        return _bench(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _latency_record(row: Latency) -> dict[str, Any]:
    record = asdict(row)
    record["warmup"] = row.warmup._asdict()
    record["verified"] = row.verified and row.verified._asdict()
    record["layers"] = row.layers and {
        **row.layers._asdict(),
        "times": [each._asdict() for each in row.layers.times],
    }
    summary = {
        "median": row.median,
        "p10": row.p10,
        "p90": row.p90,
        "iqr": row.iqr,
        "throughput": row.throughput,
    }
    return {**record, "summary": summary}


def _bench(data: Mapping[str, Any]) -> Bench:
    latencies = tuple(map(_latency, data["latencies"]))
    return Bench(Environment(**data["environment"]), latencies, tuple(data["ceilings"]))


def _latency(record: Mapping[str, Any]) -> Latency:
    fields = {key: value for key, value in record.items() if key != "summary"}
    for key in ("samples", "device_samples"):
        fields[key] = tuple(map(float, fields[key]))
    if not fields["samples"] or min(fields["samples"]) <= 0 or fields["per_turn"] < 1:
        raise ValueError(f"{fields['spec']} has no samples of positive length")
    layers = fields["layers"]
    if layers is not None:
        times = tuple(LayerTime(**each) for each in layers["times"])
        fields["layers"] = Layers(times, layers["whole"], layers["missing"])
    if fields["verified"] is not None:
        ours, theirs = (tuple(map(float, fields["verified"][key])) for key in Verified._fields)
        fields["verified"] = Verified(ours, theirs)
    fields["inputs"] = tuple(tuple(shape) for shape in fields["inputs"])
    fields["setting"] = Setting(**fields["setting"])
    fields["warmup"] = Warmup(**fields["warmup"])
    fields["warnings"] = tuple(fields["warnings"])
    return Latency(**fields)


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    last = {value: place for place, value in enumerate(ordered)}
    # Equal values take the mean of the places that they fill.
    return [(ordered.index(value) + last[value]) / 2 for value in values]


def _median_of(groups: Sequence[Sequence[float]], chosen: Sequence[int]) -> float:
    return statistics.median([sample for index in chosen for sample in groups[index]])
