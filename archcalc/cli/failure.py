"""What no command explained, as one sentence and an exit code.

0    success
1    an answer: over budget, not counted with --strict, stale, unexplained
2    a wrong input or a failure
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
"""Characters of a line on standard error."""

ANSWERS = (1, BAD_INPUT, INTERRUPTED)
"""The codes with which a command may exit by itself; success returns instead."""


def prepare_streams() -> None:
    """Make the standard streams usable: UTF-8 whatever the locale, and none of them closed.

    Where the caller closed one (``>&-``), the next file that is opened would take its number, and
    prints would end up in that file.
    """
    while (lowest := os.open(os.devnull, os.O_RDWR)) < 3:
        os.close(lowest)
        # Writing to a standard output that is open for reading fails, as it does to a closed one.
        os.open(os.devnull, os.O_RDONLY if lowest == 1 else os.O_RDWR)
    os.close(lowest)
    if sys.stdout is None or isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # Under PYTHONUNBUFFERED, Python takes half a write to a full disk for a whole one.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (it stays open to the end)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A lone surrogate of a file's name is shown escaped.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def failed(error: BaseException) -> int:
    """Say what went wrong and give the exit code. ARCHCALC_DEBUG=1 shows the traceback too."""
    if isinstance(error, SystemExit) and error.code in ANSWERS:
        return int(error.code)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # the reader, `head` for example, has seen enough
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
    """Write what standard output still holds; 0, or the exit code where that fails."""
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
    """One line on standard error, if anything can be written there, and a table below it. Names in
    them may be users'."""
    from archcalc.report.escape import for_terminal, visible

    with suppress(OSError):
        sys.stderr.write(f"archcalc: {_cut(visible(sentence))}\n")
        if below:
            sys.stderr.write(f"\n{for_terminal(below)}\n")
        sys.stderr.flush()


def _cut(line: str) -> str:
    """A line without its middle, where it quotes thousands of characters."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def discard_stdout() -> None:
    """Send what is still buffered nowhere: Python would try to write it again when it exits."""
    with suppress(OSError, ValueError, AttributeError):  # a stream without a file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
