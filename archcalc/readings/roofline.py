"""What a device allows at best, beside what a model reached: the roofline.

Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model for
multicore architectures" (doi:10.1145/1498765.1498785). The ceilings are measured, never taken from
a data sheet; a node's lower bound is the longest of three times: its FLOPs at the arithmetic
ceiling, its bytes at the copying ceiling, and one launch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from archcalc.graph import Graph, Value, Weight
from archcalc.readings.latency import Latency, Layers, Ratio
from archcalc.readings.profile import Layer, Profile

Label = Literal["compute", "memory", "launch", "free"]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """One device in one dtype, measured."""

    device: str
    """The processor or GPU by its name."""
    dtype: str
    threads: int | None
    flops: float
    """FLOP/s of the best large matrix product, 2 a multiply-add."""
    copies: tuple[tuple[int, float], ...]
    """(bytes read and written, bytes a second) of copies that fit one cache after another; the last
    one is larger than any cache."""
    launch: float
    """Seconds of a call on one element."""

    @property
    def bandwidth(self) -> float:
        """Bytes a second of the largest copy: main memory's."""
        return self.copies[-1][1]

    def bandwidth_for(self, nbytes: int) -> float:
        """Bytes a second of the fastest copy that moves at least so much.

        A small tensor may lie in a cache, which is faster than main memory; a bound that held for
        main memory alone would be no lower bound.
        """
        fitting = [speed for size, speed in self.copies if size >= nbytes]
        return max(fitting, default=self.bandwidth)

    @property
    def ridge(self) -> float:
        """FLOPs a byte at which arithmetic takes as long as main memory."""
        return self.flops / self.bandwidth

    def record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Ceilings:
        """Of a record. Raises KeyError, TypeError or ValueError for any other."""
        copies = tuple((int(size), float(speed)) for size, speed in record["copies"])
        found = cls(**{**record, "copies": copies})
        if not copies or min(found.flops, found.launch, *(speed for _, speed in copies)) <= 0:
            raise ValueError("a ceiling is not positive")
        return found


class Bound(NamedTuple):
    """One node under the roofline."""

    name: str
    op: str
    macs: int
    flops: int
    bytes: int
    seconds: float
    """The lower bound."""
    label: Label
    """Which of the three is the longest; ``free`` where no byte moves."""
    window: str = ""
    """``1×1`` of a convolution."""

    @property
    def intensity(self) -> float | None:
        """FLOPs a byte."""
        return self.flops / self.bytes if self.bytes else None


def bounds(profile: Profile, ceilings: Ceilings) -> tuple[Bound | None, ...]:
    """The lower bound of every layer, in the profile's dtypes; None where it is not counted."""
    return tuple(_bound(layer, ceilings) for layer in profile.layers)


def lower_bound(found: Iterable[Bound | None]) -> float | None:
    """Seconds of a whole pass at best; None where a layer is not counted."""
    seconds = 0.0
    for bound in found:
        if bound is None:
            return None
        seconds += bound.seconds
    return seconds


def bytes_moved(profile: Profile) -> int | None:
    """Bytes that all layers read and write, each run alone; None where one is not counted."""
    total = 0
    for layer in profile.layers:
        moved = layer.bytes_moved
        if moved is None:
            return None
        total += sum(moved)
    return total


def cast(graph: Graph, dtype: str) -> Graph:
    """The same graph, float32 weights and tensors in another dtype, as ``module.to`` does."""
    if dtype == "float32":
        return graph

    def value(found: Value) -> Value:
        return found._replace(dtype=dtype) if found.dtype == "float32" else found

    def weight(found: Weight) -> Weight:
        return found._replace(dtype=dtype) if found.dtype == "float32" else found

    nodes = tuple(
        node._replace(
            inputs=tuple(map(value, node.inputs)),
            outputs=tuple(map(value, node.outputs)),
            weights=tuple(map(weight, node.weights)),
        )
        for node in graph.nodes
    )
    outputs = {name: value(found) for name, found in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs)


class LayerRow(NamedTuple):
    """A node's time beside its work."""

    bound: Bound | None
    """None where the node is not counted."""
    name: str
    op: str
    seconds: float

    @property
    def flops_per_second(self) -> float | None:
        return self.bound.flops / self.seconds if self.bound and self.seconds else None

    @property
    def bytes_per_second(self) -> float | None:
        return self.bound.bytes / self.seconds if self.bound and self.seconds else None

    @property
    def distance(self) -> float | None:
        """How many times its lower bound it takes."""
        return self.seconds / self.bound.seconds if self.bound and self.bound.seconds else None


def by_layer(layers: Layers, found: Sequence[Bound | None]) -> list[LayerRow]:
    """The times of a ``--layers`` pass beside the bounds of the same nodes, by name."""
    known = {bound.name: bound for bound in found if bound is not None}
    return [LayerRow(known.get(row.name), row.name, row.op, row.seconds) for row in layers.times]


class Story(NamedTuple):
    """Why fewer multiply-adds are, or are not, faster."""

    macs_ratio: float
    speed: Ratio
    cause: str

    def __str__(self) -> str:
        fewer = "fewer" if self.macs_ratio >= 1 else "more"
        times = self.macs_ratio if self.macs_ratio >= 1 else 1 / self.macs_ratio
        value = self.speed.value
        if not self.speed.shown:
            faster = "no difference in speed shown"
        elif value >= 1:
            faster = f"{value:.3g}× faster"
        else:
            faster = f"{1 / value:.3g}× slower"
        macs = "as many multiply-adds" if times == 1 else f"{times:.3g}× {fewer} multiply-adds"
        return f"{macs}, {faster}" + (f": {self.cause}" if self.cause else "")


def story(
    before: Latency,
    after: Latency,
    speed: Ratio,
    rows_before: Sequence[LayerRow],
    rows_after: Sequence[LayerRow],
) -> Story | None:
    """Put the saving in multiply-adds beside the saving in time, and name the node that keeps them
    apart. None where the multiply-adds are not known.

    If the second model did its multiply-adds at the first one's rate, its time would have shrunk
    just as they did. Each node's time beyond that is what it costs the saving; the largest is
    named, with the ceiling that it is under. The other way round where time shrank by more.
    """
    if not before.macs or not after.macs:
        return None
    saving = before.macs / after.macs
    if speed.low <= saving <= speed.high:
        return Story(saving, speed, "" if saving == 1 else "the time follows the multiply-adds")
    if speed.value < saving:
        culprit, share = _largest_excess(rows_after, before)
        whose = after
    else:
        culprit, share = _largest_excess(rows_before, after)
        whose = before
    if culprit is None or culprit.bound is None:
        return Story(saving, speed, "")
    return Story(saving, speed, f"{_named(culprit)} of {whose.spec} {_is_bound(culprit, share)}")


def _largest_excess(rows: Sequence[LayerRow], other: Latency) -> tuple[LayerRow | None, float]:
    """The node that takes longest beyond its multiply-adds at the other model's rate, and its share
    of its own model's time."""
    assert other.macs is not None
    pace = other.median / other.macs
    counted = [row for row in rows if row.bound is not None]
    if not counted:
        return None, 0.0

    def excess(row: LayerRow) -> float:
        assert row.bound is not None
        return row.seconds - row.bound.macs * pace

    largest = max(counted, key=excess)
    return largest, largest.seconds / sum(row.seconds for row in rows)


def _named(row: LayerRow) -> str:
    assert row.bound is not None
    return f"the {row.bound.window} {row.name}" if row.bound.window else f"{row.op} {row.name}"


def _is_bound(row: LayerRow, share: float) -> str:
    assert row.bound is not None
    part = f"and takes {100 * share:.0f} % of its time"
    distance = row.distance
    if distance is None:
        return f"moves nothing {part}"
    # A node far above its bound is held by something that the roofline does not know.
    reached = f" ({distance:.2g} times its lower bound)" if distance >= 2 else ""
    return f"is {row.bound.label} bound{reached} {part}"


def _bound(layer: Layer, ceilings: Ceilings) -> Bound | None:
    moved = layer.bytes_moved
    if layer.flops is None or moved is None:
        return None
    nbytes = sum(moved)
    times: dict[Label, float] = {
        "compute": layer.flops / ceilings.flops,
        "memory": nbytes / ceilings.bandwidth_for(nbytes),
        "launch": ceilings.launch,
    }
    if layer.op == "input" or not (nbytes or layer.flops):
        label: Label = "free"
        seconds = 0.0
    else:
        label = max(times, key=lambda each: times[each])
        seconds = times[label]
    weights = layer.node.weights
    window = "×".join(map(str, weights[0].shape[2:])) if layer.kind == "conv" and weights else ""
    return Bound(layer.name, layer.op, layer.macs or 0, layer.flops, nbytes, seconds, label, window)
