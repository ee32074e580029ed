"""Files of calibrations: written, found, and refused in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.cli import run
from archcalc.io import calibrations
from tests.analysis.calibrations import calibration


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARCHCALC_CACHE", str(tmp_path))
    return tmp_path


def refusal(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of a command that exits with 2."""
    assert run(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_calibration_is_the_same_after_it_was_written(folder: Path) -> None:
    found = calibration()
    path = calibrations.save(found)
    assert path.parent == folder / "calibrations"
    assert calibrations.load(path) == found
    assert calibrations.find("cpu", "float32") == found


def test_the_number_of_threads_can_be_chosen(folder: Path) -> None:
    one = calibration()
    two = replace(one, setting=replace(one.setting, threads=2))
    calibrations.save(two)
    calibrations.save(one)
    assert calibrations.find("cpu,threads=2", "float32") == two
    assert calibrations.find("cpu,threads=1", "float32") == one


def test_predictions_are_columns_of_a_comparison(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrations.save(calibration())
    assert run(["compare", "nin", "inception-5x5", "--predict", "cpu", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (nin, other) = found["predictions"]["models"]
    assert nin["low_s"] < nin["predicted_s"] < nin["high_s"]
    assert other["spec"] == "inception-5x5"
    assert run(["compare", "nin", "inception-5x5", "--predict", "cpu", "--format", "csv"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.endswith("predicted_s,predicted_low_s,predicted_high_s")


def test_predicting_imports_neither_torch_nor_scikit_learn(folder: Path) -> None:
    calibrations.save(calibration())
    code = (
        "import sys\n"
        "for name in ('torch', 'sklearn', 'scipy'): sys.modules[name] = None\n"
        "import archcalc\n"
        "print(archcalc.predict('nin', 'cpu').seconds)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0


def damaged(change: Callable[[dict[str, Any]], object], folder: Path) -> Path:
    data = json.loads(calibrations.save(calibration()).read_text())
    change(data)
    path = folder / "damaged.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data.update(kind="archcalc bench"), "is not a calibration"),
        (lambda data: data.update(schema_version=9), "cannot read it; run `archcalc calibrate`"),
        (lambda data: data["features"].pop(), "cannot read it; run `archcalc calibrate`"),
        (lambda data: data["ceilings"].update(flops=0), "damaged: a ceiling is not positive"),
        (lambda data: data["network"].update(scale=-1), "damaged: the model of networks"),
        (lambda data: data.update(kinds={}), "damaged: it has no kinds of operators"),
        (lambda data: data["kinds"]["conv"]["lowest"].pop(), "kinds.conv: features are missing"),
        (
            lambda data: data["kinds"]["conv"]["median"].update(roots=[7]),
            "kinds.conv.median: the trees do not fit together",
        ),
        (lambda data: data["kinds"]["conv"].update(calls="many"), "expected a whole number"),
        (lambda data: data["setting"].pop("device"), "device is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_refused_in_one_sentence(
    change: Callable[[dict[str, Any]], object],
    sentence: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = damaged(change, folder)
    assert sentence in refusal(f"compare nin --predict {path}", capsys)


def test_half_a_file_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = calibrations.save(calibration())
    path.write_text(path.read_text()[:1000])
    assert "is not JSON" in refusal("compare nin --predict cpu", capsys)


def test_without_a_calibration_the_command_that_makes_one_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "run `archcalc calibrate --device cpu --dtype float32`" in refusal(
        "compare nin --predict cpu", capsys
    )
    calibrations.save(calibration())
    told = refusal("compare nin --predict cpu,threads=64", capsys)
    assert "only 1 of other settings" in told
    assert "--threads 64`" in told
    assert "--dtype bfloat16`" in refusal("compare nin --dtype bfloat16 --predict cpu", capsys)


def test_a_calibration_of_another_machine_is_not_taken_for_this_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = calibration()
    other = replace(mine, environment=replace(mine.environment, processor="Another"))
    path = calibrations.save(other)
    assert "was made on another machine (Another, " in refusal("compare nin --predict cpu", capsys)
    named = path.rename(path.with_name("cpu-float32-1-threads-0123456789.json"))
    assert "only 1 of another machine" in refusal("compare nin --predict cpu", capsys)
    # A file that is named predicts for its machine, and says so.
    assert run(f"compare nin --predict {named}".split()) == 0
    assert "Predicted for Another" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["tpu", "cpu,cores=2", "cpu,threads=two", "cpu,channels_last=2"])
def test_an_unknown_device_or_setting_is_refused(
    asked: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"cannot predict for '{asked}'" in refusal(f"compare nin --predict {asked}", capsys)


def test_without_a_cache_folder_a_file_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARCHCALC_CACHE", "off")
    assert "name a calibration file" in refusal("compare nin --predict cpu", capsys)
    with pytest.raises(archcalc.UsageError, match="name a file with --save"):
        calibrations.save(calibration())


def test_a_training_step_is_refused_on_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrations.save(calibration())
    assert "training mode" in refusal("compare nin --train --predict cpu", capsys)
