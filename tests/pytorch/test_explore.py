"""The explorer's page for torch models has sliders for batch and input if they have formulas."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import archcalc
from archcalc.analysis import figures
from archcalc.report.explore.data import Asked, network
from archcalc.symbolic.figures import TOTALS

MODELS = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width: int = 8):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, width, 3, stride=2), nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))

class OneSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 16 * 16, 10)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.places = nn.Parameter(torch.zeros(1, 16, 8))
        self.project = nn.Conv2d(3, 8, 8, stride=8)

    def forward(self, x):
        if x.shape[2] != 32:
            raise ValueError("images must have 32 rows")
        return self.project(x).flatten(2).transpose(1, 2) + self.places

class Values(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return y[y > 0].sum()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(MODELS, encoding="utf-8")
    return path


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs JavaScript")
def test_every_position_has_the_integers_of_a_trace(file: Path) -> None:
    spec = f"{file}:Small,width=12"
    found = network(spec, Asked(input="40x36x3"), 0)
    (variant,) = found.data["variants"]
    assert [size["key"] for size in found.data["sizes"]] == ["batch", "height", "width"]
    draw = random.Random(0)
    positions = [
        {size: draw.randint(least, most) for size, (least, most) in variant["ranges"].items()}
        for _ in range(12)
    ]
    (program,) = found.programs.values()
    code = [program, "const text = (_, each) => typeof each === 'bigint' ? String(each) : each;"]
    name = variant["program"]
    code += [f"console.log(JSON.stringify({name}({json.dumps(at)}), text))" for at in positions]
    done = subprocess.run(
        ["node", "-"], input="\n".join(code), capture_output=True, text=True, check=True
    )
    for at, line in zip(positions, done.stdout.splitlines(), strict=True):
        values = json.loads(line)["record"]
        structure = variant["structures"][int(values["s"])]
        totals = {
            key: int(values["v"][int(cell)]) if isinstance(cell, str) else cell
            for key, cell in structure["totals"].items()
        }
        image = f"{at['height']}x{at['width']}x3"
        counted = archcalc.graph(spec, input=image, batch=at["batch"]).profile()
        assert totals == {key: figures.read(counted, key) for key in TOTALS}, at


def test_a_size_that_the_model_fixes_is_shown_with_the_reason(file: Path) -> None:
    data = network(f"{file}:Patches", Asked(input="32x32x3"), 0).data
    assert [size["key"] for size in data["sizes"]] == ["batch"]
    assert "nets.py:" in data["reason"]


def test_a_model_of_one_input_size_keeps_the_whole_range_of_its_batch(file: Path) -> None:
    data = network(f"{file}:OneSize", Asked(input="16x16x3", trust=True), 0).data
    assert data["variants"][0]["ranges"] == {"batch": [1, 64]}
    assert "too many formulas over batch and height and width" in data["reason"]


def test_a_model_that_depends_on_values_is_shown_as_it_was_traced(file: Path) -> None:
    data = network(f"{file}:Values", Asked(input="16x16x3"), 0).data
    assert data["sizes"] == []
    assert "depends on values" in data["reason"]
