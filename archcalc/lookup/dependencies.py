"""The dependencies of loading a model, so that a later process can check whether they changed.

While :func:`recorded` is active, archcalc records the modules that users' code imports, and the
files and environment variables that it reads. If the code depends on something that cannot be
checked later, such as the time or the existence of a file, the dependencies are unknown and nothing
is cached.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

HERE = str(Path(__file__).resolve().parents[1]) + os.sep
STANDARD = tuple(
    os.path.realpath(path) + os.sep for path in (sysconfig.get_path("stdlib"), os.__file__[:-6])
)
INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

UNTRACKED_CALLS = frozenset(
    (
        *("exists", "is_file", "is_dir", "isfile", "isdir", "stat", "getmtime", "getsize"),
        *("listdir", "scandir", "iterdir", "glob", "rglob", "walk"),
        *("time", "time_ns", "perf_counter", "monotonic", "now", "today", "utcnow"),
        *("urandom", "token_hex", "token_bytes", "uuid1", "uuid4", "getpid", "gethostname"),
        *("cpu_count", "urlopen", "urlretrieve", "Popen", "check_output", "system", "popen"),
        *("load_state_dict_from_url", "hf_hub_download", "from_pretrained"),
    )
)
"""Functions whose results cannot be checked later."""

UNTRACKED_EVENTS = ("socket.connect", "subprocess.Popen", "os.system", "os.listdir", "os.scandir")
"""Audit events of the same kind."""


class Dependencies(NamedTuple):
    """Everything outside archcalc and torch that loading a model depended on."""

    digests: dict[str, str]
    """SHA-256 of the source files and other files that users' code read."""
    stamps: dict[str, tuple[int, int]]
    """(bytes, modification time in ns) of the source files of installed packages."""
    variables: dict[str, str | None]
    """Values of the environment variables that were read; None if one was not set."""

    def hold(self) -> bool:
        """Whether nothing has changed."""
        return (
            all(os.environ.get(name) == value for name, value in self.variables.items())
            and all(_stamp(path) == tuple(stamp) for path, stamp in self.stamps.items())
            and all(digest_of(path) == digest for path, digest in self.digests.items())
        )


class _Watch:
    """The dependencies recorded by this process. They accumulate, because a module is imported only
    once."""

    def __init__(self) -> None:
        self.known = set(sys.modules)
        """Modules imported before any model: those of archcalc and torch."""
        self.active = False
        self.files: set[str] = set()
        self.variables: dict[str, str | None] = {}
        self.lost = False
        """Whether the code depends on something that cannot be checked later."""


_watch: _Watch | None = None


@contextmanager
def recorded() -> Iterator[Callable[[], Dependencies | None]]:
    """Record the dependencies of the block. Yields a function that returns them afterwards, or None
    if they are unknown."""
    global _watch  # an audit hook cannot be removed, so there is one per process
    if _watch is None:
        _watch = _Watch()
        sys.addaudithook(_audit)
    watch = _watch
    environ = type(os.environ)
    usual = environ.__getitem__, environ.__contains__, environ.__iter__

    def note(self: Any, key: Any) -> None:
        if isinstance(key, str) and (_by_users_code() or _by_a_package()):
            try:
                watch.variables[key] = usual[0](self, key)
            except KeyError:
                watch.variables[key] = None

    def getitem(self: Any, key: Any) -> Any:
        note(self, key)
        return usual[0](self, key)

    def contains(self: Any, key: Any) -> bool:
        note(self, key)
        return usual[1](self, key)

    def iterate(self: Any) -> Any:
        if _by_users_code():
            watch.lost = True
        return usual[2](self)

    watch.active = True
    environ.__getitem__, environ.__contains__, environ.__iter__ = getitem, contains, iterate  # type: ignore[method-assign]  # put back below
    try:
        yield lambda: _dependencies(watch)
    finally:
        environ.__getitem__, environ.__contains__, environ.__iter__ = usual  # type: ignore[method-assign]
        watch.active = False


def _dependencies(watch: _Watch) -> Dependencies | None:
    if watch.lost:
        return None
    digests: dict[str, str] = {}
    stamps: dict[str, tuple[int, int]] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in watch.known or not file or file.startswith((*STANDARD, HERE)):
            continue
        if _is_installed(file):
            stamps[file] = _stamp(file)
        elif _calls_untracked(file):
            return None
        else:
            watch.files.add(os.path.abspath(file))
    for file in watch.files:
        digests[file] = digest_of(file)
    if "" in digests.values():
        return None  # a file was removed or is not a regular file
    return Dependencies(digests, stamps, dict(watch.variables))


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch
    if watch is None or not watch.active:
        return
    if event == "open":
        path, mode = arguments[0], arguments[1]
        if isinstance(path, str) and not set(mode or "r") & set("wax+") and _by_users_code():
            watch.files.add(os.path.abspath(path))
    elif event in UNTRACKED_EVENTS and _by_users_code():
        watch.lost = True


def _caller() -> str:
    """The file of the innermost frame outside Python's library and this module; empty inside the
    import system."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return ""
        if file != __file__ and not file.startswith(("<frozen", *STANDARD)):
            return file
        frame = frame.f_back
    return ""


def _by_users_code() -> bool:
    file = _caller()
    return bool(file) and not file.startswith(("<", HERE)) and not _is_installed(file)


def _by_a_package() -> bool:
    """Whether an installed package is the caller. torch is excluded: its variables do not change
    what it computes."""
    file = _caller()
    return _is_installed(file) and f"{os.sep}torch{os.sep}" not in file


def _is_installed(file: str) -> bool:
    return any(folder in file for folder in INSTALLED)


def _calls_untracked(file: str) -> bool:
    """Whether a source file calls a function whose result cannot be checked later."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return True  # a compiled module, or text that cannot be parsed
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in UNTRACKED_CALLS
        for node in ast.walk(tree)
    )


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns


def digest_of(path: str) -> str:
    """SHA-256 of a regular file; empty if it cannot be read."""
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
