"""Where each command's ``-o`` may point: a link, a FIFO, a full disk, a file size limit."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import archcalc
from archcalc.report import records
from tests.corpus.contract import call
from tests.corpus.damage import furnish

pytestmark = pytest.mark.skipif(os.name != "posix", reason="these are files of POSIX")

LINES = {
    "list": ["list", "nin"],
    "show": ["show", "nin"],
    "explain": ["explain", "inception-5x5"],
    "flops": ["flops", "nin"],
    "compare": ["compare", "nin", "googlenet"],
    "params": ["params", "nin"],
    "memory": ["memory", "nin"],
    "claims": ["claims", "nin"],
    "lint": ["lint", "nin"],
    "check": ["check", "--budget", "good.toml"],
    "diff": ["diff", "good.json", "other.json"],
    "report": ["report", "inception-5x5", "--no-charts"],
}
"""One line per command that writes a file and needs no torch."""


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> list[str]:
    return LINES[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    furnish(tmp_path)
    other = records.models([archcalc.graph("nin").profile()])
    (tmp_path / "other.json").write_text(json.dumps(other))
    return tmp_path


@pytest.fixture
def short_files() -> Iterator[None]:
    """Files end after 10 bytes, as under ``ulimit -f``."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_link_stays_a_link_and_its_target_is_written(line: list[str], folder: Path) -> None:
    (folder / "alias.md").symlink_to("target.md")
    (folder / "target.md").write_text("before")
    done = call([*line, "-o", "alias.md"], folder)
    assert (done.code in (0, 1), done.err.count("Traceback")) == (True, 0)
    assert os.readlink(folder / "alias.md") == "target.md"
    assert (folder / "target.md").read_text() not in ("", "before")


def test_a_fifo_is_written_to_and_stays_a_fifo(line: list[str], folder: Path) -> None:
    fifo = folder / "pipe.md"
    os.mkfifo(fifo)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()), daemon=True)
    reader.start()
    done = call([*line, "-o", "pipe.md"], folder)
    reader.join(10)
    assert done.code in (0, 1)
    assert fifo.is_fifo()
    assert received
    assert received[0]


def test_a_full_device_is_one_sentence(line: list[str], folder: Path) -> None:
    (folder / "full.md").symlink_to("/dev/full")  # a report takes its format from the extension
    done = call([*line, "-o", "full.md"], folder)
    assert done.code == 2
    assert done.err.startswith("archcalc: cannot write ")
    assert done.err.endswith(": no space left on device\n")
    assert done.err.count("\n") == 1
    assert (folder / "full.md").is_symlink()
    assert Path("/dev/full").is_char_device()


def test_a_file_size_limit_leaves_the_old_file(
    line: list[str], folder: Path, short_files: None
) -> None:
    (folder / "old.md").write_text("before")
    done = call([*line, "-o", "old.md"], folder)
    assert done.code == 2
    assert done.err.startswith("archcalc: cannot write old.md: file too large")
    assert done.err.count("\n") == 1
    assert done.after == done.before
