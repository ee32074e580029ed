"""Our median beside ``torch.utils.benchmark.Timer``'s: the same call, in the same run, in turns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from archcalc.pytorch.bench.targets import Prepared
from archcalc.pytorch.bench.timer import Clock, Plan, Sample, Timing, measure


def _timer() -> Any:
    """torch's class, imported without its remark that there is no CUDA compiler here."""
    remarks = logging.getLogger("torch.utils.cpp_extension")
    before = remarks.level
    remarks.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer
    finally:
        remarks.setLevel(before)
    return Timer


class Theirs:
    """One sample by torch's timer. It synchronises CUDA by itself, and sets its own thread count,
    which is 1 unless told."""

    def __init__(self, call: Callable[[], object], threads: int) -> None:
        self.timer = _timer()("call()", globals={"call": call}, num_threads=threads)

    def sample(self, calls: int) -> Sample:
        return Sample(float(self.timer.timeit(calls).mean))


def beside_torch(
    prepared: Prepared, threads: int, plan: Plan, clock: Clock
) -> tuple[Timing, Timing]:
    """(ours, theirs), sample by sample in turns."""
    ours, theirs = measure([prepared, Theirs(prepared.call, threads)], plan, clock)
    return ours, theirs
