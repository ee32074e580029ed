"""The processes that torchrun started together."""

from __future__ import annotations

from torch import distributed


def leave_group() -> None:
    """End what torchrun began, so that no process waits for another. Alone, there is nothing."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
