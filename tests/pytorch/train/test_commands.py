"""Training commands as processes (killed, interrupted, in parallel), and their output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from archcalc.cli import run as archcalc
from archcalc.io.runs import load

COMMAND = [sys.executable, "-m", "archcalc"]
LIMIT = 240  # seconds before a process is abandoned, on any machine


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def begin(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run in its own process and wait until two epochs are done."""
    line = ["train", "nin-digits", "--device", "cpu", "--folder", str(folder), *more]
    # A process inherits an ignored SIGINT, as the background jobs of a shell script have it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*COMMAND, *line],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    history = folder / "history.csv"
    deadline = time.monotonic() + LIMIT
    while not history.exists() or len(history.read_text().splitlines()) < 3:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def learned(folder: Path) -> list[tuple[Any, ...]]:
    return [row[:6] for row in load(folder).history]


def test_a_killed_and_resumed_run_gives_the_same_bits_as_an_unbroken_one(tmp_path: Path) -> None:
    process = begin(tmp_path / "killed", "--epochs", "12")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 2 <= len(load(tmp_path / "killed").history) <= 12
    line = ["train", "nin-digits", "--device", "cpu", "--epochs", "12", "--folder"]
    assert archcalc([*line, str(tmp_path / "killed"), "--resume"]) == 0
    assert archcalc([*line, str(tmp_path / "whole")]) == 0
    assert learned(tmp_path / "killed") == learned(tmp_path / "whole")
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("killed", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one | other)


def test_an_interrupted_run_ends_in_one_sentence_and_keeps_its_epochs(tmp_path: Path) -> None:
    process = begin(tmp_path / "run", "--epochs", "500")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        f"archcalc: interrupted; {tmp_path / 'run'} has every finished epoch; "
        "continue with --resume"
    )
    assert "Traceback" not in errors
    assert len(load(tmp_path / "run").history) >= 2


def test_two_processes_give_the_loss_curve_of_one_with_the_same_batch(tmp_path: Path) -> None:
    line = ["train", "nin-digits", "--device", "cpu", "--epochs", "3", "--set", "dropout=0.0"]
    line += ["--with", "shift=1", "--folder"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    two = subprocess.run(
        [*launcher, "--nproc-per-node", "2", "-m", "archcalc", *line, str(tmp_path / "two")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert two.returncode == 0, two.stderr
    assert archcalc([*line, str(tmp_path / "one")]) == 0
    assert load(tmp_path / "two").config["processes"] == 2
    for one, other in zip(
        load(tmp_path / "one").history, load(tmp_path / "two").history, strict=True
    ):
        assert other.train_loss == pytest.approx(one.train_loss, rel=1e-3)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=1e-3)


def test_train_evaluate_featuremaps_and_compare_follow_one_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = [
        "train",
        "nin-digits",
        "--device",
        "cpu",
        "--epochs",
        "1",
        "--seeds",
        "2",
        "--jobs",
        "1",
    ]
    assert archcalc([*line, "-f", "json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out[captured.out.index("{") :])
    assert [run["seed"] for run in record["runs"]] == [0, 1]
    assert record["accuracies"][0]["runs"] == 2
    assert "epoch 1/1" in captured.err
    assert "\x1b" not in captured.err  # plain lines without a terminal

    run = "runs/nin-digits-fast/seed0"
    assert archcalc(["evaluate", run, "--device", "cpu", "-f", "json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out[captured.out.index("{") :])
    assert found["score"]["accuracy"] == load(run).result.accuracy  # type: ignore[union-attr]  # it is finished

    assert Path(run, "curve.svg").read_text().startswith("<svg")
    assert archcalc(["featuremaps", run]) == 0
    assert Path(run, "featuremaps.png").is_file()
    capsys.readouterr()

    assert archcalc(["compare", "nin", "nin-digits", "--runs", "runs"]) == 0
    assert "Measured accuracy" in capsys.readouterr().out


def test_an_ablation_is_a_table_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "train",
        "nin-digits",
        "--device",
        "cpu",
        "--epochs",
        "1",
        "--ablate",
        "head",
        "--jobs",
        "1",
    ]
    assert archcalc([*line, "--folder", str(tmp_path / "head")]) == 0
    assert (tmp_path / "head" / "head.svg").read_text().startswith("<svg")
    shown = capsys.readouterr().out
    assert "nin-digits,head=gap" in shown
    assert "nin-digits,head=fc" in shown


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train nonsense", "unknown model 'nonsense'"),
        ("train vgg16", "vgg16 has no recipe"),
        ("train nin-digits --recipe slow", "nin-digits has no recipe 'slow'"),
        ("train nin-digits --with lr", "write key=value"),
        ("train nin-digits --lr -1", "lr=-1.0 is out of range"),
        ("train nin-digits --input 8", "write height and width"),
        ("train nin-digits --identity", "--identity initializes the layers that --staged adds"),
        ("train nin-digits --staged", "nin-digits does not extend a smaller model"),
        ("train nin-mnist --staged --ablate dropout", "--ablate and --staged cannot be combined"),
        ("train nin-digits --ablate depth", "nin-digits (num_classes, dropout, head)"),
        ("train nin-digits --time 5x", "is not a duration, such as 90s, 20m"),
        ("train nin-digits --time 5m --epochs 2", "leave out --time or --epochs"),
        ("train nin-digits --stop-at 87", "stop_at 87 is not an accuracy from 0 to 1"),
        ("train nin --data folder:/nowhere", "there is no folder /nowhere/train"),
        ("train torchvision:resnet18", "has no recipe; use that of another model"),
        ("evaluate /nowhere", "/nowhere is not a run"),
        ("featuremaps /nowhere", "/nowhere is not a run"),
        ("compare nin --runs /nowhere", "there is no run under /nowhere"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(
    line: str,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert archcalc(line.split()) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert len(shown.strip().splitlines()) == 1


def test_the_trainer_does_not_import_the_report() -> None:
    code = (
        "import sys, archcalc.pytorch.train as train\n"
        "import archcalc.pytorch.train.featuremaps\n"
        "print([name for name in sys.modules if name.startswith('archcalc.report.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
