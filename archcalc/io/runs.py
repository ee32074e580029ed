"""Read and write the records of training runs, without torch.

A run is a folder with ``run.json`` (its settings), ``history.csv`` (one row per epoch) and, once it
is finished, ``result.json`` (the result on the test images).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archcalc.analysis.runs import Epoch, Result, Run
from archcalc.errors import UsageError
from archcalc.io import json
from archcalc.io.limits import read_text
from archcalc.io.validate import validated
from archcalc.recipe import Recipe

RUN, HISTORY, RESULT = "run.json", "history.csv", "result.json"

FIRST_FIELDS = Epoch._fields[:-2]
"""The columns before 0.2, without image height and FLOPs."""
WHOLE = ("epoch", "height", "flops")
"""The columns of integers."""

MAKE_ONE = "`archcalc train` makes one"


@dataclass(frozen=True)
class _Data:
    name: str
    fingerprint: str = ""
    train: int = 0
    test: int = 0


@dataclass(frozen=True)
class _Pixels:
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class _Growth:
    model: str
    new_weights: float | Literal["identity"]


@dataclass(frozen=True)
class _Config:
    """The part of ``run.json`` that archcalc reads."""

    model: str
    input: tuple[int, int, int]
    recipe_name: str
    recipe: Recipe
    seed: int
    precision: Literal["fp32", "bf16", "fp16"]
    data: _Data
    classes: tuple[str, ...] = ()
    pixels: _Pixels | None = None
    channels_last: bool = True
    begins_with: _Growth | None = None


def load(folder: str | Path) -> Run:
    """The record of one run. Raises UsageError if the folder has none or a damaged one."""
    folder = Path(folder)
    try:
        present = {name: (folder / name).is_file() for name in (RUN, HISTORY, RESULT)}
    except (OSError, ValueError) as error:  # a name that is too long or contains NUL
        raise UsageError(f"{str(folder)[:200]!r} is not a folder: {error}") from None
    if not present[RUN]:
        raise UsageError(f"{folder} is not a run: it has no {RUN}; {MAKE_ONE}")
    config = _config(folder / RUN)
    history: tuple[Epoch, ...] = ()
    if present[HISTORY]:
        history = parse_history(read_text(folder / HISTORY), folder / HISTORY)
    result = _result(folder / RESULT) if present[RESULT] else None
    return Run(folder, config, history, result)


def is_finished(folder: str | Path, epochs: int) -> bool:
    """Whether a run has its result after this many epochs. Raises UsageError."""
    if not (Path(folder) / RESULT).is_file():
        return False
    found = load(folder)
    return found.result is not None and len(found.history) >= epochs


def load_all(folder: str | Path) -> list[Run]:
    """Every run under a folder, in the order of their names. Raises UsageError if there is none."""
    try:
        found = sorted(path.parent for path in Path(folder).rglob(RUN))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the folder {str(folder)[:200]!r}: {error}") from None
    if not found:
        raise UsageError(f"there is no run under {folder}; {MAKE_ONE}")
    return [load(path) for path in found]


def history_csv(history: Iterable[Epoch]) -> str:
    """The history as CSV, with full precision and empty fields for unknown values."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Epoch._fields)
    for row in history:
        writer.writerow(["" if value is None else repr(value) for value in row])
    return out.getvalue()


def parse_history(text: str, path: str | Path = HISTORY) -> tuple[Epoch, ...]:
    """The history from its CSV text, exact to the last bit. Raises UsageError."""
    try:
        head, *rows = csv.reader(io.StringIO(text), strict=True)
    except (csv.Error, ValueError):
        raise UsageError(f"{path} is damaged: it is not a table") from None
    if tuple(head) not in (Epoch._fields, FIRST_FIELDS):
        raise UsageError(f"{path} is damaged: its columns are not {', '.join(Epoch._fields)}")
    history = tuple(
        _epoch(row, len(head), f"{path}: row {place}") for place, row in enumerate(rows, start=1)
    )
    if [row.epoch for row in history] != list(range(1, len(history) + 1)):
        raise UsageError(f"{path} is damaged: its epochs are not numbered from 1")
    return history


def _epoch(row: list[str], fields: int, place: str) -> Epoch:
    if len(row) != fields:
        raise UsageError(f"{place} is damaged: {len(row)} fields, not {fields}")
    try:
        known = {
            key: (int(value) if key in WHOLE else float(value)) if value else None
            for key, value in zip(Epoch._fields, row, strict=False)
        }
        found = validated(known, Epoch, place)
    except (ValueError, UsageError):
        raise UsageError(f"{place} is damaged: a field is not a number") from None
    values = [value for value in found if isinstance(value, float)]
    if not all(map(math.isfinite, values)) or min(found.lr, found.seconds) < 0:
        raise UsageError(f"{place} is damaged: a number is out of range")
    return found


def _config(path: Path) -> Mapping[str, Any]:
    data: dict[str, Any] = json.read(path)
    found = validated(data, _Config, path, others=True)
    if min(found.input) < 1 or not 0 <= found.seed < 2**63:
        raise UsageError(f"{path} is damaged: a size or the seed is out of range")
    return data


def _result(path: Path) -> Result:
    found = validated(json.read(path), Result, path)
    accuracies = (found.accuracy, found.averaged_accuracy or 0.0)
    if not (all(0 <= each <= 1 for each in accuracies) and found.images >= 1 and found.epoch >= 1):
        raise UsageError(f"{path} is damaged: accuracy, images or epoch is out of range")
    if found.seconds < 0:
        raise UsageError(f"{path} is damaged: seconds is negative ({found.seconds})")
    return found
