"""``archcalc.summary`` of a torch module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archcalc


def test_frozen_parameters_are_counted_separately(capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    net[0].requires_grad_(False)
    found = archcalc.summary(net, (1, 3, 8, 8))
    frozen, trained = 8 * 3 * 9 + 8, 10 * 288 + 10
    assert found.params == frozen + trained
    out = capsys.readouterr().out
    assert (
        f"Parameters: {frozen + trained:,}; trainable: {trained:,}; not trainable: {frozen}." in out
    )
    convolution = next(line for line in out.splitlines() if " conv2d " in line)
    assert "3×3" in convolution
    assert convolution.split()[-5:-3] == [str(frozen), "0"]


def test_a_text_is_an_image_or_a_tensor() -> None:
    net = nn.Conv2d(1, 4, 3)
    for given in ("105x105x1", "chw:1x105x105", "1,1,105,105:f32", "input=105x105x1"):
        assert archcalc.trace(net, given).inputs[0].output.shape == (1, 1, 105, 105)
    assert torch.is_grad_enabled()
