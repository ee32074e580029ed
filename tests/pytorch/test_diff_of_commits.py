"""A torch module at two commits."""

import subprocess
from pathlib import Path

import pytest

from archcalc.cli import run

pytestmark = pytest.mark.long

NET = """\
from torch import nn


class Net(nn.Sequential):
    def __init__(self, width=16):
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 8, 1))
"""


def test_a_modules_width_shows_and_its_comments_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True)

    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    for text in (NET, "# wider\n" + NET.replace("16", "24"), NET.replace("16", "24")):
        (tmp_path / "net.py").write_text(text)
        git("add", "net.py")
        git("commit", "--quiet", "--message", "a change")
    capsys.readouterr()
    asked = ["--input", "8x8x3", "--", "./net.py:Net"]
    assert run(["diff", "HEAD~1", *asked]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["diff", "HEAD~2", "HEAD~1", *asked]) == 0
    out = capsys.readouterr().out
    assert "weight 16×3×3×3 -> 24×3×3×3" in out
    assert "1 more node only passes the new shape on" in out
