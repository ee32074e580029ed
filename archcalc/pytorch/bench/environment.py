"""What made the number: the machine, the software, torch's switches, the checkout."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from archcalc.analysis.latency import Environment
from archcalc.pytorch.bench.devices import Cuda, Device
from archcalc.version import VERSION


def environment(device: Device) -> Environment:
    """As it is now."""
    commit, dirty = checkout(Path.cwd())
    return Environment(
        processor=processor(),
        cores=cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        archcalc=VERSION,
        gpu=gpu(device),
        commit=commit,
        dirty=dirty,
        flags=flags(device),
    )


def processor() -> str:
    """By its name; platform's word where the system does not tell it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    elif sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string")
        if name:
            return name
    return platform.processor() or platform.machine()


def cores() -> int:
    """Logical processors that this process may use: by its affinity and its control group."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _quota()
    return count if quota is None else max(1, min(count, quota))


def gpu(device: Device) -> str:
    """The GPU's name, or nothing."""
    if isinstance(device, Cuda):
        return str(device.cuda.get_device_name(device.index))
    return f"{processor()} GPU" if device.name == "mps" else ""


def flags(device: Device) -> dict[str, Any]:
    """torch's switches that change a time."""
    found: dict[str, Any] = {
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }
    if isinstance(device, Cuda):
        found |= {
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch lacks it
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        }
    elif device.name == "cpu":
        found |= {
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "onednn": bool(torch.backends.mkldnn.enabled),
            "mkl": torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]  # torch's
            "interop_threads": torch.get_num_interop_threads(),
        }
    return found


def checkout(folder: Path) -> tuple[str | None, bool | None]:
    """The git commit of a folder and whether it has changes; None where there is neither."""
    commit = _output("git", "rev-parse", "HEAD", folder=folder)
    if not commit:
        return None, None
    changes = _output("git", "status", "--porcelain", folder=folder)
    return commit, None if changes is None else bool(changes)


def _quota() -> int | None:
    """Whole processors that a control group of the second version grants, rounded up."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else -(-int(quota) // int(period))


def _output(*command: str, folder: Path | None = None) -> str | None:
    """What a program says; None where it is not here or refuses."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
