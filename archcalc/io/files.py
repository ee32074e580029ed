"""Write files atomically: to a temporary file in the same folder, which is then renamed.

A device, a FIFO or a socket is not replaced; the temporary file is copied into it. Every error is
one sentence.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from archcalc.errors import UsageError

PathLike = str | os.PathLike[str]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Errors of a write that do not name a file."""

PREFIX = ".archcalc-"
"""The start of the names of temporary files."""

LONGEST_SUFFIX = 16
"""The most bytes in a suffix. A longer one belongs to the name."""


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 file atomically. Raises UsageError if it cannot be written."""
    write_texts({Path(path): text})


def write_texts(files: Mapping[Path, str]) -> None:
    """Write several UTF-8 files together: none appears before all are complete, and they appear in
    order. Raises UsageError."""
    with ExitStack() as stack:
        # The stack closes in reverse order, and closing renames a file.
        for path, text in reversed(list(files.items())):
            temporary = stack.enter_context(replacing(path))
            # Encode here, so that lines end in the same way on every system. A lone surrogate, such
            # as one from a file name, is written as its code point.
            temporary.write_bytes(text.encode(errors="backslashreplace"))
            _make_durable(temporary)


class _TriedError(Exception):
    """Aborts a write, so that nothing is replaced."""


def require_writable(path: PathLike) -> None:
    """Raise UsageError, before long work, if ``path`` cannot be written."""
    with suppress(_TriedError), replacing(path):
        raise _TriedError


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give the block a temporary path to write to, and move the file to ``path`` at the end.

    A file at ``path`` does not change before that, and not at all if the block raises. The
    temporary file is created before the block runs, so a folder that is not writable is an error
    before long work. Raises UsageError.
    """
    try:
        target, through = _target(path)
        temporary = _temporary_file(target, through)
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.filename == str(temporary) or error.errno in NO_ROOM:
                raise _refusal(path, error) from error
            raise
        try:
            if through:
                _copy(temporary, target)
            else:
                _finish(temporary, target)
        except OSError as error:
            raise _refusal(path, error) from error
    finally:
        with suppress(OSError):  # after a rename, there is nothing to remove
            temporary.unlink()


def _target(path: PathLike) -> tuple[Path, bool]:
    """The file that a path leads to, and whether to write into it instead of replacing it."""
    try:
        found = os.stat(path)  # follows links, and raises for a circular one
    except FileNotFoundError:
        found = None
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; give the name of a file")
    if found is not None and (not stat.S_ISREG(found.st_mode) or _is_standard_output(found)):
        return Path(path), True  # do not resolve it: /dev/stdout has no real path
    return Path(os.path.realpath(path)), False


def _copy(temporary: Path, target: Path) -> None:
    """Copy into a device, a FIFO or standard output."""
    if _is_standard_output(target.stat()):
        sys.stdout.flush()
        sink = os.fdopen(os.dup(1), "wb")  # opening it again would start at the beginning
    else:
        sink = target.open("wb")
    with temporary.open("rb") as source, sink:
        shutil.copyfileobj(source, sink)


def _is_standard_output(found: os.stat_result) -> bool:
    """Whether standard output goes to this file, as with /dev/stdout. Replacing it would lose other
    output."""
    try:
        return os.path.samestat(found, os.fstat(1))
    except OSError:
        return False


def _temporary_file(target: Path, through: bool) -> Path:
    """An empty file to write to, in the target's folder or in that of temporary files."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX else ""
    if through:
        number, name = tempfile.mkstemp(suffix)
        os.close(number)
        return Path(name)
    if len(os.fsencode(target.name)) > _longest_name(target.parent):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    temporary = target.with_name(f"{PREFIX}{secrets.token_hex(8)}{suffix}")
    temporary.touch(exist_ok=False)
    return temporary


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255


def _finish(temporary: Path, target: Path) -> None:
    """Flush to disk, copy the permissions of the replaced file, and rename."""
    _make_durable(temporary)
    if target.exists():
        temporary.chmod(target.stat().st_mode & 0o7777)
    temporary.replace(target)


def _make_durable(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _refusal(path: PathLike, error: OSError | ValueError) -> UsageError:
    why = str(error)
    if isinstance(error, OSError):
        why = (error.strerror or why).lower()
        folder = Path(path).parent
        if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
            why = f"there is no folder {folder}"
    return UsageError(f"cannot write {path}: {why}")
