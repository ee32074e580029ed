"""What a device allows at best, beside what a model reached: the roofline.

Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model for
multicore architectures" (doi:10.1145/1498765.1498785). The ceilings are measured, never taken from
a data sheet; a node's lower bound is the longest of three times: its FLOPs at the arithmetic
ceiling, its bytes at the copying ceiling, and one launch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from archcalc.analysis.latency import Latency, Layers, LayerTime
from archcalc.analysis.profile import Layer, Profile
from archcalc.analysis.speedup import Ratio, speedup

Label = Literal["compute", "memory", "launch", "free"]

WIDE = 1.25
"""Upper end over lower end from which an interval shows little."""
FAR = 2.0
"""Times its lower bound from which a node's label alone would say too much."""


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
        if layer.op != "input":  # it is there before the pass begins
            total += sum(moved)
    return total


def priced(layers: Layers, found: Sequence[Bound | None]) -> Layers:
    """The times of a pass beside the work and the bounds of the same nodes, by name."""
    known = {bound.name: bound for bound in found if bound is not None}
    return layers._replace(times=tuple(_priced(row, known.get(row.name)) for row in layers.times))


def _priced(row: LayerTime, bound: Bound | None) -> LayerTime:
    if bound is None:
        return row
    return row._replace(
        macs=bound.macs,
        flops=bound.flops,
        bytes=bound.bytes,
        bound=bound.seconds,
        label=bound.label,
        window=bound.window,
    )


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


def story(before: Latency, after: Latency) -> Story | None:
    """Put the saving in multiply-adds beside the saving in time, and name the node that keeps them
    apart. None where the multiply-adds are not known.

    If the second model did its multiply-adds at the first one's rate, its time would have shrunk
    just as they did. Each node's time beyond that is what it costs the saving; the largest is
    named, with the ceiling that it is under. The other way round where time shrank by more.
    """
    if not before.macs or not after.macs:
        return None
    saving = before.macs / after.macs
    speed = speedup(before, after)
    if speed.low <= saving <= speed.high:
        return Story(saving, speed, _follows(speed) if saving != 1 else "")
    slow, quick = (after, before) if speed.value < saving else (before, after)
    return Story(saving, speed, _cause(slow, quick))


def _follows(speed: Ratio) -> str:
    if speed.high > WIDE * speed.low:
        return (
            f"too uncertain to tell from the multiply-adds (95 %: {speed.low:.3g} to "
            f"{speed.high:.3g})"
        )
    return "the time follows the multiply-adds"


def _cause(slow: Latency, quick: Latency) -> str:
    """The node of the slower one, multiply-add for multiply-add, that takes longest beyond its
    multiply-adds at the other one's rate."""
    assert quick.macs
    pace = quick.median / quick.macs
    rows = slow.layers.times if slow.layers is not None else ()
    counted = [row for row in rows if row.macs is not None]
    if not counted:
        return ""
    culprit = max(counted, key=lambda row: row.seconds - (row.macs or 0) * pace)
    what = f"the {culprit.window}" if culprit.window else culprit.op
    share = culprit.seconds / sum(row.seconds for row in rows)
    place = f"{what} {culprit.name} of {slow.spec}" if culprit.name != what else what
    taken = f"takes {100 * share:.0f} % of its time"
    if culprit.distance is None:
        return f"{place}, which moves nothing, {taken}"
    if culprit.distance < FAR:
        return f"{place} is {culprit.label} bound and {taken}"
    # Something holds it that the roofline does not know.
    far = f"{culprit.distance:.1f}" if culprit.distance < 10 else f"{culprit.distance:,.0f}"
    return f"{place} {taken}, {far} times what its {culprit.label} bound allows"


def _bound(layer: Layer, ceilings: Ceilings) -> Bound | None:
    moved = layer.bytes_moved
    if layer.flops is None or moved is None:
        return None
    nbytes = 0 if layer.op == "input" else sum(moved)
    times: dict[Label, float] = {
        "compute": layer.flops / ceilings.flops,
        "memory": nbytes / ceilings.bandwidth_for(nbytes),
        "launch": ceilings.launch,
    }
    if not (nbytes or layer.flops):
        label: Label = "free"
        seconds = 0.0
    else:
        label = max(times, key=lambda each: times[each])
        seconds = times[label]
    weights = layer.node.weights
    window = "×".join(map(str, weights[0].shape[2:])) if layer.kind == "conv" and weights else ""
    return Bound(layer.name, layer.op, layer.macs or 0, layer.flops, nbytes, seconds, label, window)
