"""Every command against generated damage: each line is answered, or refused in one sentence.

A sample runs by default; ``pytest -m slow tests/corpus`` runs the long version, and prints how many
lines were tried and how many of them held.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.contract import breaches, call
from tests.corpus.damage import (
    BUDGET,
    CLAIM,
    COMMANDS,
    NEEDS_TORCH,
    furnish,
    lines,
    option,
    report,
)

SAMPLE, LONG = 150, 3000

TRIED: Counter[str] = Counter()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One furnished folder for all lines; what a line writes is taken away again."""
    place = Path(tempfile.mkdtemp(prefix="archcalc-corpus-"))
    furnish(place)
    yield place
    shutil.rmtree(place)
    print("\ncorpus:", ", ".join(f"{count} {what}" for what, count in TRIED.items()))  # noqa: T201


def held(arguments: list[str], folder: Path, output: str = "") -> None:
    done = call(arguments, folder)
    found = breaches(done, output)
    for name in done.after.keys() - done.before.keys():
        (folder / name).unlink()
    for name, data in done.before.items():
        if done.after.get(name) != data:
            (folder / name).write_bytes(data)
    TRIED["tried"] += 1
    TRIED[f"exit {done.code}"] += 1
    assert not found, f"{arguments!r}: {found}\n{done.err[:2000]}"
    TRIED["held"] += 1


def sampled(count: int) -> Any:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=count == SAMPLE,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


@sampled(SAMPLE)
@given(line=lines(COMMANDS))
def test_a_sample_of_damaged_lines_is_answered_or_refused(
    folder: Path, line: tuple[list[str], str]
) -> None:
    held(line[0], folder, line[1])


@pytest.mark.slow
@sampled(LONG)
@given(line=lines(COMMANDS))
def test_damaged_lines_are_answered_or_refused(folder: Path, line: tuple[list[str], str]) -> None:
    held(line[0], folder, line[1])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="these commands need torch")
@sampled(LONG // 10)
@given(line=lines(NEEDS_TORCH))
def test_damaged_lines_with_torch_are_answered_or_refused(
    folder: Path, line: tuple[list[str], str]
) -> None:
    held(line[0], folder, line[1])


# -- files

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from((0, -1, 2**63, 10**30, 10**200, 1e308, "", "1,5M", "\x1b[2J", "x" * 5000)),
)
WRONG = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged_record(draw: st.DrawFn) -> Any:
    """A saved report with one value, somewhere inside, replaced or taken away."""
    whole: Any = report()
    place: Any = whole
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return whole
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
            place = inner
            continue
        if draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(WRONG)
        return whole


@sampled(SAMPLE // 3)
@given(record=damaged_record())
def test_a_damaged_report_is_compared_or_refused(folder: Path, record: Any) -> None:
    (folder / "damaged.json").write_text(json.dumps(record))
    held(["diff", "good.json", "damaged.json"], folder)
    (folder / "damaged.json").unlink()


RUN_FILES = ("run.json", "result.json", "history.csv")


@sampled(SAMPLE // 3)
@given(
    name=st.sampled_from(RUN_FILES),
    place=st.floats(0, 1),
    text=st.sampled_from(("", "9", "-", "x", '"', "[", "\x00", "e999", "9" * 5000)),
)
def test_a_damaged_run_is_read_or_refused(folder: Path, name: str, place: float, text: str) -> None:
    file = folder / "run" / name
    whole = file.read_text()
    cut = int(place * len(whole))
    file.write_text(whole[:cut] + text + whole[cut + 1 :])
    try:
        held(["compare", "nin", "--runs", "run"], folder)
    finally:
        file.write_text(whole)


@sampled(SAMPLE // 3)
@given(
    given=st.sampled_from((("check", "--budget", BUDGET), ("claims", "--file", CLAIM))),
    place=st.floats(0, 1),
    text=st.sampled_from(("", "9" * 5000, "inf", "nan", "[", '"', "2020-01-01", "\x7f", "=", "]]")),
)
def test_a_damaged_toml_file_is_read_or_refused(
    folder: Path, given: tuple[str, str, str], place: float, text: str
) -> None:
    command, option_name, whole = given
    cut = int(place * len(whole))
    (folder / "damaged.toml").write_text(whole[:cut] + text + whole[cut + 1 :])
    held([command, option_name, "damaged.toml"], folder)
    (folder / "damaged.toml").unlink()


def test_the_contract_itself_notices_a_breach(folder: Path) -> None:
    done = call(["compare", "nin", "-o", "out.md"], folder)
    assert breaches(done, "out.md") == []
    assert breaches(done) == ["touched 'out.md'"]
    (folder / "out.md").unlink()
    assert option("--x", st.just("1")) is not None
