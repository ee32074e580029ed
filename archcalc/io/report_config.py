"""A report as data: a TOML file of models and sections.

    title = "From the linear convolution to GoogLeNet"
    output = ["story.md", "story.csv"]
    baseline = "inception-naive"
    models = [
        "nin",
        { model = "googlenet", input = "224x224x3", set = { num_classes = 10 } },
    ]

Only ``models`` is required. Paths of files and of folders of runs are relative to the TOML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError
from archcalc.io import toml
from archcalc.io.validate import validated


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of a report, with its options and input."""

    model: str
    input: str = ""
    batch: int = 1
    train: bool = False
    set: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """The contents of a TOML file. Empty fields get the defaults of the command."""

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


def read_config(path: str | Path) -> ReportConfig:
    """Read and check a report's TOML file. Raises UsageError."""
    given = toml.read(path, "give a report's TOML file")
    if "folder" in given:  # a field of the record, not a key of the file
        raise UsageError(f"{path}: unknown key 'folder'; files are relative to the TOML file")
    for key in ("output", "bench", "runs"):  # a single file may be text
        if isinstance(given.get(key), str):
            given[key] = [given[key]]
    if not given.get("models"):
        raise UsageError(f'{path} names no model; add models = ["nin", "googlenet"]')
    if isinstance(given["models"], list):  # a name is short for a table
        given["models"] = [
            {"model": model} if isinstance(model, str) else model for model in given["models"]
        ]
    return replace(validated(given, ReportConfig, path), folder=Path(path).parent)
