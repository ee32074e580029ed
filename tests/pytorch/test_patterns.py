"""Names of torchvision and timm by pattern."""

from __future__ import annotations

import pytest

from archcalc.cli import run
from archcalc.lookup.resolve import expand


def test_torchvision_and_timm_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "torchvision", "resnet??", "-f", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name",
        "torchvision:resnet18",
        "torchvision:resnet34",
        "torchvision:resnet50",
    ]
    for line in (["list", "timm", "convnext_t*"], ["list", "timm:convnext_t*"]):
        assert run(line) == 0
        assert "timm:convnext_tiny" in capsys.readouterr().out


def test_a_pattern_keeps_its_options() -> None:
    assert expand(["nin", "torchvision:resnet1*,num_classes=10"]) == [
        "nin",
        "torchvision:resnet101,num_classes=10",
        "torchvision:resnet152,num_classes=10",
        "torchvision:resnet18,num_classes=10",
    ]
