"""docs/counters.md shows what the other counters say now."""

from pathlib import Path

import pytest

from tests import readme


@pytest.mark.parametrize("path", readme.WITH_TORCH, ids=lambda path: path.name)
def test_the_output_shown_is_what_is_printed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert readme.commands(text)
    now = readme.refreshed(text)
    assert readme.without_versions(text) == readme.without_versions(now), readme.REPAIR
