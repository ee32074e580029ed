"""The folder in the user's cache for files that archcalc can make again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "ARCHCALC_CACHE"
OFF = "off"


def cache_folder() -> Path | None:
    """The folder named by ``ARCHCALC_CACHE``, else ``archcalc`` in the user's cache folder, where
    the system has it; None for ``ARCHCALC_CACHE=off`` or a user without a home."""
    asked = os.environ.get(VARIABLE, "")
    if asked == OFF:
        return None
    if asked:
        return Path(asked)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return folder / "archcalc"
