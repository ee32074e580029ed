"""The READMEs' Python examples that need torch run and give the results shown."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_python_with_torch_runs(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = [
        block
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M)
        if "import torch" in block
    ]
    assert len(blocks) == 1
    shared: dict[str, object] = {}
    exec(blocks[0], shared)
    expected = dict(re.findall(r"^(archcalc\S.*?)  # (.*)$", blocks[0], re.M))
    macs, layer = (eval(line, shared) for line in expected)
    assert str(macs) == next(iter(expected.values()))
    assert type(layer).__name__ == "Conv2d"
