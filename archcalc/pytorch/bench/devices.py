"""Time calls and measure memory on each device.

CPU: the host's clock around the calls. CUDA: the host's clock with synchronisation, and the GPU's
own time from events on the stream. MPS: the host's clock with synchronisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Protocol

import torch

from archcalc.errors import UsageError
from archcalc.pytorch.bench import memory
from archcalc.pytorch.bench.timer import Clock, Sample

Call = Callable[[], object]


class Device(Protocol):
    """A device that runs models."""

    clock: Clock

    @property
    def name(self) -> str:
        """``cpu``, ``cuda:0``, ``mps``."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def sample(self, call: Call, calls: int) -> Sample:
        """Time ``calls`` calls and return the seconds of one."""

    def mark(self) -> Any:
        """Return a point in time, in the order of the calls."""

    def between(self, marks: list[Any]) -> list[float]:
        """Synchronise, then return the seconds from each mark to the next."""

    def peak_memory(self, call: Call) -> tuple[int | None, int | None]:
        """Make the call once; return the peak bytes and their growth over the bytes before."""


class Cpu:
    """The host: a call is done when it returns."""

    name = "cpu"

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock

    def synchronize(self) -> None:
        """Do nothing: there is no queue."""

    def sample(self, call: Call, calls: int) -> Sample:
        clock = self.clock
        begun = clock()
        for _ in range(calls):
            call()
        return Sample((clock() - begun) / calls)

    def mark(self) -> float:
        return self.clock()

    def between(self, marks: list[Any]) -> list[float]:
        return [end - start for start, end in pairwise(marks)]

    def peak_memory(self, call: Call) -> tuple[int | None, int | None]:
        return memory.peak_resident(call)


class Mps:
    """An Apple GPU. Calls return early; ``synchronize`` waits for them."""

    name = "mps"

    def __init__(self, clock: Clock = time.perf_counter, mps: Any = torch.mps) -> None:
        self.clock = clock
        self.mps = mps

    def synchronize(self) -> None:
        self.mps.synchronize()

    def sample(self, call: Call, calls: int) -> Sample:
        self.synchronize()
        begun = self.clock()
        for _ in range(calls):
            call()
        self.synchronize()
        return Sample((self.clock() - begun) / calls)

    def mark(self) -> float:
        self.synchronize()
        return self.clock()

    def between(self, marks: list[Any]) -> list[float]:
        return [end - start for start, end in pairwise(marks)]

    def peak_memory(self, call: Call) -> tuple[int | None, int | None]:
        """Make the call; torch records no peak on MPS."""
        call()
        self.synchronize()
        return None, None


class Cuda:
    """An NVIDIA GPU, or an AMD GPU under ROCm, which torch also calls "cuda".

    A call returns when its kernels are queued. Each sample has two parts. The host's time is taken
    between two synchronisations and includes launches, as a caller sees them. The GPU's time is
    taken between two events on the stream. If launches are slower than the kernels, the GPU would
    idle between the events. A waiting kernel is therefore queued first, so that the launches run
    ahead. If that is not possible, the GPU's time includes the gaps.
    """

    QUEUE = 5e-3
    """Longest launches, in seconds, that can run ahead: the queue holds about a thousand kernels
    and a launch takes some microseconds."""

    def __init__(
        self, index: int = 0, clock: Clock = time.perf_counter, cuda: Any = torch.cuda
    ) -> None:
        self.index = index
        self.clock = clock
        self.cuda = cuda
        self._cycles: float | None = None

    @property
    def name(self) -> str:
        return f"cuda:{self.index}"

    def synchronize(self) -> None:
        self.cuda.synchronize(self.index)

    def sample(self, call: Call, calls: int) -> Sample:
        self.synchronize()
        begun = self.clock()
        for _ in range(calls):
            call()
        launched = self.clock() - begun
        self.synchronize()
        wall = (self.clock() - begun) / calls
        with self.cuda.device(self.index):
            start, end = self._event(), self._event()
            if launched <= self.QUEUE:
                self._hold(1.5 * launched)
            start.record()
            for _ in range(calls):
                call()
            end.record()
        self.synchronize()
        return Sample(wall, start.elapsed_time(end) / 1e3 / calls)  # elapsed_time is in ms

    def mark(self) -> Any:
        """Record an event on the stream. ``between`` synchronises once, so that no call waits."""
        with self.cuda.device(self.index):
            event = self._event()
            event.record()
        return event

    def between(self, marks: list[Any]) -> list[float]:
        self.synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in pairwise(marks)]

    def peak_memory(self, call: Call) -> tuple[int | None, int | None]:
        self.synchronize()
        self.cuda.reset_peak_memory_stats(self.index)
        before = self.cuda.memory_allocated(self.index)
        call()
        self.synchronize()
        peak = self.cuda.max_memory_allocated(self.index)
        return peak, peak - before

    def capture(self, call: Call) -> Call:
        """Record the call as a CUDA graph and return its replay, without Python or launches.

        As torch's notes on CUDA graphs require, some calls run on a side stream first, and the
        inputs keep their addresses.
        """
        cuda = self.cuda
        with cuda.device(self.index):
            side = cuda.Stream()
            side.wait_stream(cuda.current_stream())
            with cuda.stream(side):
                for _ in range(3):
                    call()
            cuda.current_stream().wait_stream(side)
            graph = cuda.CUDAGraph()
            with cuda.graph(graph):
                kept = call()

        def replay() -> object:
            graph.replay()
            return kept  # keeps the graph's output memory alive

        return replay

    def _event(self) -> Any:
        return self.cuda.Event(enable_timing=True)

    def _hold(self, seconds: float) -> None:
        """Queue a kernel that waits for about ``seconds``."""
        # Used by torch's own tests; it has no public name.
        sleep = getattr(self.cuda, "_sleep", None)
        if sleep is None:
            return
        if self._cycles is None:
            start, end = self._event(), self._event()
            sleep(1_000_000)  # the first one loads the kernel
            start.record()
            sleep(1_000_000)
            end.record()
            self.synchronize()
            self._cycles = 1_000_000 / max(start.elapsed_time(end) / 1e3, 1e-9)
        sleep(int(seconds * self._cycles))


def find_device(name: str) -> Device:
    """Return the device of ``auto|cpu|cuda|cuda:N|mps``. Raises UsageError if it is unavailable.

    ``auto`` chooses CUDA, then MPS, then the CPU.
    """
    kind, colon, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and kind != "cuda"):
        raise UsageError(f"unknown device {name!r}: one of auto, cpu, cuda, cuda:1, mps")
    if colon and not (number.isascii() and number.isdigit()):
        raise UsageError(f"unknown device {name!r}: give the GPU's number, as in cuda:1")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        kind = "mps" if kind == "cpu" and torch.backends.mps.is_available() else kind
    if kind == "cuda":
        return _find_cuda(name, int(number or 0))
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("torch finds no Apple GPU; give --device cpu")
        return Mps()
    return Cpu()


def _find_cuda(name: str, index: int) -> Device:
    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        why = "" if built else ", because it is built without CUDA"
        raise UsageError(f"torch finds no GPU{why}; give --device cpu")
    count = torch.cuda.device_count()
    if index >= count:
        names = ", ".join(f"cuda:{each}" for each in range(count))
        raise UsageError(f"there is no GPU {name}; this machine has {names}")
    return Cuda(index)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use ``count`` threads of torch's pool within the block, or the current number for None."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def autotune(device: Device) -> Iterator[None]:
    """On CUDA, let cuDNN benchmark its algorithms and keep the fastest."""
    if not isinstance(device, Cuda):
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
