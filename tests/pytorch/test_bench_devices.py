"""Devices by name, and the control flow for CUDA on a fake GPU."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from archcalc.errors import UsageError
from archcalc.pytorch.bench import environment, memory, watch
from archcalc.pytorch.bench.ceilings import Ceilings, ceilings, measure_ceilings, read_cache
from archcalc.pytorch.bench.devices import Cpu, Cuda, Mps, autotune, find_device, threads
from archcalc.pytorch.bench.timer import Plan, measure
from tests.pytorch.bench_fakes import FakeClock, FakeCuda

KERNEL = 5e-4


class Model:
    """A model with one kernel on a fake GPU."""

    def __init__(self, device: Cuda, cuda: FakeCuda) -> None:
        self.device = device
        self.cuda = cuda

    def call(self) -> None:
        self.cuda.kernel(KERNEL)

    def sample(self, calls: int):
        return self.device.sample(self.call, calls)


class Unsynchronised(Cuda):
    """A device that forgets to synchronise."""

    def synchronize(self) -> None:
        pass


def fake(kind: type[Cuda] = Cuda) -> tuple[Cuda, FakeCuda, Model]:
    clock = FakeClock()
    cuda = FakeCuda(clock)
    device = kind(0, clock, cuda)
    return device, cuda, Model(device, cuda)


def test_the_gpu_is_synchronised_before_and_after_the_clock() -> None:
    device, cuda, model = fake()
    cuda.kernel(0.3)  # left over from before
    sample = device.sample(model.call, 1)
    assert sample.wall == pytest.approx(KERNEL + cuda.launch_seconds)
    assert sample.device == pytest.approx(KERNEL)


def test_a_harness_that_does_not_synchronise_fails_the_check() -> None:
    plan = Plan(budget=0.1, warmup=0.5, warmup_least=0.01)
    medians = []
    for kind in (Cuda, Unsynchronised):
        device, _, model = fake(kind)
        (timing,) = measure([model], plan, device.clock)
        medians.append(sorted(sample.wall for sample in timing.samples)[len(timing.samples) // 2])
    honest, broken = medians
    assert honest == pytest.approx(KERNEL, rel=0.05)
    assert broken != pytest.approx(KERNEL, rel=0.05)


def test_gpu_time_excludes_launches_even_if_they_are_slower_than_the_kernels() -> None:
    device, cuda, _ = fake()

    def call() -> None:
        for _ in range(10):
            cuda.kernel(1e-6)  # ten times faster than its launch

    sample = device.sample(call, 1)
    assert sample.wall >= 10 * cuda.launch_seconds
    assert sample.device == pytest.approx(10 * 1e-6)
    assert "sleep" in cuda.asked


def test_without_the_waiting_kernel_gpu_time_includes_gaps() -> None:
    device, cuda, _ = fake()
    device.cuda = SimpleNamespace(
        synchronize=cuda.synchronize, Event=cuda.Event, device=cuda.device
    )
    sample = device.sample(lambda: [cuda.kernel(1e-6) for _ in range(10)], 1)
    assert sample.device == pytest.approx(10 * cuda.launch_seconds, rel=0.2)


def test_marks_time_each_call_and_wait_once() -> None:
    device, cuda, _ = fake()
    marks = [device.mark()]
    for seconds in (1e-3, 2e-3, 3e-3):
        cuda.kernel(seconds)
        marks.append(device.mark())
    assert "synchronize" not in cuda.asked
    found = device.between(marks)
    assert found[1:] == pytest.approx([2e-3, 3e-3])
    assert found[0] == pytest.approx(1e-3 + cuda.launch_seconds)


def test_the_peak_is_of_the_call_only() -> None:
    device, cuda, model = fake()
    assert device.peak_memory(model.call) == (5000, 4000)
    assert cuda.asked == ["synchronize", "reset peak", "synchronize"]


def test_a_graph_is_captured_after_calls_on_a_side_stream() -> None:
    device, cuda, model = fake()
    replay = device.capture(model.call)
    assert cuda.asked == [
        "side waits",
        "side begins",
        "side ends",
        "main waits",
        "capture begins",
        "capture ends",
    ]
    assert cuda.graphs[0].kernels == [KERNEL]
    assert device.sample(replay, 1).device == pytest.approx(KERNEL)


def test_mps_is_synchronised() -> None:
    clock = FakeClock()
    cuda = FakeCuda(clock)
    device = Mps(clock, mps=cuda)
    assert device.sample(lambda: cuda.kernel(KERNEL), 4).wall == pytest.approx(KERNEL, rel=0.05)
    assert device.peak_memory(lambda: None) == (None, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu", "unknown device 'gpu': one of auto, cpu, cuda, cuda:1, mps"),
        ("cpu:1", "unknown device 'cpu:1'"),
        ("cuda:one", "give the GPU's number, as in cuda:1"),
        ("cuda:", "give the GPU's number"),
    ],
)
def test_an_unknown_device_is_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_device(name)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    def there_are(cuda: int, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return there_are


def test_auto_chooses_cuda_then_mps_then_the_cpu(gpus) -> None:
    gpus(1, True)
    assert find_device("auto").name == "cuda:0"
    gpus(0, True)
    assert find_device("auto").name == "mps"
    gpus(0)
    assert find_device("auto").name == "cpu"


def test_a_missing_gpu_is_refused(gpus) -> None:
    gpus(0)
    with pytest.raises(UsageError, match="torch finds no GPU"):
        find_device("cuda")
    with pytest.raises(UsageError, match="torch finds no Apple GPU"):
        find_device("mps")
    gpus(2)
    assert find_device("cuda:1").name == "cuda:1"
    with pytest.raises(UsageError, match=r"no GPU cuda:2; this machine has cuda:0, cuda:1"):
        find_device("cuda:2")


def test_threads_are_set_within_the_block_only() -> None:
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_cudnn_searches_within_the_block_only(monkeypatch: pytest.MonkeyPatch) -> None:
    device, _, _ = fake()
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with autotune(device):
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark
    with autotune(Cpu()):
        assert not torch.backends.cudnn.benchmark


class FakeNvml:
    NVML_CLOCK_SM = 1
    NVMLError = RuntimeError

    def __init__(self) -> None:
        self.clocks = iter([1980, 1200, 1500])
        self.bits = iter([0x1, 0x4, 0x40])

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802  # NVML's names
        assert uuid == "GPU-abc"
        return uuid

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        return next(self.clocks)

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:  # noqa: N802
        return next(self.bits)


def test_clocks_and_throttle_reasons_are_recorded() -> None:
    device, cuda, _ = fake()
    cuda.get_device_properties = lambda index: SimpleNamespace(uuid="abc")
    seen = watch.Watch(device, FakeNvml())
    for _ in range(3):
        seen.look()
    conditions = seen.conditions()
    assert conditions["sm_clock_mhz"] == [1200, 1980]
    assert conditions["throttle_reasons"] == ["power cap in software", "temperature, in hardware"]
    assert "probe_spread" not in conditions


def test_a_gpu_without_throttle_reasons_still_reports_its_clocks(monkeypatch) -> None:
    device, cuda, _ = fake()
    cuda.get_device_properties = lambda index: SimpleNamespace(uuid="abc")
    nvml = FakeNvml()
    nvml.bits = iter(())
    nvml.NVMLError = StopIteration
    seen = watch.Watch(device, nvml)
    seen.look()
    assert seen.conditions()["sm_clock_mhz"] == [1980, 1980]
    assert seen.conditions()["throttle_reasons"] == []


def test_on_the_cpu_other_processes_and_a_probe_are_watched(tmp_path: Path, monkeypatch) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 900 7 0 0 3 0 0\ncpu0 1 2 3\n")
    monkeypatch.setattr(watch, "STAT", stat)
    seen = watch.Watch(Cpu())
    for _ in range(5):
        seen.look()
    stat.write_text("cpu  100100 0 50 900 7 0 0 3 0 0\ncpu0 1 2 3\n")
    conditions = seen.conditions()
    assert conditions["other_cores_used"] > 1
    assert conditions["probe_spread"] >= 1
    monkeypatch.setattr(watch, "STAT", tmp_path / "nothing")
    assert watch.busy_seconds() is None


def test_memory_of_a_call_is_measured() -> None:
    size = 64 * 2**20
    peak, growth = memory.peak_resident(lambda: torch.ones(size, dtype=torch.uint8).sum())
    if growth is not None:  # if the system reports it
        assert growth >= size
        assert peak is not None
        assert peak > growth


def test_the_environment_names_machine_and_software() -> None:
    found = environment.environment(Cpu())
    assert found.torch == torch.__version__
    assert found.cores >= 1
    assert found.processor
    assert found.flags["float32_matmul_precision"] in ("highest", "high", "medium")
    assert found.gpu == ""


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert environment.checkout(tmp_path) == (None, None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the measurement of ceilings; return the requested dtypes."""
    asked: list[str] = []

    def instead(device: object, dtype: str, count: int | None) -> Ceilings:
        asked.append(dtype)
        return Ceilings("a processor", dtype, count, 1e11, ((2**14, 1e10), (2**29, 2e10)), 1e-6)

    monkeypatch.setattr("archcalc.pytorch.bench.ceilings.measure_ceilings", instead)
    monkeypatch.setattr(watch, "busy_seconds", lambda: None)
    return asked


def test_ceilings_are_measured_once_and_kept(tmp_path: Path, quick: list[str]) -> None:
    file = tmp_path / "cache" / "ceilings.json"
    first = ceilings(Cpu(), "float32", 1, path=file)
    assert ceilings(Cpu(), "float32", 1, path=file) == first
    assert quick == ["float32"]
    ceilings(Cpu(), "float32", 2, path=file)
    ceilings(Cpu(), "bfloat16", 1, path=file)
    assert ceilings(Cpu(), "float32", 1, path=file, again=True) == first
    assert quick == ["float32", "float32", "bfloat16", "float32"]


def test_a_damaged_cache_is_ignored(tmp_path: Path, quick: list[str]) -> None:
    file = tmp_path / "ceilings.json"
    odd = '{"schema_version": 1, "ceilings": {"x": %s}}'
    top = {"device": "x", "dtype": "float32", "threads": 1, "copies": [[1, 1.0]], "launch": 1e-6}
    records = [{}, {**top, "flops": "1e11"}, {**top, "flops": -1.0}, {**top, "flops": True}]
    for text in (
        *("{", "[]", '{"schema_version": 0}', "[" * 5000, odd % '{"flops": 1e999}'),
        *(odd % json.dumps(record) for record in records),
    ):
        file.write_text(text)
        assert read_cache(file) == {}
    ceilings(Cpu(), "float32", 1, path=file)
    assert len(json.loads(file.read_text())["ceilings"]) == 1


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path: Path, quick: list[str]) -> None:
    place = tmp_path / "file"
    place.write_text("")
    assert ceilings(Cpu(), "float32", 1, path=place / "ceilings.json").flops == 1e11


def test_ceilings_measured_beside_other_processes_are_not_cached(
    tmp_path: Path, quick: list[str], monkeypatch
) -> None:
    used = iter([0.0, 1e6])
    monkeypatch.setattr(watch, "busy_seconds", lambda: next(used))
    file = tmp_path / "ceilings.json"
    ceilings(Cpu(), "float32", 1, path=file)
    assert not file.exists()


def test_real_ceilings_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archcalc.pytorch.bench.ceilings.LEAST", 0.0)
    monkeypatch.setattr("archcalc.pytorch.bench.ceilings.SIZES", (256,))
    monkeypatch.setattr("archcalc.pytorch.bench.ceilings.LARGEST_COPY", 2**22)
    found = measure_ceilings(Cpu(), "float32", torch.get_num_threads())
    sizes = [size for size, _ in found.copies]
    assert sizes == sorted(sizes)
    assert found.flops * found.launch > 1  # more than one FLOP in the time of a call
    assert found.bandwidth_for(0) >= found.bandwidth_for(sizes[-1]) == found.bandwidth


@pytest.mark.cuda
def test_a_real_gpu_is_synchronised() -> None:
    device = find_device("cuda")
    a = torch.ones(4096, 4096, device="cuda")
    device.sample(lambda: a @ a, 1)
    sample = device.sample(lambda: a @ a, 1)
    assert sample.device is not None
    assert sample.device <= 1.05 * sample.wall
    unsynchronised = Cpu().sample(lambda: a @ a, 1)
    assert unsynchronised.wall < sample.wall
    device.synchronize()


@pytest.mark.cuda
def test_a_real_gpu_has_a_peak_of_at_least_the_output() -> None:
    device = find_device("cuda")
    a = torch.ones(1024, 1024, device="cuda")
    peak, growth = device.peak_memory(lambda: a @ a)
    assert growth is not None
    assert growth >= 4 * 1024 * 1024
    assert peak is not None
    assert peak >= growth
