"""``archcalc export``: which file is written, and what is refused. What stands in it is tested in
``test_export.py``."""

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


def test_the_ending_chooses_a_program(cli, tmp_path: Path) -> None:
    target = tmp_path / "net.pt2"
    assert cli("inception-5x5", "-o", str(target), "--seed", "3")[0] == 0
    program = torch.export.load(target)
    assert program.module()(torch.zeros(4, 192, 28, 28)).shape == (4, 32, 28, 28)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nin", "--to", "onnx"], "--to onnx writes a binary file: give -o nin.onnx"),
        (["nim"], "unknown model 'nim'"),
        (["torchvision:resnet50"], "is a torch model; a declared network is needed"),
        (["nin", "-o", "/no/such/folder/nin.py"], "cannot write"),
        (["nin", "--to", "tflite"], "'tflite' is not one of 'py', 'pt2', 'onnx'"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(cli, arguments, words: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
