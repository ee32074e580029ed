"""The generator of ``reports/latency-cpu.md``, on a few small models."""

import importlib.util
import sys
from pathlib import Path

import pytest

from archcalc.analysis.roofline import Ceilings
from archcalc.lookup import registry

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "latency_report.py"


def test_the_page_has_all_of_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("latency_report", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    small = ("inception-5x5", "inception-5x5-reduced", "sk-unit")
    monkeypatch.setattr(registry, "names", lambda: small)
    monkeypatch.setattr(script, "PAIRS", script.PAIRS[:1])
    monkeypatch.setattr(script, "BATCHES", (1,))
    monkeypatch.setattr(
        "archcalc.pytorch.bench.run.ceilings",
        lambda device, dtype, count, again: Ceilings("x", dtype, count, 1e12, ((1, 1e11),), 1e-6),
    )
    target = tmp_path / "latency-cpu.md"
    monkeypatch.setattr(sys, "argv", ["latency_report.py", "--time", "0.01", "-o", str(target)])
    script.main()
    page = target.read_text(encoding="utf-8")
    for heading in (
        "## The registry, batch 1, float32",
        "## What predicts the time",
        "## A 1×1 before the 5×5",
        "## Comparison with torch.utils.benchmark",
        "## Warnings",
    ):
        assert heading in page
    assert "9.68×" in page
    assert "| bfloat16 |" in page
    rows = target.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["model", *small]
