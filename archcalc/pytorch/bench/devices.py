"""How one call is timed on each device: the clock, the wait, the memory.

CPU: the host's clock around the calls. CUDA: the same with a wait before and after, and beside it
the GPU's own time from events on the stream. MPS: the host's clock and the wait.
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
    """Where models run."""

    clock: Clock

    @property
    def name(self) -> str:
        """``cpu``, ``cuda:0``, ``mps``."""

    def synchronize(self) -> None:
        """Wait until everything that was asked for is done."""

    def sample(self, call: Call, calls: int) -> Sample:
        """Time some calls; seconds of one."""

    def mark(self) -> Any:
        """A point in time, in the order of the calls."""

    def between(self, marks: list[Any]) -> list[float]:
        """Wait, then the seconds from each mark to the next."""

    def peak_memory(self, call: Call) -> tuple[int | None, int | None]:
        """Do the call once; peak bytes, and how far they rose above what was there."""


class Cpu:
    """The host itself: a call is done when it returns."""

    name = "cpu"

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock

    def synchronize(self) -> None:
        """Nothing runs behind the caller's back."""

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
        """torch keeps no peak on MPS."""
        call()
        self.synchronize()
        return None, None


class Cuda:
    """An NVIDIA GPU (or an AMD one under ROCm, which torch gives the same name).

    A call returns when its kernels are queued. Each sample has two parts. The host's: wait, start
    the clock, call, wait, stop the clock; launches are in it, as in the life of a caller. The
    GPU's: two events on the stream around the same calls. A GPU that is faster than the launches
    would idle between the events, so a kernel that only waits is queued first, long enough for the
    launches to run ahead; where that cannot be done, the time between the events has those gaps.
    """

    QUEUE = 5e-3
    """Seconds of launches up to which they run ahead: the queue holds some thousand kernels, and a
    launch takes some microseconds."""

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
        """An event on the stream: the wait comes once, at the end, so that no call waits."""
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
        """The call as a CUDA graph: recorded once, replayed without Python and without launches.

        As torch's notes on CUDA graphs ask: some calls on a stream of their own first, and inputs
        that stay where they are.
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
            return kept  # the memory that the graph writes to lives as long as this

        return replay

    def _event(self) -> Any:
        return self.cuda.Event(enable_timing=True)

    def _hold(self, seconds: float) -> None:
        """Queue a kernel that waits about so long."""
        sleep = getattr(
            self.cuda, "_sleep", None
        )  # torch's own tests use it; it has no public name
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
    """The device of ``auto|cpu|cuda|cuda:N|mps``. Raises UsageError for one that is not here.

    ``auto`` is CUDA where there is a GPU, then MPS, else the CPU.
    """
    kind, colon, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and kind != "cuda"):
        raise UsageError(f"unknown device {name!r}: one of auto, cpu, cuda, cuda:1, mps")
    if colon and not (number.isascii() and number.isdigit()):
        raise UsageError(f"unknown device {name!r}: a GPU has a number, as in cuda:1")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        kind = "mps" if kind == "cpu" and torch.backends.mps.is_available() else kind
    if kind == "cuda":
        return _find_cuda(name, int(number or 0))
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("there is no Apple GPU here that torch can use; give --device cpu")
        return Mps()
    return Cpu()


def _find_cuda(name: str, index: int) -> Device:
    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        why = "" if built else ", and this torch is built without CUDA"
        raise UsageError(f"there is no GPU here that torch can use{why}; give --device cpu")
    count = torch.cuda.device_count()
    if index >= count:
        names = ", ".join(f"cuda:{each}" for each in range(count))
        raise UsageError(f"there is no GPU {name}; this machine has {names}")
    return Cuda(index)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads of torch's pool within the block; the present number for None."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def autotune(device: Device) -> Iterator[None]:
    """On CUDA, let cuDNN try its algorithms at the first calls and keep the fastest."""
    if not isinstance(device, Cuda):
        yield
        return
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
