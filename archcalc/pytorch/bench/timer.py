"""The harness: warm-up until steady, runs from a pilot and a budget, models in turns.

Pure control flow over :class:`Subject`, which does one sample, and a clock: a test puts a fake in
the place of both and sees the whole of it in milliseconds.
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
"""Seconds, from any beginning; ``time.perf_counter``."""

LATE = 2.0
"""Budgets that may pass in the measuring, whatever the pilot promised."""


class Sample(NamedTuple):
    """Seconds of one call, the mean over the calls that the sample was made of."""

    wall: float
    """On the host's clock, until the device has finished."""
    device: float | None = None
    """On the device's own clock, without launches; None where it has none."""


class Subject(Protocol):
    """Something that can be timed."""

    def sample(self, calls: int) -> Sample:
        """Do it ``calls`` times and wait until all of it is done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure, in seconds."""

    budget: float = 2.0
    """For the samples of one model."""
    warmup: float = 5.0
    """The longest warm-up of one model."""
    warmup_least: float = 0.2
    tolerance: float = 0.02
    """Steady: two running medians, one after the other, that differ by less."""
    shortest: float = 1e-4
    """A sample is of as many calls as take this long: the clock's own step is then nothing."""
    turn: float = 0.02
    """A model's turn is of as many samples as take this long."""
    least: int = 10
    """Samples, whatever the budget."""
    most: int = 1000


@dataclass(slots=True)
class Timing:
    """What the harness found out about one subject."""

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
    """Time the subjects: warm each one up, then let them take turns, A B A B.

    Turns make a drift of the machine meet all of them. A short turn of several subjects begins with
    one call that is not timed, so that nobody pays for the caches that another has filled.
    ``between`` is called before every round, ``follow`` with the part of the time that is over, as
    far as the plan tells.
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
            # The pilot can be wrong: a neighbour came, or the clock rate fell.
            late = clock() - begun > LATE * plan.budget * len(subjects)
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
    """Call it until its running median is steady or the time is up; with it the pilot, the median
    of a call at the end."""
    begun = clock()
    walls: list[float] = []
    check = 10
    while True:
        walls.append(subject.sample(1).wall)
        elapsed = clock() - begun
        steady = False
        if len(walls) >= check and elapsed >= plan.warmup_least:
            steady = is_steady(walls, plan.tolerance)
            # The next look comes after a tenth more calls: looking often would take more time than
            # short calls do, and would find some look that agrees by chance.
            check = math.ceil(len(walls) * 1.1)
        if steady or elapsed >= plan.warmup:
            pilot = statistics.median(walls[-max(5, len(walls) // 4) :])
            return Warmup(elapsed, len(walls), steady), max(pilot, 1e-9)


def is_steady(walls: Sequence[float], tolerance: float) -> bool:
    """Whether the median of the last quarter is that of the quarter before, and no trend is left.

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
    """As many as the budgets of all of them allow together."""
    one = sum(pilot * timing.calls * timing.per_turn for pilot, timing in found)
    rounds = int(plan.budget * len(found) / one) if one else plan.most
    fewest = min(timing.per_turn for _, timing in found)
    longest = max(timing.per_turn for _, timing in found)
    return max(1, math.ceil(plan.least / fewest), min(rounds, plan.most // longest))


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect once, and not again until the end."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
