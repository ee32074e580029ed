"""Traced graphs in the user's cache folder, so that a model is traced only once.

The key of an entry is a digest of the model's specification and of the versions involved. An entry
is valid only while everything that loading the model depended on is unchanged. Entries are written
atomically, so several processes can share the folder. A damaged entry is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from archcalc.errors import ArchcalcError
from archcalc.graph import Graph
from archcalc.io.cache_folder import cache_folder
from archcalc.io.files import replacing
from archcalc.io.graph_file import decode, encode
from archcalc.lookup.dependencies import Dependencies

FOLDER = "graphs"
SCHEMA_VERSION = 1
LARGEST = 256 * 2**20
"""The most bytes of all entries together. Beyond it, the least recently used are removed."""


class _Entry(msgspec.Struct):
    schema_version: int
    digests: dict[str, str]
    stamps: dict[str, tuple[int, int]]
    variables: dict[str, str | None]
    graph: msgspec.Raw


def key(packages: Sequence[str], **asked: Any) -> str:
    """A digest of a model's specification, and of the versions of archcalc, Python and the
    installed ``packages``."""
    known = {
        "schema": SCHEMA_VERSION,
        "archcalc": _own_sources(),
        "python": sys.version,
        "packages": [f"{name} {_version(name)}" for name in packages],
        "asked": asked,
    }
    text = json.dumps(known, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:40]


def find(name: str) -> Graph | None:
    """The graph of a key, if there is a valid entry."""
    file = _file(name)
    if file is None:
        return None
    try:
        entry = msgspec.json.decode(file.read_bytes(), type=_Entry)
        if entry.schema_version != SCHEMA_VERSION:
            return None
        if not Dependencies(entry.digests, entry.stamps, entry.variables).hold():
            return None
        found = decode(bytes(entry.graph), file)
    except (OSError, ValueError, msgspec.MsgspecError, ArchcalcError, RecursionError):
        return None
    with suppress(OSError):
        os.utime(file)  # _prune removes the least recently used
    return found


def keep(name: str, graph: Graph, depends: Dependencies | None) -> None:
    """Store a graph under a key. Does nothing if its dependencies are unknown, or if the folder
    cannot be written."""
    file = _file(name)
    if file is None or depends is None:
        return
    with suppress(OSError, ArchcalcError):
        entry = _Entry(SCHEMA_VERSION, *depends, msgspec.Raw(encode(graph)))
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_bytes(msgspec.json.encode(entry))
        _prune(file.parent)


def _file(name: str) -> Path | None:
    folder = cache_folder()
    return folder / FOLDER / f"{name}.json" if folder else None


def _prune(folder: Path) -> None:
    """Remove the least recently used entries until the rest is small enough."""
    entries = []
    for file in folder.glob("*.json"):
        with suppress(OSError):  # another process has removed it
            found = file.stat()
            entries.append((found.st_mtime_ns, found.st_size, file))
    total = sum(size for _, size, _ in entries)
    for _, size, file in sorted(entries):
        if total <= LARGEST:
            break
        file.unlink(missing_ok=True)
        total -= size


def _own_sources() -> str:
    """A digest of the names, sizes and modification times of archcalc's own files, because a
    checkout can change without a new version."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            if name.endswith(".py"):
                found = os.stat(os.path.join(place, name))
                digest.update(f"{place}/{name} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
