"""Find the line of the user's code that made a call."""

from __future__ import annotations

import sys
from os import sep
from pathlib import Path

import torch

LIBRARIES = (f"{Path(torch.__file__).parent}{sep}", f"{Path(__file__).parents[2]}{sep}")


def users_line(prefix: str = "") -> str:
    """Return ``net.py:12 in forward`` for the innermost frame outside torch and archcalc, or ""."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(LIBRARIES) and not code.co_filename.startswith("<froz"):
            return f"{prefix}{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return ""
