"""Progress messages of a run, which need no torch."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archcalc.analysis.runs import Epoch, Evaluating, Result
from archcalc.cli import run
from archcalc.cli.progress import epoch_line, following_runs, step_line

ROW = Epoch(3, 4e-4, 1.25, 0.5, 1.5, 0.625, 60.0, 1234.5)
STEP: Any = SimpleNamespace(
    epoch=3, epochs=10, images=500, of=1000, loss=1.25, images_per_second=100.0
)
SETTINGS: Any = SimpleNamespace(folder="runs/nin", recipe=SimpleNamespace(epochs=10))


def test_an_epoch_is_a_line_with_the_time_left() -> None:
    assert epoch_line(ROW, 10) == (
        "epoch 3/10  lr 0.0004  loss 1.2500  accuracy 50.00 %  validation 62.50 %  "
        "1,234 images/s  left 7:00"
    )


def test_without_held_out_images_no_validation_is_shown() -> None:
    assert "validation" not in epoch_line(
        ROW._replace(validation_loss=None, validation_accuracy=None), 10
    )


def test_a_step_has_a_bar_and_the_time_left_of_the_whole_run() -> None:
    assert step_line(STEP) == (
        "epoch 3/10 [████████████············] loss 1.2500  100 images/s  left 1:15"
    )


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "steps"), [(io.StringIO, 0), (Screen, 1)])
def test_steps_are_shown_only_on_a_terminal(
    stream: type[io.StringIO], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    with following_runs(Path("runs"), speaks=True, several=False) as tell:
        for event in (STEP, ROW, Evaluating(2500, 10_000), Result(0.75, 1.0, 10_000, 3, 60.0)):
            tell(SETTINGS, event)
    said = written.getvalue()
    assert said.count("█") == (12 + 6) * steps
    assert said.count("evaluation [") == said.count("2,500 of 10,000 images") == steps
    assert ("\r" in said) == bool(steps)
    assert said.endswith("runs/nin: test accuracy 75.00 % (10,000 images, weights of epoch 3)\n")


def test_many_models_have_a_bar_on_a_terminal_and_only_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "resnet*"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(["compare", "resnet*"]) == 0
    assert "/5" in capsys.readouterr().err
