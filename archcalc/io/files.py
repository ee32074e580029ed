"""Files written beside their place and renamed: a reader never sees half of one.

A device, a FIFO or a socket is not replaced: what was written beside is copied into it. Every
failure is one sentence.
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
"""Failures of a write that name no file."""

PREFIX = ".archcalc-"
"""How the name of an unfinished file begins."""

LONGEST_SUFFIX = 16
"""Characters of a suffix that some writer looks at; a longer one is part of a name."""


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 file whole or not at all. Raises UsageError when it cannot be written."""
    write_texts({Path(path): text})


def write_texts(files: Mapping[Path, str]) -> None:
    """Write some UTF-8 files together or not at all: none appears before all are complete. The last
    appears last. Raises UsageError."""
    with ExitStack() as stack:
        # The stack closes in reverse order, and closing moves a file to its place.
        for path, text in reversed(list(files.items())):
            beside = stack.enter_context(replacing(path))
            # Encoded here, so that lines end in the same way on every system. Half of a surrogate
            # pair, from the name of a file perhaps, is written as its code point.
            beside.write_bytes(text.encode(errors="backslashreplace"))
            _make_durable(beside)


class _TriedError(Exception):
    """Ends a write that was only tried, so that nothing is put in its place."""


def require_writable(path: PathLike) -> None:
    """Raise UsageError if ``path`` cannot be written, before long work is done."""
    with suppress(_TriedError), replacing(path):
        raise _TriedError


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a temporary path to write to, and move the file to ``path`` at the end.

    What was at ``path`` stays as it was until then, and for good when the block raises. The place
    is tried before the block runs, so that long work does not end in a file that nobody may write.
    Raises UsageError.
    """
    try:
        target, through = _target(path)
        beside = _beside(target, through)
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from error
    try:
        try:
            yield beside
        except OSError as error:
            if error.filename == str(beside) or error.errno in NO_ROOM:
                raise _refusal(path, error) from error
            raise
        try:
            if through:
                _copy(beside, target)
            else:
                _finish(beside, target)
        except OSError as error:
            raise _refusal(path, error) from error
    finally:
        with suppress(OSError):  # there is nothing left to remove once it was renamed
            beside.unlink()


def _target(path: PathLike) -> tuple[Path, bool]:
    """The file that a path leads to, and whether it is written through rather than replaced."""
    try:
        found = os.stat(path)  # follows links, and refuses one that leads to itself
    except FileNotFoundError:
        found = None
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; give the name of a file")
    if found is not None and (not stat.S_ISREG(found.st_mode) or _is_standard_output(found)):
        return Path(path), True  # not by its real name: /dev/stdout has none
    return Path(os.path.realpath(path)), False


def _copy(beside: Path, target: Path) -> None:
    """Write through to a device, a FIFO or standard output."""
    if _is_standard_output(target.stat()):
        sys.stdout.flush()
        sink = os.fdopen(os.dup(1), "wb")  # opened anew, it would begin at the start of its file
    else:
        sink = target.open("wb")
    with beside.open("rb") as source, sink:
        shutil.copyfileobj(source, sink)


def _is_standard_output(found: os.stat_result) -> bool:
    """Whether standard output goes to this file, as with /dev/stdout: replaced, it would
    lose what else is printed."""
    try:
        return os.path.samestat(found, os.fstat(1))
    except OSError:
        return False


def _beside(target: Path, through: bool) -> Path:
    """An empty file to write to: in the target's folder, or a temporary one."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX else ""
    if through:
        number, name = tempfile.mkstemp(suffix)
        os.close(number)
        return Path(name)
    if len(os.fsencode(target.name)) > _longest_name(target.parent):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    beside = target.with_name(f"{PREFIX}{secrets.token_hex(8)}{suffix}")
    beside.touch(exist_ok=False)
    return beside


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255


def _finish(beside: Path, target: Path) -> None:
    """Make the bytes durable, keep the permissions of the file replaced, and rename."""
    _make_durable(beside)
    if target.exists():
        beside.chmod(target.stat().st_mode & 0o7777)
    beside.replace(target)


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
