"""Measure the same call with archcalc's timer and ``torch.utils.benchmark.Timer``, in turns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from archcalc.pytorch.bench.targets import Prepared
from archcalc.pytorch.bench.timer import Clock, Plan, Sample, Timing, measure


def _timer() -> Any:
    """Import torch's class without its warning about a missing CUDA compiler."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer
    finally:
        logger.setLevel(before)
    return Timer


class TorchTimer:
    """A subject that takes its samples with torch's timer.

    torch's timer synchronises CUDA itself. It needs ``threads``, because it sets the number of
    threads, to 1 by default.
    """

    def __init__(self, call: Callable[[], object], threads: int) -> None:
        self.timer = _timer()("call()", globals={"call": call}, num_threads=threads)

    def sample(self, calls: int) -> Sample:
        return Sample(float(self.timer.timeit(calls).mean))


def measure_with_torch(
    prepared: Prepared, threads: int, plan: Plan, clock: Clock
) -> tuple[Timing, Timing]:
    """Return (archcalc's timing, torch's timing), measured in turns."""
    ours, theirs = measure([prepared, TorchTimer(prepared.call, threads)], plan, clock)
    return ours, theirs
