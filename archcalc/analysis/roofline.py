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
from archcalc.language import Message, _

Label = Literal["compute", "memory", "launch", "free"]

WIDE = 1.25
"""Upper end over lower end from which an interval shows little."""
FAR = 2.0
"""Times its lower bound from which the bound does not explain a node's time."""


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
        """Bytes a second of the fastest copy of at least this size.

        A small tensor may lie in a cache, which is faster than main memory, so the speed of main
        memory would not give a lower bound.
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
    """Bytes that all layers read and write; None if one is not counted."""
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
    cause: Message

    def __str__(self) -> str:
        if self.macs_ratio == 1:
            macs = _("as many multiply-adds")
        elif self.macs_ratio > 1:
            macs = _("{ratio:.3g}× fewer multiply-adds", ratio=self.macs_ratio)
        else:
            macs = _("{ratio:.3g}× more multiply-adds", ratio=1 / self.macs_ratio)
        value = self.speed.value
        if not self.speed.shown:
            faster = _("no difference in speed shown")
        elif value >= 1:
            faster = _("{ratio:.3g}× faster", ratio=value)
        else:
            faster = _("{ratio:.3g}× slower", ratio=1 / value)
        if self.cause:
            return _("{macs}, {faster}: {cause}", macs=macs, faster=faster, cause=_(self.cause))
        return _("{macs}, {faster}", macs=macs, faster=faster)


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
        return Story(saving, speed, _follows(speed) if saving != 1 else Message())
    slow, quick = (after, before) if speed.value < saving else (before, after)
    return Story(saving, speed, _cause(slow, quick))


def _follows(speed: Ratio) -> Message:
    if speed.high > WIDE * speed.low:
        return Message(
            "too uncertain to tell from the multiply-adds (95 %: {low:.3g} to {high:.3g})",
            low=speed.low,
            high=speed.high,
        )
    return Message("the time follows the multiply-adds")


def _cause(slow: Latency, quick: Latency) -> Message:
    """The node of the slower one, multiply-add for multiply-add, that takes longest beyond its
    multiply-adds at the other one's rate."""
    assert quick.macs
    pace = quick.median / quick.macs
    rows = slow.layers.times if slow.layers is not None else ()
    counted = [row for row in rows if row.macs is not None]
    if not counted:
        return Message()
    culprit = max(counted, key=lambda row: row.seconds - (row.macs or 0) * pace)
    what = Message(culprit.op)
    if culprit.window:
        what = Message("the {window}", window=culprit.window)
    place = what
    if culprit.name != what:
        place = Message("{what} {node} of {model}", what=what, node=culprit.name, model=slow.spec)
    values: dict[str, Any] = {
        "place": place,
        "share": 100 * culprit.seconds / sum(row.seconds for row in rows),
        "bound": Message(culprit.label),
    }
    if culprit.distance is None:
        return Message("{place}, which moves nothing, takes {share:.0f} % of its time", **values)
    if culprit.distance < FAR:
        return Message("{place} is {bound} bound and takes {share:.0f} % of its time", **values)
    # Something holds it that the roofline does not know.
    far = f"{culprit.distance:.1f}" if culprit.distance < 10 else f"{culprit.distance:,.0f}"
    return Message(
        "{place} takes {share:.0f} % of its time, {far} times what its {bound} bound allows",
        **values,
        far=far,
    )


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
