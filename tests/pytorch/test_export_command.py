"""``archcalc export``: which file it writes, and which input it rejects. ``test_export.py`` tests
the contents."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archcalc.cli import run


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["export", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_plain_file_goes_to_stdout_or_to_a_file_and_runs(cli, tmp_path: Path) -> None:
    code, text, err = cli("nin", "--set", "num_classes=7")
    assert (code, err) == (0, "")
    target = tmp_path / "nin.py"
    assert cli("nin,num_classes=7", "-o", str(target)) == (0, "", f"wrote {target}\n")
    assert target.read_text(encoding="utf-8") == text
    done = subprocess.run([sys.executable, "-I", target], capture_output=True, text=True)
    assert done.stdout == f"output (1, 7), {966_986 - 3 * 193:,} parameters\n"


def test_the_extension_selects_the_format(cli, tmp_path: Path) -> None:
    target = tmp_path / "net.pt2"
    assert cli("inception-5x5", "-o", str(target), "--seed", "3")[0] == 0
    program = torch.export.load(target)
    assert program.module()(torch.zeros(4, 192, 28, 28)).shape == (4, 32, 28, 28)


DECLARED = """
from archcalc import architecture, ops


@architecture("mine", input="8x8x3", source="Nobody 2026.")
def lenet(x, *, width: int = 4):
    \"\"\"Mine: one convolution.\"\"\"
    return ops.linear(ops.flatten(ops.relu(ops.conv2d(x, width, 3))), 5)
"""
TORCH = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.Dropout(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return super().forward(x).flatten(1)
"""


def test_a_declared_network_in_a_file_is_exported(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(DECLARED)
    code, text, _ = cli("./net.py:lenet,width=2")
    assert code == 0
    assert text.startswith('"""Mine: one convolution.\n\nNobody 2026.\n')
    assert "class Lenet(nn.Module):" in text
    assert cli("./net.py:lenet", "-o", "net.pt2")[0] == 0
    assert torch.export.load("net.pt2").module()(torch.zeros(7, 3, 8, 8)).shape == (7, 5)


def test_a_torch_model_is_exported_in_evaluation_mode_with_an_open_batch(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(TORCH)
    code, _, err = cli("net.py:Net", "--set", "width=6", "--input", "8x8x3", "-o", "net.pt2")
    assert (code, err) == (0, "wrote net.pt2\n")
    program = torch.export.load("net.pt2").module()
    x = torch.randn(5, 3, 8, 8)
    assert program(x).shape == (5, 6)
    assert torch.equal(program(x), program(x))  # dropout is off


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nin", "--to", "onnx"], "--to onnx writes a binary file: give -o nin.onnx"),
        (["nim"], "unknown model 'nim'"),
        (["torchvision:resnet50"], "whose source is already Python; --to pt2 and --to onnx"),
        (["nin", "-o", "/no/such/folder/nin.py"], "cannot write"),
        (["nin", "--to", "tflite"], "'tflite' is not one of 'py', 'pt2', 'onnx'"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(cli, arguments, words: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
