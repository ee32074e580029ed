"""Networks exported to ONNX and imported again have the multiply-adds of the traced network."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.importers import compared


@pytest.mark.parametrize(
    "name", ["inception-reduced", "nin-digits", "torchvision:mobilenet_v3_small"]
)
def test_an_exported_network_has_the_same_multiply_adds(tmp_path: Path, name: str) -> None:
    assert compared(name, tmp_path, dynamo=False) == "equal"
