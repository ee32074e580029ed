"""Reading back what ``--format json`` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from archcalc.analysis.saved import SavedModel, saved_model
from archcalc.errors import UsageError

SCHEMA_VERSION = 1


def load(path: str) -> tuple[SavedModel, ...]:
    """The models of a saved report. Raises UsageError for any other file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}; "
            "write one with archcalc show MODEL --format json -o FILE"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no report of archcalc: it is not UTF-8 text") from None
    return parse(text, path)


def parse(text: str, path: str) -> tuple[SavedModel, ...]:
    """The models of a report's text; ``path`` is for the words of a refusal. Raises UsageError."""
    try:
        data = json.loads(text)
    except ValueError:
        raise UsageError(f"{path} is no JSON") from None
    if not isinstance(data, dict) or "models" not in data:
        raise UsageError(
            f"{path} is no report of models; write one with "
            "archcalc show MODEL --format json, or flops, compare, params, memory"
        )
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {data.get('schema_version')}, this archcalc reads "
            f"{SCHEMA_VERSION}; write it again"
        )
    try:
        return tuple(map(saved_model, data["models"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is damaged: {type(error).__name__}: {error}") from None
