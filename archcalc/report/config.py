"""A report as data: a TOML file of models and what to tell of them.

    title = "From the linear convolution to GoogLeNet"
    output = ["story.md", "story.csv"]
    baseline = "inception-naive"
    models = [
        "nin",
        { model = "googlenet", input = "224x224x3", set = { num_classes = 10 } },
    ]

Everything but ``models`` may be left out. Files, and folders of runs, are looked for in the TOML
file's folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError

FORMATS = ("md", "html", "csv", "json")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of a report, and how it is asked for."""

    model: str
    input: str = ""
    batch: int = 1
    train: bool = False
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What a TOML file asks for. Empty is what the command line or the report itself decides."""

    models: tuple[ModelEntry, ...]
    output: tuple[str, ...] = ()
    title: str = ""
    lang: str = ""
    units: str = ""
    baseline: str = ""
    sections: tuple[str, ...] = ()
    charts: bool = True
    bench: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    folder: Path = Path()


TYPES: Mapping[str, type] = {
    "models": list,
    "output": list,
    "title": str,
    "lang": str,
    "units": str,
    "baseline": str,
    "sections": list,
    "charts": bool,
    "bench": list,
    "runs": list,
}

MODEL_TYPES: Mapping[str, type] = {
    "model": str,
    "input": str,
    "batch": int,
    "train": bool,
    "set": dict,
}

WORDS = {str: "text", list: "a list", bool: "true or false", int: "a whole number", dict: "a table"}


def read_config(path: str | Path) -> ReportConfig:
    """Read and check a report's TOML file. Raises UsageError."""
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {path}: {why}; give a report's TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    place = str(path)
    for key in ("output", "bench", "runs"):  # one file needs no list
        if isinstance(given.get(key), str):
            given[key] = [given[key]]
    _check(given, TYPES, place)
    if not given.get("models"):
        raise UsageError(f'{place} names no model; add models = ["nin", "googlenet"]')
    fields: dict[str, Any] = {
        key: _texts(value, f"{place}: {key}") if isinstance(value, list) else value
        for key, value in given.items()
        if key != "models"
    }
    models = tuple(_entry(model, place) for model in given["models"])
    return ReportConfig(models, folder=Path(path).parent, **fields)


def ending(path: str) -> str:
    """The format of a report by its file's name. Raises UsageError for any other."""
    found = Path(path).suffix.lstrip(".").lower()
    if found not in FORMATS:
        raise UsageError(
            f"cannot tell the report's format from {path!r}: end it with .md, .html, .csv or .json"
        )
    return found


def _entry(given: Any, place: str) -> ModelEntry:
    if isinstance(given, str):
        return ModelEntry(given)
    if not isinstance(given, dict) or "model" not in given:
        raise UsageError(
            f'{place}: a model is a name or a table such as {{ model = "nin" }}, not {given!r}'
        )
    _check(given, MODEL_TYPES, f"{place}: model {given['model']!r}")
    return ModelEntry(**given)


def _check(given: Mapping[str, Any], types: Mapping[str, type], place: str) -> None:
    for key, value in given.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(types)}"
            raise UsageError(f"{place}: unknown key {key!r}; {hint}")
        wanted = types[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise UsageError(f"{place}: {key} = {value!r} is not {WORDS[wanted]}")


def _texts(values: list[Any], place: str) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str):
            raise UsageError(f"{place} has {value!r}, which is not text")
    return tuple(values)
