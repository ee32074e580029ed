"""Measure the peak resident memory of this process during a call, if the system reports it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Writing it to ``clear_refs`` resets the peak to the present size (Linux, proc(5))."""


def peak_resident(call: Callable[[], object]) -> tuple[int | None, int | None]:
    """Make the call; return the peak resident bytes and their growth over the bytes before.

    Linux can reset an earlier peak. On other systems the peak covers the process's lifetime, so the
    growth is unknown. On Windows both are unknown.
    """
    _trim_heap()
    before = _resident() if _reset_peak() else None
    call()
    if before is not None:
        peak = _field("VmHWM")
        return peak, None if peak is None else max(peak - before, 0)
    return _lifetime_peak(), None


def _trim_heap() -> None:
    """Make glibc return freed memory to the system, so that the growth of a call is visible."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_peak() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _resident() -> int | None:
    return _field("VmRSS")


def _field(name: str) -> int | None:
    """Return the bytes of a field of /proc/self/status, which uses kB."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _lifetime_peak() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere
