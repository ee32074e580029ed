"""The contract of every command, and how one line is held against it.

A line may succeed or be refused. A refusal is one sentence on standard error and exit code 2; exit
code 1 is an answer; no traceback is ever shown; no file appears or changes but the one that was
asked for, and that one is whole.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archcalc.cli import run

EXIT_CODES = (0, 1, 2, 130)


@dataclass(frozen=True)
class Done:
    """What one line did."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    before: dict[str, bytes]
    after: dict[str, bytes]


class Stream(io.TextIOWrapper):
    """Standard output as a process has it: encoded, and with a descriptor of no file."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace")

    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def call(arguments: Sequence[str], folder: Path) -> Done:
    """Run a line in this process, in the folder. The state that a line may change is restored."""
    before, here, path = contents(folder), os.getcwd(), list(sys.path)
    modules = set(sys.modules)
    out, err = Stream(), Stream()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(list(arguments))
    finally:
        os.chdir(here)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.startswith("archcalc_model_"):
                del sys.modules[name]
    return Done(tuple(arguments), code, out.text(), err.text(), before, contents(folder))


def breaches(done: Done, output: str = "") -> list[str]:
    """What the line did against the contract; ``output`` is the file that it was asked to write."""
    found = []
    if done.code not in EXIT_CODES:
        found.append(f"exit code {done.code}")
    if "Traceback" in done.err or "Traceback" in done.out:
        found.append("a traceback")
    if "this is an error in archcalc" in done.err:
        found.append("an error of archcalc's own")
    if done.code == 2:
        sentence, *_ = done.err.split("\n\n")  # a table up to the node that failed may follow
        if not done.err.startswith("archcalc: ") or sentence.rstrip("\n").count("\n"):
            found.append("not one sentence")
        if len(sentence) > 2000:
            found.append(f"a sentence of {len(sentence)} characters")
    shown = set(done.err + done.out) - {"\n"}
    if any(sign < " " or "\x7f" <= sign <= "\x9f" for sign in shown):
        found.append("control characters")
    changed = {
        name
        for name in done.before.keys() | done.after.keys()
        if done.before.get(name) != done.after.get(name)
    }
    stem = Path(output).stem
    for name in sorted(changed):
        asked = output and (name == output or (stem and Path(name).name.startswith(f"{stem}-")))
        if not asked or done.code == 2:
            found.append(f"touched {name!r}")
    return found
