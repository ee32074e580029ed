"""Leave the process group that torchrun started."""

from __future__ import annotations

from torch import distributed


def leave_group() -> None:
    """Leave the process group, if there is one, so that no process waits for another."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
