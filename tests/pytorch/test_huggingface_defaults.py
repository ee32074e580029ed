"""Every architecture of transformers in its default configuration, and published language models.

The expected counts are in ``benchmarks/huggingface.txt``, which ``python benchmarks/huggingface.py
--record benchmarks/huggingface.txt`` rewrites.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import archcalc
from benchmarks import huggingface

ROOT = Path(__file__).parents[2]
RECORD = dict(
    line.split(": ", 1)
    for line in (ROOT / "benchmarks" / "huggingface.txt").read_text(encoding="utf-8").splitlines()
)
AS_RECORDED = [
    family
    for family, outcome in RECORD.items()
    if outcome.startswith(("equal", "experts", "uncompared"))
]


def test_the_record_has_150_equal_architectures_and_a_reason_for_each_other_one() -> None:
    words = Counter(outcome.partition(":")[0].partition(",")[0] for outcome in RECORD.values())
    assert words["equal"] >= 150
    assert set(words) <= {"equal", "experts", "uncompared", "differs", "failed"}
    assert not [
        family for family, outcome in RECORD.items() if outcome in ("failed: ", "differs: ")
    ]


@pytest.mark.parametrize("family", ["bert", "clip", "opt"])
def test_a_default_configuration_is_counted_as_recorded(family: str, tmp_path: Path) -> None:
    assert huggingface.compared(family, tmp_path) == RECORD[family]


@pytest.mark.slow
@pytest.mark.parametrize("family", AS_RECORDED)
def test_every_default_configuration_is_counted_as_recorded(family: str, tmp_path: Path) -> None:
    outcome = huggingface.compared(family, tmp_path)
    assert outcome.partition(":")[0] == RECORD[family].partition(":")[0]


@pytest.mark.slow
def test_published_parameters_of_language_models_are_counted_or_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    found = archcalc.claims(file="benchmarks/language_models/claims.toml").findings
    assert len({each.claim.model for each in found}) >= 20
    assert not [each.claim.id for each in found if each.verdict == "false"]
    assert not [each.claim.id for each in found if each.verdict == "off" and not each.cause]
