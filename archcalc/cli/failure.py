"""Unexpected errors as one sentence and an exit code.

0    success
1    a negative result: over budget, not counted with --strict, stale, unexplained
2    wrong input or a failure
130  interrupted
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

BAD_INPUT = 2
INTERRUPTED = 130
LONGEST = 1000
"""Longest line on standard error, in characters."""

ANSWERS = (1, BAD_INPUT, INTERRUPTED)
"""Exit codes that a command may pass to ``sys.exit``. A successful command returns instead."""


def prepare_streams() -> None:
    """Make the standard streams usable: UTF-8 in any locale, and none of them closed.

    If the caller closed one (``>&-``), the next file to be opened would get its file descriptor,
    and output would be written to that file.
    """
    while (lowest := os.open(os.devnull, os.O_RDWR)) < 3:
        os.close(lowest)
        # A standard output opened for reading fails on writes, as a closed one does.
        os.open(os.devnull, os.O_RDONLY if lowest == 1 else os.O_RDWR)
    os.close(lowest)
    if sys.stdout is None or isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # With PYTHONUNBUFFERED, Python ignores partial writes to a full disk.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (open until the process ends)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Unpaired surrogates in file names are escaped.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def failed(error: BaseException) -> int:
    """Report an error and return the exit code. ARCHCALC_DEBUG=1 shows the traceback too."""
    if isinstance(error, SystemExit) and error.code in ANSWERS:
        return int(error.code)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader, such as `head`, closed the pipe
        discard_stdout()
        return BAD_INPUT
    if os.environ.get("ARCHCALC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(_sentence(error))
    if isinstance(error, OSError):
        discard_stdout()
    return BAD_INPUT


def flush() -> int:
    """Flush standard output. Returns 0, or the exit code if that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return failed(error)
    return 0


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        why = (error.strerror or str(error)).lower()
        return f"{error.filename or 'standard output cannot be written'}: {why}"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    from archcalc.guard import first_line

    return (
        f"{first_line(error)}; this is an error in archcalc: please report it with the traceback "
        "that ARCHCALC_DEBUG=1 shows"
    )


def say(sentence: str, below: str = "") -> None:
    """Write one line to standard error, and a table below it. Text that comes from users is
    escaped, and failures to write are ignored."""
    from archcalc.report.escape import for_terminal, visible

    with suppress(OSError):
        sys.stderr.write(f"archcalc: {_cut(visible(sentence))}\n")
        if below:
            sys.stderr.write(f"\n{for_terminal(below)}\n")
        sys.stderr.flush()


def _cut(line: str) -> str:
    """The line, shortened in the middle if it is longer than ``LONGEST``."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def discard_stdout() -> None:
    """Discard buffered output, which Python would otherwise try to write again at exit."""
    with suppress(OSError, ValueError, AttributeError):  # a stream without a file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
