"""Environments that a command does not expect: no home, another locale, streams that are closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="these are environments of POSIX")

ARCHCALC = f"{sys.executable} -m archcalc"

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "no home": {"HOME": ""},
    "a home that is a file": {"HOME": "/etc/passwd"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a dumb terminal of one column": {"TERM": "dumb", "COLUMNS": "1"},
    "a terminal of no width": {"COLUMNS": "nothing"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
}


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("archcalc", ARCHCALC, 1)],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        errors="replace",
    )


@pytest.mark.parametrize("variables", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_two_models_are_compared_in_any_environment(
    variables: dict[str, str], tmp_path: Path
) -> None:
    done = shell("archcalc compare nin googlenet --format csv", tmp_path, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "222486528" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("archcalc list > /dev/full", 2, "standard output cannot be written: no space left"),
        ("archcalc list >&-", 2, "standard output cannot be written: bad file descriptor"),
        ("archcalc list 2>&- > /dev/null", 0, ""),
        ("archcalc show nin -o /dev/full", 2, "cannot write /dev/full: no space left"),
        ("archcalc show nin -o /proc/none.md", 2, "cannot write /proc/none.md: "),
        ("archcalc show nin -o loop.md", 2, "too many levels of symbolic links"),
        ("archcalc list nin <&-", 0, ""),
        ("archcalc list $'\\xff\\xfe'", 2, "unknown model"),
        ("archcalc show $'net\\xff.py:Net'", 2, "net"),
    ],
)
def test_streams_and_places_that_cannot_be_written(
    line: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "loop.md").symlink_to("loop.md")
    done = shell(line, tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (1 if said else done.stderr.count("\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["loop.md"]
