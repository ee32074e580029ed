"""Peak resident memory of this process while something runs, where the system tells it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to ``clear_refs``, it sets the peak to the present size (Linux, proc(5))."""


def peak_resident(call: Callable[[], object]) -> tuple[int | None, int | None]:
    """Do the call; bytes resident at most, and how far above those before.

    Linux forgets an earlier peak when asked. Elsewhere the peak is of the process's whole life, so
    its growth is not known; on Windows neither is.
    """
    _give_back()
    before = _resident() if _forget_peak() else None
    call()
    if before is not None:
        peak = _field("VmHWM")
        return peak, None if peak is None else max(peak - before, 0)
    return _peak_of_life(), None


def _give_back() -> None:
    """What earlier calls have freed and glibc keeps goes back to the system, so that it does not
    hide what this call takes; another C library is left alone."""
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _resident() -> int | None:
    return _field("VmRSS")


def _field(name: str) -> int | None:
    """Bytes of a line of /proc/self/status, which has them in kB."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _peak_of_life() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, the others KiB
