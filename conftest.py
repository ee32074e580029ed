"""What pytest collects: without an extra, all but the tests of what needs it."""

import importlib.util
import os

import pytest

# A graph from the cache would hide an error of the tracer; tests of the cache have their own.
os.environ["ARCHCALC_CACHE"] = "off"
# One thread of torch for each worker. Small tensors gain nothing from more, and workers whose
# threads outnumber the cores spend their time waiting for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None


WITHOUT_TORCH = missing("torch")
WITHOUT_REPORT = missing("altair") or missing("vl_convert") or missing("jinja2")
WITHOUT_PLAYWRIGHT = missing("playwright")
WITHOUT_MKDOCS = missing("mkdocs") or missing("material")

TORCH = ["archcalc/pytorch", "tests/pytorch"]
TORCH_EXAMPLES = ["archcalc.build", "archcalc.trace"]
"""Docstrings outside those folders whose examples need it."""
REPORT = [
    f"tests/report/test_{name}.py"
    for name in ("charts", "page", "story", "story_accuracy", "story_measured")
]
BROWSER = ["tests/browser"]
DOCS = ["tests/test_docs.py"]

collect_ignore = [
    *(TORCH if WITHOUT_TORCH else []),
    *(REPORT if WITHOUT_REPORT else []),
    *(BROWSER if WITHOUT_REPORT or WITHOUT_PLAYWRIGHT else []),
    *(DOCS if WITHOUT_REPORT or WITHOUT_MKDOCS else []),
]


def pytest_report_header() -> list[str]:
    said = []
    for left_out, what, places in (
        (WITHOUT_TORCH, "torch", [*TORCH, *TORCH_EXAMPLES]),
        (WITHOUT_REPORT, "archcalc[report]", REPORT),
        (WITHOUT_REPORT or WITHOUT_PLAYWRIGHT, "playwright or archcalc[report]", BROWSER),
        (WITHOUT_REPORT or WITHOUT_MKDOCS, "mkdocs-material or archcalc[report]", DOCS),
    ):
        if left_out:
            said.append(f"{what} is not installed: {', '.join(places)} are left out")
    return said or ["every extra is installed: everything is tested"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if WITHOUT_TORCH:
        left_out = [item for item in items if item.name in TORCH_EXAMPLES]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
