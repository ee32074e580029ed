"""Kill a training at random moments, resume it, and compare it with one that was never broken.

    python -m tests.corpus.kills 50            # one process
    python -m tests.corpus.kills 10 --torchrun # two processes, started by torchrun

Prints how many kills were tried and how many runs came through: every record readable after every
kill, and at the end the same weights to the bit.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archcalc.errors import ArchcalcError
from archcalc.io.runs import load

EPOCHS = 100_000  # more than any training reaches before it is killed
SETTINGS = ("--device", "cpu", "--limit", "120", "--batch", "32", "--with", "schedule=constant")
LIMIT = 300
"""Seconds after which a process is given up."""


def command(folder: Path, epochs: int, torchrun: bool, resume: bool) -> list[str]:
    start = [sys.executable]
    if torchrun:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    line = ["-m", "archcalc", "train", "nin-digits", "--folder", str(folder), *SETTINGS]
    return [*start, *line, "--epochs", str(epochs), *(["--resume"] if resume else [])]


def begin(folder: Path, epochs: int, torchrun: bool, resume: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(folder, epochs, torchrun, resume),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill_once(folder: Path, epochs: int, torchrun: bool, wait: float) -> str:
    """Start or resume, kill after ``wait`` seconds of work; what was wrong afterwards."""
    lock = folder / "lock"
    lock.unlink(missing_ok=True)
    process = begin(folder, epochs, torchrun, resume=(folder / "resume.safetensors").exists())
    deadline = time.monotonic() + LIMIT
    while not lock.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            break
        time.sleep(0.002)
    time.sleep(wait)
    ended = process.poll()
    if ended is None:
        os.killpg(process.pid, signal.SIGKILL)
        kill_workers(folder)
    _, said = process.communicate()
    if ended not in (None, 0):
        return f"exit {ended}: {said.decode(errors='replace')[-500:]}"
    try:
        if (folder / "run.json").exists():
            load(folder)
    except ArchcalcError as error:
        return str(error)
    return ""


def kill_workers(folder: Path) -> None:
    """Kill what torchrun started: each worker has a session of its own, so a group misses it.

    A worker that lived on would train, hold the lock, and keep the pipe of errors open.
    """
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in (place / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)


def kills(count: int, torchrun: bool, seconds: float = 1e9) -> tuple[int, list[str]]:
    """Kill a training ``count`` times, or as often as there is time; how often, and what broke."""
    from safetensors.torch import load_file

    wrong: list[str] = []
    tried = 0
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="archcalc-kills-") as place:
        folder, whole = Path(place, "killed"), Path(place, "whole")
        while tried < count and time.monotonic() < until:
            tried += 1
            found = kill_once(folder, EPOCHS, torchrun, random.uniform(0, 0.3))
            if found:
                wrong.append(found)
        done = len(load(folder).history) if (folder / "history.csv").exists() else 0
        epochs = max(done, 1) + 1
        # Both to the same number of epochs; a constant rate lets a run end anywhere.
        for path, resume in ((folder, done > 0), (whole, False)):
            process = begin(path, epochs, torchrun, resume)
            said = process.communicate()[1]
            if process.returncode:
                wrong.append(said.decode(errors="replace")[-500:])
        first, second = (load_file(path / "last.safetensors") for path in (folder, whole))
        if any(not first[name].equal(second[name]) for name in first | second):
            wrong.append("the weights differ from those of the unbroken run")
        rest = [path.name for path in folder.iterdir() if path.name.startswith(".archcalc-")]
        print(f"{tried} kills, {done} epochs, {len(rest)} temporary files left behind")  # noqa: T201
    return tried, wrong


if __name__ == "__main__":
    tried, wrong = kills(
        int(sys.argv[1]), "--torchrun" in sys.argv, float(os.environ.get("SECONDS_AT_MOST", "1e9"))
    )
    print(f"{tried} kills tried, {len(wrong)} breaches: {wrong}")  # noqa: T201
    sys.exit(bool(wrong))
