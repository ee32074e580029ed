"""Folders in use by another process, weights with a flipped bit, and decompression bombs."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archcalc.cli import run as archcalc
from archcalc.errors import UsageError
from archcalc.io.runs import load
from archcalc.pytorch.train import Settings, data, run, run_folder, train
from archcalc.pytorch.train.evaluate import score
from tests.analysis.run_on_disk import make

Make = Callable[..., Settings]


def test_a_second_training_in_a_folder_names_the_holder(settings: Make) -> None:
    first = run(settings())
    next(first)
    with pytest.raises(UsageError, match=rf"is in use: process {os.getpid()} on .*, since 20"):
        train(settings())
    assert len(train_rest(first)) > 0
    assert not (settings().folder / run_folder.LOCK).exists()


def train_rest(events: object) -> list[object]:
    return list(events)  # type: ignore[call-overload]  # a generator of events


def test_the_lock_of_a_killed_training_does_not_block(settings: Make) -> None:
    folder = settings().folder
    folder.mkdir()
    (folder / run_folder.LOCK).write_text("process 1 on elsewhere, since 2020")
    (folder / ".archcalc-0123.csv").write_text("half of a file")
    assert train(settings()).result is not None
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("place", [0.02, 0.5, 0.999])
def test_a_flipped_bit_in_the_weights_is_refused(settings: Make, place: float) -> None:
    found = train(settings(recipe={"epochs": 1}))
    for name, use in (
        ("best.safetensors", lambda: score(found.folder, device="cpu")),
        ("resume.safetensors", lambda: train(settings(resume=True, recipe={"epochs": 1}))),
    ):
        file = found.folder / name
        whole = bytearray(file.read_bytes())
        damaged = whole.copy()
        damaged[int(place * len(whole))] ^= 0x10
        file.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"(are damaged|cannot be read|another network)"):
            use()
        file.write_bytes(whole)
        use()


def test_every_flipped_bit_of_a_small_weights_file_is_detected(tmp_path: Path) -> None:
    file = tmp_path / "best.safetensors"
    tensors = {"a": torch.arange(3.0), "b": torch.tensor(7, dtype=torch.int64)}
    run_folder._write(file, tensors, {"epoch": "1"})
    whole = file.read_bytes()
    assert torch.equal(run_folder.weights(file)["a"], tensors["a"])
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            with pytest.raises(UsageError):
                run_folder.weights(file)


def test_weights_that_were_saved_without_a_checksum_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save

    file = tmp_path / "old.safetensors"
    file.write_bytes(save({"a": torch.ones(2)}, {"epoch": "1"}))
    assert run_folder.weights(file)["a"].tolist() == [1.0, 1.0]


def test_a_record_without_its_classes_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.json has no classes"):
        score(make(tmp_path / "run", 0.8))


def test_resuming_a_finished_run_says_that_it_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"train nin-digits --device cpu --epochs 1 --limit 100 --folder {tmp_path / 'run'}"
    assert archcalc(line.split()) == 0
    capsys.readouterr()
    assert archcalc([*line.split(), "--resume"]) == 0
    assert f"{tmp_path / 'run'} is finished; its result is shown again" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [-1, 2**63, 10**38])
def test_a_seed_out_of_range_is_refused(settings: Make, seed: int) -> None:
    with pytest.raises(UsageError, match=r"is not a number from 0 to 2\^63 - 1"):
        replace(settings(), seed=seed)


def test_a_failed_download_does_not_advise_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(UsageError) as caught:
        data.load(f"mnist:{tmp_path}", "mnist", download=True)
    assert "cannot be downloaded" in str(caught.value)
    assert "--download" not in str(caught.value)


def bomb(path: Path, side: int) -> None:
    """Write a PNG of a few bytes that claims side × side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(b"\0" * 100)),
        chunk(b"IEND", b""),
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("side", [9_000, 10_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_among_the_images_is_refused(tmp_path: Path, side: int) -> None:
    for half in ("train", "test"):
        folder = tmp_path / half / "cats"
        folder.mkdir(parents=True)
        bomb(folder / "bomb.png", side)
    with pytest.raises(UsageError, match=r"bomb\.png (has|is not a readable image)") as caught:
        data.load(f"folder:{tmp_path}", "folder", size=(8, 8))
    assert re.search(r"pixels", str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_not_finite_is_recorded_as_unknown_and_read_again(
    settings: Make, tmp_path: Path
) -> None:
    """Train a network that returns infinity in evaluation mode."""
    (tmp_path / "burst.py").write_text(
        "import torch\n"
        "from torch import nn\n\n\n"
        "class Net(nn.Sequential):\n"
        "    def forward(self, x):\n"
        "        y = super().forward(x)\n"
        "        return y if self.training else y / 0\n\n\n"
        "def net() -> nn.Module:\n"
        "    return Net(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    found = train(settings(f"{tmp_path}/burst.py:net", size=(8, 8)))
    assert found.result is not None
    assert found.result.loss is None
    assert [row.validation_loss for row in found.history] == [None, None]
    assert load(found.folder).result == found.result
    again = train(settings(f"{tmp_path}/burst.py:net", size=(8, 8), resume=True))
    assert again.result == found.result
