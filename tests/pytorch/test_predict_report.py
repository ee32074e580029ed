"""``benchmarks/predict.py`` on two small models and a calibration with known numbers."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from archcalc.io import calibrations
from tests.analysis.calibrations import calibration

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "predict.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("predict_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["predict_benchmark"] = module  # NamedTuple looks its module up
    spec.loader.exec_module(module)
    return module


def test_the_page_has_all_of_its_parts_and_a_second_run_measures_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("inception-5x5", "inception-5x5-reduced", "nin-digits", "nin-mnist-v0")
    monkeypatch.setattr(script, "QUICK", quick)
    monkeypatch.setattr(script, "BATCHES", (1,))
    work, target = tmp_path / "work", tmp_path / "predict-cpu.md"
    work.mkdir()
    calibrations.save(calibration(), str(work / "calibration-float32-1.json"))
    arguments = ["--quick", "--busy", "--samples", "0.01", "--dtype", "float32"]
    arguments += ["--work", str(work), "--since", str(work), "-o", str(target)]
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments])
    script.main()
    page = target.read_text(encoding="utf-8")
    for part in (
        "## cpu, float32, 1 thread",
        "| prediction ",
        "| multiply-adds × constant ",
        "### Largest errors",
        "of 4 measured times",
        "For 4 measurements that both runs have",
        "not wall-clock time",
    ):
        assert part in page
    assert len(target.with_suffix(".csv").read_text().splitlines()) == 1 + 4
    monkeypatch.setattr(script.archcalc, "bench", None)  # all measurements exist already
    script.main()
    assert target.read_text(encoding="utf-8") == page


def test_several_threads_have_no_thread_clock(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["predict.py", "--busy", "--threads", "2"])
    with pytest.raises(SystemExit, match="2"):
        script.main()
    assert "--busy needs --threads 1" in capsys.readouterr().err
