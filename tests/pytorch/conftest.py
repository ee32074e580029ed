"""Fixtures for tests of commands that need torch."""

from __future__ import annotations

import pytest

from archcalc.cli import run


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    """Run a command line and return (exit code, stdout, stderr)."""

    def call(line: str) -> tuple[int, str, str]:
        try:
            code = run(line.split())
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
