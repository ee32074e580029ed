"""JSON: the document's record, for programs."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from typing import Any

from archcalc.report.document import Document
from archcalc.report.formats import Place


def write(document: Document, place: Place) -> str:
    return json(document.data)


def json(data: Mapping[str, Any]) -> str:
    """The record as text."""
    return json_module.dumps(data, indent=2, ensure_ascii=False) + "\n"
