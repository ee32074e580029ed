"""docs/hard-cases.md agrees with the cases, and the examples in docs/tracing.md run."""

from __future__ import annotations

import doctest
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from archcalc.ops import TABLE
from archcalc.ops.formula import USERS

ROOT = Path(__file__).resolve().parents[2]


def test_every_case_is_in_the_document_with_its_number() -> None:
    cases = runpy.run_path(str(ROOT / "tests" / "pytorch" / "hard_cases.py"))["CASES"]
    text = (ROOT / "docs" / "hard-cases.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == len(cases) + 3
    for case, row in zip(cases, rows[2:], strict=False):
        title = f"{case.title} ({case.why})" if case.why else case.title
        assert row.startswith(f"| {title} | {case.macs:,} | {case.macs:,} |")


def test_the_examples_run() -> None:
    path = ROOT / "docs" / "tracing.md"
    try:
        failed, tried = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    finally:
        TABLE.pop("mylib::scan", None)
        USERS.pop("mylib::scan", None)
    assert tried > 10
    assert not failed


@pytest.mark.slow
def test_the_document_is_what_the_script_writes() -> None:
    script = ROOT / "benchmarks" / "hard_cases.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
