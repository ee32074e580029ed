"""A fake clock, fake work and a fake GPU, with which the whole harness runs in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from archcalc.pytorch.bench.timer import Sample


class FakeClock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class FakeWork:
    """A subject whose nth call takes as long as ``length(n, now)`` says."""

    def __init__(self, clock: FakeClock, length: Callable[[int, float], float], name: str = ""):
        self.clock = clock
        self.length = length
        self.name = name
        self.calls = 0
        self.log: list[str] = []

    def sample(self, calls: int) -> Sample:
        begun = self.clock()
        for _ in range(calls):
            self.clock.wait(self.length(self.calls, self.clock()))
            self.calls += 1
        self.log.append(self.name)
        return Sample((self.clock() - begun) / calls)


class FakeCuda:
    """``torch.cuda`` with one stream: a launch returns at once and its kernel finishes later.

    It records its calls in order.
    """

    def __init__(self, clock: FakeClock, launch: float = 1e-5, cycles: float = 1e9) -> None:
        self.clock = clock
        self.launch_seconds = launch
        self.cycles = cycles
        self.free_at = clock()
        self.asked: list[str] = []
        self.allocated = 1000
        self.peak = 5000
        self.graphs: list[FakeGraph] = []
        self.recording: FakeGraph | None = None

    def kernel(self, seconds: float) -> None:
        """Simulate a model's call: the host spends the launch, the GPU the kernel."""
        if self.recording is not None:
            self.recording.kernels.append(seconds)
            return
        self.clock.wait(self.launch_seconds)
        self.free_at = max(self.free_at, self.clock()) + seconds

    def synchronize(self, device: int | None = None) -> None:
        self.asked.append("synchronize")
        self.clock.now = max(self.clock.now, self.free_at)

    def Event(self, enable_timing: bool = False) -> FakeEvent:  # noqa: N802  # torch's name
        assert enable_timing
        return FakeEvent(self)

    def _sleep(self, cycles: int) -> None:
        self.asked.append("sleep")
        self.free_at = max(self.free_at, self.clock()) + cycles / self.cycles

    @contextmanager
    def device(self, index: int) -> Iterator[None]:
        yield

    def memory_allocated(self, device: int) -> int:
        return self.allocated

    def max_memory_allocated(self, device: int) -> int:
        return self.peak

    def reset_peak_memory_stats(self, device: int) -> None:
        self.asked.append("reset peak")

    def Stream(self) -> SimpleNamespace:  # noqa: N802  # torch's name
        return SimpleNamespace(wait_stream=lambda other: self.asked.append("side waits"))

    def current_stream(self) -> SimpleNamespace:
        return SimpleNamespace(wait_stream=lambda other: self.asked.append("main waits"))

    @contextmanager
    def stream(self, side: object) -> Iterator[None]:
        self.asked.append("side begins")
        yield
        self.asked.append("side ends")

    def CUDAGraph(self) -> FakeGraph:  # noqa: N802  # torch's name
        self.graphs.append(FakeGraph(self))
        return self.graphs[-1]

    @contextmanager
    def graph(self, graph: FakeGraph) -> Iterator[None]:
        self.asked.append("capture begins")
        self.recording = graph
        yield
        self.recording = None
        self.asked.append("capture ends")


class FakeGraph:
    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.kernels: list[float] = []

    def replay(self) -> None:
        self.cuda.kernel(sum(self.kernels))


class FakeEvent:
    """An event that happens when the stream reaches it."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.at = 0.0

    def record(self) -> None:
        self.at = max(self.cuda.free_at, self.cuda.clock())

    def elapsed_time(self, end: FakeEvent) -> float:
        return 1e3 * (end.at - self.at)
