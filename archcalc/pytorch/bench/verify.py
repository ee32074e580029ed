"""Our median beside ``torch.utils.benchmark.Timer``'s: the same call, in the same run, in turns."""

from __future__ import annotations

from collections.abc import Callable

from torch.utils.benchmark import Timer

from archcalc.pytorch.bench.targets import Prepared
from archcalc.pytorch.bench.timer import Clock, Plan, Sample, Timing, measure


class Theirs:
    """One sample by torch's timer. It synchronises CUDA by itself, and sets its own thread count,
    which is 1 unless told."""

    def __init__(self, call: Callable[[], object], threads: int) -> None:
        self.timer = Timer("call()", globals={"call": call}, num_threads=threads)

    def sample(self, calls: int) -> Sample:
        return Sample(self.timer.timeit(calls).mean)


def beside_torch(
    prepared: Prepared, threads: int, plan: Plan, clock: Clock
) -> tuple[Timing, Timing]:
    """(ours, theirs), sample by sample in turns."""
    ours, theirs = measure([prepared, Theirs(prepared.call, threads)], plan, clock)
    return ours, theirs
