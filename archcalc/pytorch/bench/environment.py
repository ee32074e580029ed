"""Record where a number was measured: the machine, the software, torch's flags, the checkout."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from archcalc.analysis.latency import Environment
from archcalc.io.machine import cores, output, processor
from archcalc.pytorch.bench.devices import Cuda, Device
from archcalc.version import VERSION


def environment(device: Device) -> Environment:
    """Return the present environment."""
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


def gpu(device: Device) -> str:
    """Return the GPU's name, or an empty string."""
    if isinstance(device, Cuda):
        return str(device.cuda.get_device_name(device.index))
    return f"{processor()} GPU" if device.name == "mps" else ""


def flags(device: Device) -> dict[str, Any]:
    """Return torch's flags that affect latency."""
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
    """Return the git commit of a folder and whether it has changes, or None for each if unknown."""
    commit = output("git", "rev-parse", "HEAD", folder=folder)
    if not commit:
        return None, None
    changes = output("git", "status", "--porcelain", folder=folder)
    return commit, None if changes is None else bool(changes)
