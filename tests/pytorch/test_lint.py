"""The linter on torch modules reports the same findings as on declared networks."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archcalc
from archcalc.analysis.lint import lint
from archcalc.cli import run


class Careless(nn.Module):
    """A module with one finding of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 20, 3)
        self.norm = nn.BatchNorm2d(20)
        self.second = nn.Conv2d(20, 32, 1)
        self.last = nn.Conv2d(32, 10, 1)
        self.spare = nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.second(self.norm(self.first(x))))
        x = F.relu(self.last(F.max_pool2d(x, 2)))
        return F.avg_pool2d(x, 4).flatten(1)


def test_a_careless_module_has_one_of_everything() -> None:
    found = lint(archcalc.trace(Careless().eval(), (1, 3, 19, 19)))
    assert [(each.rule, each.node) for each in found.findings] == [
        ("bias-before-norm", "first"),
        ("linear-in-a-row", "second"),
        ("rows-dropped", "max_pool2d"),
        ("relu-on-logits", "relu_2"),
        ("global-pooling", "avg_pool2d"),
        ("channels", "first"),
        ("unused-parameters", "spare"),
    ]


@pytest.mark.parametrize("name", ["nin", "nin-mnist-v0", "alexnet", "vgg16"])
def test_a_traced_module_has_the_findings_of_a_declared_network(name: str) -> None:
    declared = archcalc.graph(name)
    traced = archcalc.trace(archcalc.build(name).eval(), declared.inputs[0].output.shape)
    assert [(each.rule, each.node) for each in lint(traced).findings] == [
        (each.rule, each.node) for each in lint(declared).findings
    ]


def test_a_model_in_a_users_file_is_linted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "def Net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())\n"
    )
    assert run(["lint", f"{path}:Net", "--input", "8x8x3", "--strict"]) == 1
    assert "bias-before-norm" in capsys.readouterr().out
