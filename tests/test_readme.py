"""The READMEs show archcalc's present output and agree in both languages."""

import re
import shlex
from pathlib import Path

import pytest

from archcalc.cli import COMMANDS
from tests import readme

ROOT = Path(__file__).resolve().parent.parent

ENGLISH, CHINESE = (path.read_text(encoding="utf-8") for path in readme.FILES)


@pytest.mark.parametrize("path", readme.FILES, ids=lambda path: path.name)
def test_the_output_shown_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert readme.commands(text), "no command is shown"
    now = readme.refreshed(text)
    assert readme.without_versions(text) == readme.without_versions(now), readme.REPAIR


def code(text: str) -> list[str]:
    """Return the fenced blocks without their comments."""
    return [
        re.sub(r"\s*#.*", "", block)
        for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)
    ]


def test_both_languages_run_the_same_commands_and_code() -> None:
    shown = [[block for block in code(text) if "─" not in block] for text in (ENGLISH, CHINESE)]
    assert shown[0] == shown[1]
    without_language = [
        [command.replace(" --lang zh", "") for command in readme.commands(text)]
        for text in (ENGLISH, CHINESE)
    ]
    assert without_language[0] == without_language[1]


def test_both_languages_have_the_same_sections() -> None:
    levels = [re.findall(r"^(#+) ", text, re.M) for text in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]


def test_two_lines_set_everything_up() -> None:
    for text in (ENGLISH, CHINESE):
        assert len(re.findall(r"^python3 -m venv .*$", text, re.M)) == 2


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["README.md", "README.zh-CN.md"])
def test_every_command_named_exists(text: str) -> None:
    for line in re.findall(r"^\s*(archcalc [^\n#]*)", "\n".join(code(text)), re.M):
        name = shlex.split(line)[1]
        assert name.startswith("-") or name in COMMANDS, line


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["README.md", "README.zh-CN.md"])
def test_the_python_shown_runs(text: str) -> None:
    shared: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M):
        if "import torch" in block:
            continue  # tests/pytorch/test_readme_torch.py runs it
        exec(block, shared)
        for line in re.findall(r"^(profile\S+)  # (\S.*)$", block, re.M):
            if line[1][0].isdigit() or line[1][0] == "'":
                assert repr(eval(line[0], shared)) == line[1]
    lenet = shared["lenet"].graph()  # type: ignore[attr-defined]  # an Architecture by now
    assert lenet.output.shape == (1, 10)
