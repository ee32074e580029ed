"""The timing harness: warm up until steady, plan runs from a pilot and a budget, alternate models.

It is pure control flow over a clock and :class:`Subject`, which takes one sample. Tests replace
both by fakes and run in milliseconds.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from archcalc.analysis.latency import Warmup

Clock = Callable[[], float]
"""Returns seconds from an arbitrary start, such as ``time.perf_counter``."""

MAX_BUDGETS = 2.0
"""Measuring stops after this multiple of the budget, even if the pilot was wrong."""


class Sample(NamedTuple):
    """Seconds of one call, as the mean over the calls of the sample."""

    wall: float
    """On the host's clock, until the device has finished."""
    device: float | None = None
    """On the device's own clock, without launches; None if it has none."""


class Subject(Protocol):
    """A call that can be timed."""

    def sample(self, calls: int) -> Sample:
        """Make ``calls`` calls and wait until all of them are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure, in seconds."""

    budget: float = 2.0
    """Time for the samples of one model."""
    warmup: float = 5.0
    """The longest warm-up of one model."""
    warmup_least: float = 0.2
    tolerance: float = 0.02
    """The largest relative difference of two successive medians in steady state."""
    shortest: float = 1e-4
    """A sample has enough calls to take this long, so that the clock's resolution is negligible."""
    turn: float = 0.02
    """A model's turn has enough samples to take this long."""
    least: int = 10
    """The fewest samples, regardless of the budget."""
    most: int = 1000
    """The most samples."""


@dataclass(slots=True)
class Timing:
    """The measurements of one subject."""

    warmup: Warmup
    calls: int = 1
    per_turn: int = 1
    samples: list[Sample] = field(default_factory=list)


def measure(
    subjects: Sequence[Subject],
    plan: Plan,
    clock: Clock,
    *,
    between: Callable[[], None] = lambda: None,
    follow: Callable[[float], None] = lambda share: None,
) -> list[Timing]:
    """Warm up each subject, then time them in turns: A B A B.

    With turns, a drift of the machine affects all subjects. A short turn among several subjects
    starts with an untimed call, because another subject has filled the caches. ``between`` is
    called before every round, and ``follow`` with the elapsed fraction of the planned time.
    """
    whole = len(subjects) * (plan.warmup_least + plan.budget)
    with no_garbage_collection():
        found = []
        for place, subject in enumerate(subjects):
            follow(place * plan.warmup_least / whole)
            warmup, pilot = warm_up(subject, plan, clock)
            calls = max(1, math.ceil(plan.shortest / pilot))
            per_turn = min(max(1, int(plan.turn / (calls * pilot))), plan.least)
            found.append((pilot, Timing(warmup, calls, per_turn)))
        begun = clock()
        rounds = _rounds(found, plan)
        for number in range(rounds):
            warm = len(subjects) * plan.warmup_least
            follow((warm + len(subjects) * plan.budget * number / rounds) / whole)
            # The pilot is wrong if other processes started or the clock rate fell.
            late = clock() - begun > MAX_BUDGETS * plan.budget * len(subjects)
            if late and all(len(timing.samples) >= plan.least for _, timing in found):
                break
            between()
            for subject, (pilot, timing) in zip(subjects, found, strict=True):
                if len(subjects) > 1 and pilot < plan.turn:
                    subject.sample(1)
                for _ in range(timing.per_turn):
                    timing.samples.append(subject.sample(timing.calls))
    return [timing for _, timing in found]


def warm_up(subject: Subject, plan: Plan, clock: Clock) -> tuple[Warmup, float]:
    """Call the subject until its running median is steady or the time is up.

    Returns the warm-up and the pilot, which is the median of a call at its end.
    """
    begun = clock()
    walls: list[float] = []
    check = 10
    while True:
        walls.append(subject.sample(1).wall)
        elapsed = clock() - begun
        steady = False
        if len(walls) >= check and elapsed >= plan.warmup_least:
            steady = is_steady(walls, plan.tolerance)
            # Check again after 10 % more calls. Frequent checks would take longer than short calls
            # and sooner or later succeed by chance.
            check = math.ceil(len(walls) * 1.1)
        if steady or elapsed >= plan.warmup:
            pilot = statistics.median(walls[-max(5, len(walls) // 4) :])
            return Warmup(elapsed, len(walls), steady), max(pilot, 1e-9)


def is_steady(walls: Sequence[float], tolerance: float) -> bool:
    """Whether the medians of the last two quarters agree, so that no trend is left.

    >>> is_steady([5.0, 3.0, *[1.0] * 10], 0.02), is_steady([1 + n / 50 for n in range(40)], 0.02)
    (True, False)
    """
    size = max(5, len(walls) // 4)
    if len(walls) < 2 * size:
        return False
    before = statistics.median(walls[-2 * size : -size])
    last = statistics.median(walls[-size:])
    return abs(last - before) <= tolerance * before


def _rounds(found: Sequence[tuple[float, Timing]], plan: Plan) -> int:
    """Return the number of rounds that the combined budget allows."""
    one = sum(pilot * timing.calls * timing.per_turn for pilot, timing in found)
    rounds = int(plan.budget * len(found) / one) if one else plan.most
    fewest = min(timing.per_turn for _, timing in found)
    longest = max(timing.per_turn for _, timing in found)
    return max(1, math.ceil(plan.least / fewest), min(rounds, plan.most // longest))


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage once, then pause collection within the block."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
