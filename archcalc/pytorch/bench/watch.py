"""Watch the conditions of a measurement: other processes, the processor's speed, and the GPU's
clocks and throttle reasons."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from archcalc.analysis.quantile import quantiles
from archcalc.io.machine import cores
from archcalc.pytorch.bench.devices import Cuda, Device

STAT = Path("/proc/stat")
PROBE_WORK = 5000
"""Additions in the probe: a few hundred microseconds on one core."""

# Bits of NVML's clock event reasons for a throttled GPU (nvml.h, nvmlClocksEventReasons), without
# idle and application clocks.
THROTTLE_REASONS: Mapping[int, str] = {
    0x4: "power cap in software",
    0x8: "hardware slowdown",
    0x20: "temperature, in software",
    0x40: "temperature, in hardware",
    0x80: "power brake",
}


class Watch:
    """Samples the machine between measurements; ``conditions`` summarises them."""

    def __init__(self, device: Device, nvml: Any = None) -> None:
        self.cpu = device.name == "cpu"
        self.begun = time.perf_counter()
        self.own = time.process_time()
        self.busy = busy_seconds()
        self.probes: list[float] = []
        self.clocks: list[int] = []
        self.reasons: set[int] = set()
        self.handle = None
        self.nvml = nvml
        if isinstance(device, Cuda):
            self.nvml = nvml if nvml is not None else _nvml()
            self.handle = _handle(self.nvml, device)

    def look(self) -> None:
        """Take one sample of the machine; call it between timed samples."""
        if self.cpu:
            self.probes.append(probe())
        if self.handle is not None:
            self._look_at_gpu(self.nvml)

    def _look_at_gpu(self, nvml: Any) -> None:
        try:
            self.clocks.append(int(nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM)))
            bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)
        except nvml.NVMLError:  # some GPUs report only one of the two
            return
        self.reasons |= {bit for bit in THROTTLE_REASONS if bits & bit}

    def conditions(self) -> dict[str, Any]:
        found: dict[str, Any] = {"cores": cores()}
        elapsed = time.perf_counter() - self.begun
        own = time.process_time() - self.own
        busy = busy_seconds()
        if busy is not None and self.busy is not None and elapsed > 0:
            found["other_cores_used"] = max(0.0, (busy - self.busy - own) / elapsed)
        if len(self.probes) >= 5:
            tenths = quantiles(self.probes, 10)
            found["probe_spread"] = tenths[-1] / tenths[0]
        if self.handle is not None:
            if self.clocks:
                found["sm_clock_mhz"] = [min(self.clocks), max(self.clocks)]
            found["throttle_reasons"] = [THROTTLE_REASONS[bit] for bit in sorted(self.reasons)]
        return found


def probe(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of a fixed amount of work on one core."""
    begun = clock()
    total = 0
    for number in range(PROBE_WORK):
        total += number
    return clock() - begun


def busy_seconds() -> float | None:
    """Return the processor time used by all processes since boot, or None if unavailable.

    The first line of /proc/stat has ticks by kind (proc(5)): user, nice, system, idle, iowait, irq,
    softirq, steal. Idle and iowait are not busy. Steal is time used by other virtual machines.
    """
    try:
        ticks = [int(field) for field in STAT.read_text().split("\n", 1)[0].split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None
    return (sum(ticks) - sum(ticks[3:5])) / per_second if len(ticks) >= 5 else None


def _nvml() -> Any:
    """Return NVIDIA's management library, or None without nvidia-ml-py and a driver."""
    try:
        pynvml = import_module("pynvml")
        pynvml.nvmlInit()
    except Exception:  # the package or the driver may be missing
        return None
    return pynvml


def _handle(nvml: Any, device: Cuda) -> Any:
    """Find the GPU by its UUID: torch's index follows CUDA_VISIBLE_DEVICES, NVML's does not."""
    if nvml is None:
        return None
    uuid = getattr(device.cuda.get_device_properties(device.index), "uuid", None)
    if uuid is None:
        return None
    try:
        return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except nvml.NVMLError:  # a partition (MIG) has no such handle
        return None
