"""docs/counters.md shows what the other counters say now."""

import importlib.util
from pathlib import Path

import pytest

path = Path(__file__).resolve().parents[1] / "readme.py"
spec = importlib.util.spec_from_file_location("readme", path)
assert spec
assert spec.loader
readme = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readme)


@pytest.mark.parametrize("path", readme.WITH_TORCH, ids=lambda path: path.name)
def test_the_output_shown_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert readme.commands(text)
    assert text == readme.refreshed(text), "repair it with: python tests/readme.py"
