"""The library functions behind ``verify``, ``reconcile`` and ``export``."""

from __future__ import annotations

from pathlib import Path

import pytest

import archcalc


def test_verify_and_reconcile_return_crosschecks() -> None:
    progress: list[tuple[int, int, str]] = []
    names = ["inception-5x5", "inception-5x5-reduced"]
    checks = archcalc.verify(names, follow=lambda *at: progress.append(at))
    assert progress == [(0, 2, names[0]), (1, 2, names[1])]
    assert [check.macs for check in checks] == [120_422_400, 12_443_648]
    assert all(check.explained for check in checks)
    assert archcalc.reconcile("inception-5x5") == checks[0]


def test_export_returns_the_text_and_writes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nin.py"
    text = archcalc.export("nin", str(path), num_classes=3)
    assert path.read_text(encoding="utf-8") == text
    assert "class " in text
    with pytest.raises(archcalc.UsageError, match="cannot export to 'tf'"):
        archcalc.export("nin", to="tf")
