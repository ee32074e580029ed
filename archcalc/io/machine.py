"""The processor of this machine, and the number of cores that this process may use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path


def processor() -> str:
    """The name of the processor, or ``platform.processor()`` if the system does not provide it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    elif sys.platform == "darwin":
        name = output("sysctl", "-n", "machdep.cpu.brand_string")
        if name:
            return name
    return platform.processor() or platform.machine()


def cores() -> int:
    """The number of logical processors that affinity and control group allow this process."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _quota()
    return count if quota is None else max(1, min(count, quota))


def _quota() -> int | None:
    """The number of processors that a cgroup v2 grants, rounded up; None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else -(-int(quota) // int(period))


def output(*command: str, folder: Path | None = None) -> str | None:
    """The output of a program; None if it is missing or fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
