"""Files written beside their place and renamed: a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archcalc.errors import UsageError


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 file whole or not at all. Raises UsageError when it cannot be written."""
    with replacing(path) as beside:
        # Encoded here, so that a line ends in the same way on every system.
        beside.write_bytes(text.encode())


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path in the same folder to write to, and rename it to ``path`` at the end.

    What was at ``path`` stays as it was until then, and for good when the block raises. The
    folder is tried before the block runs, so that long work does not end in a file that nobody may
    write. Raises UsageError.
    """
    target = Path(os.path.realpath(path))  # a link stays, the file it points to is replaced
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}{target.suffix}")
    if target.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; give the name of a file")
    try:
        beside.touch(exist_ok=False)
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        yield beside
        try:
            _finish(beside, target)
        except OSError as error:
            raise _refusal(path, error) from error
    finally:
        with suppress(OSError):  # there is nothing left to remove once it was renamed
            beside.unlink()


def _finish(beside: Path, target: Path) -> None:
    """Make the bytes durable, keep the permissions of the file replaced, and rename."""
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        beside.chmod(target.stat().st_mode & 0o7777)
    beside.replace(target)


def _refusal(path: str | os.PathLike[str], error: OSError) -> UsageError:
    why = (error.strerror or str(error)).lower()
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError) and not folder.is_dir():
        why = f"there is no folder {folder}"
    return UsageError(f"cannot write {path}: {why}; give a file in a folder that you may write to")
