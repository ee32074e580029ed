"""The cache folder of archcalc, for files that it can recreate."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "ARCHCALC_CACHE"
OFF = "off"


def cache_folder() -> Path | None:
    """The folder named by ``ARCHCALC_CACHE`` or, by default, ``archcalc`` in the user's cache
    folder. None for ``ARCHCALC_CACHE=off``, or if the user has no home folder."""
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
