"""The pages of docs/ that need torch show the actual output, and their examples run."""

import re
from pathlib import Path

import pytest
import torch

from tests import readme

pytestmark = pytest.mark.long

MIXTURES = pytest.mark.xfail(
    not hasattr(torch.nn.functional, "grouped_mm"),
    reason="without grouped_mm, transformers asks for the address of the weights of experts",
    strict=True,
)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[MIXTURES] * (path.name == "huggingface.md"))
        for path in readme.WITH_TORCH
    ],
    ids=lambda path: path.name,
)
def test_the_output_shown_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert readme.commands(text)
    now = readme.refreshed(text)
    assert readme.without_versions(text) == readme.without_versions(now), readme.REPAIR


def test_the_example_of_a_formula_prints_what_its_comments_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (readme.ROOT / "docs" / "formulas-torch.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M)
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print.*  # (.*)$", code, re.M)
