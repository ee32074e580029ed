"""The scripts that measure training, on a few images."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archcalc.io.runs import load_all
from archcalc.pytorch.train.series import plan
from archcalc.pytorch.train.settings import Settings
from benchmarks import accuracy

from .conftest import EXCERPT

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a few images of MNIST, as MNIST and in place of FashionMNIST."""
    for name in ("MNIST", "FashionMNIST"):
        raw = tmp_path / "data" / name / "raw"
        raw.mkdir(parents=True)
        for packed in EXCERPT.glob("*.gz"):
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return tmp_path / "data"


def script(name: str, *line: str) -> str:
    found = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *line],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.long
def test_the_series_of_mnist_leaves_the_records_of_five_seeds(folder: Path, tmp_path: Path) -> None:
    line = ["--data", str(folder), "--only", "nin-mnist-28-fast", "--limit", "20"]
    script("accuracy", *line, "--work", str(tmp_path / "w"), "--records", str(tmp_path / "r"))
    found = load_all(tmp_path / "r")
    assert len(found) == 5 * 3
    assert {run.seed for run in found} == set(range(5))
    assert not list((tmp_path / "r").rglob("*.safetensors"))
    assert len(list((tmp_path / "r").rglob("transfer.csv"))) == 5 * 2


@pytest.mark.parametrize("name", accuracy.SERIES)
def test_every_series_is_a_line_of_archcalc_train(name: str) -> None:
    model, *line = accuracy.SERIES[name].split()
    how = dict(zip(line, [*line[1:], ""], strict=True))
    staged = "--staged" in line
    settings = Settings.of(model, recipe=how["--recipe"], input=how.get("--input", ""))
    seeds = int(how.get("--seeds", 0))
    runs = plan(settings, ablate=how.get("--ablate", ""), seeds=seeds, staged=staged)
    assert len(runs) == max(seeds, 1) * {"head": 3, "aux": 2}.get(how.get("--ablate", ""), 1)


@pytest.mark.long
def test_the_throughput_of_both_loops_is_a_table(folder: Path) -> None:
    line = ["--rounds", "1", "--batches", "1", "--batch", "8", "--precision", "fp32"]
    found = script("training", "--data", str(folder), "--models", "nin-fashion", *line)
    assert "| nin-fashion | " in found
