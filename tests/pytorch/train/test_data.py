"""Data sets: contents, held-out images, and errors for missing or damaged sets."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.datasets import MNIST

from archcalc.errors import UsageError
from archcalc.pytorch.train import data
from archcalc.pytorch.train.data import InMemory, OnDisk, hold_out, load, parse
from archcalc.pytorch.train.pixels import of as pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write eight 6×4 images of two classes, each with its own shade."""
    for half in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / half / name).mkdir(parents=True)
            for number in range(2):
                shade = 100 * label + 10 * number
                image = Image.new("RGB", (4, 6), (shade, shade + 1, shade + 2))
                image.save(tmp_path / half / name / f"{number}.png")
    return tmp_path


def test_the_digits_are_complete_and_keep_their_17_grey_levels() -> None:
    found = load("digits", "digits")
    assert len(found.train) + len(found.test) == 1797
    assert found.shape == (1, 8, 8)
    assert isinstance(found.train, InMemory)
    assert len(found.train.images.unique()) == 17
    assert found.train.images.max() == 255


def test_a_folder_of_images_is_read_with_its_classes(folder: Path) -> None:
    found = load(f"folder:{folder}", "mnist")
    assert found.classes == ("cat", "dog")
    assert found.shape == (3, 6, 4)
    assert found.train.labels.tolist() == [0, 0, 1, 1]
    [(images, labels)] = found.train.read([torch.tensor([3, 0])])
    assert images[:, :, 0, 0].tolist() == [[110, 111, 112], [0, 1, 2]]
    assert labels.tolist() == [1, 0]


def test_a_folder_too_large_for_memory_gives_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = load(f"folder:{folder}", "mnist", size=(8, 8))
    monkeypatch.setattr(data, "IN_MEMORY", 0)
    found = load(f"folder:{folder}", "mnist", size=(8, 8))
    assert isinstance(found.train, OnDisk)
    batches = [torch.tensor([3, 0]), torch.tensor([1])]
    for one, other in zip(found.train.read(batches), decoded.train.read(batches), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert found.first(2).train.fingerprint() != found.train.fingerprint()


def test_the_fingerprint_depends_on_every_pixel_and_label() -> None:
    found = InMemory(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1]))
    pixel = InMemory(found.images.clone().index_fill_(0, torch.tensor([1]), 1), found.labels)
    label = InMemory(found.images, torch.tensor([1, 1]))
    assert len({found.fingerprint(), pixel.fingerprint(), label.fingerprint()}) == 3


def test_held_out_images_are_not_trained_on_and_are_always_the_same() -> None:
    images = load("digits", "digits").train
    learn, held_out = hold_out(images, 0.1)
    assert len(held_out) == round(len(images) * 0.1)
    assert sorted([*learn.tolist(), *held_out.tolist()]) == list(range(len(images)))
    assert torch.equal(hold_out(images, 0.1)[1], held_out)
    assert len(hold_out(images, 0)[1]) == 0


def test_normalised_by_channel_pixels_have_mean_0_and_deviation_1() -> None:
    images = load("digits", "digits").train
    assert isinstance(images, InMemory)
    values = pixels("channel", images, (8, 8))(images.images)
    assert values.mean().item() == pytest.approx(0, abs=1e-5)
    assert values.std().item() == pytest.approx(1, abs=1e-3)
    assert pixels("none", images, (8, 8))(images.images).max() == 1


def test_mean_and_deviation_are_the_same_bits_in_any_order_and_on_any_threads() -> None:
    images = torch.randint(0, 256, (3000, 3, 9, 7), dtype=torch.uint8)
    labels = torch.zeros(3000, dtype=torch.int64)
    found = pixels("channel", InMemory(images, labels), (9, 7))
    assert pixels("channel", InMemory(images[torch.randperm(3000)], labels), (9, 7)) == found
    torch.set_num_threads(2)  # a fixture restores it
    assert pixels("channel", InMemory(images, labels), (9, 7)) == found
    exact = images.double() / 255
    assert found.mean == pytest.approx(exact.mean((0, 2, 3)).tolist(), rel=1e-12)
    deviation = exact.std((0, 2, 3), correction=0)
    assert found.std == pytest.approx(deviation.tolist(), rel=1e-9)


def test_pixels_resize_images_to_the_requested_size() -> None:
    images = load("digits", "digits").train
    assert isinstance(images, InMemory)
    assert pixels("none", images, (16, 12))(images.images[:3]).shape == (3, 1, 16, 12)


def test_the_folder_of_the_sets_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(data.ROOT, "/somewhere")
    assert parse("", "mnist") == ("mnist", "/somewhere")
    assert parse("svhn", "mnist") == ("svhn", "/somewhere")
    assert parse("svhn:/else", "mnist") == ("svhn", "/else")
    assert parse(str(tmp_path), "mnist") == ("mnist", str(tmp_path))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mnits", "--data mnits is neither a data set nor a folder; the data sets are mnist"),
        ("mnist", "the data set mnist needs a folder: give --data mnist:DIR or set ARCHCALC_DATA"),
        ("mnist:/nowhere", "the data set mnist under /nowhere is missing or damaged"),
        ("cifar-10:/nowhere", "the data set cifar-10 under /nowhere is missing or damaged"),
        ("svhn:/nowhere", "the data set svhn under /nowhere is missing or damaged"),
        ("folder:/nowhere", "there is no folder /nowhere/train; folder:DIR needs train/ and test/"),
    ],
)
def test_a_missing_set_is_refused_in_one_sentence(
    spec: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(data.ROOT, raising=False)
    with pytest.raises(UsageError) as caught:
        load(spec, "digits")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_set_is_refused_in_one_sentence(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for half in ("train", "t10k"):
        (raw / f"{half}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\x01" * 3)
        (raw / f"{half}-labels-idx1-ubyte").write_bytes(b"not labels")
    with pytest.raises(UsageError, match=r"the data set mnist under .* is missing or damaged"):
        load(f"mnist:{tmp_path}", "digits")


def test_a_damaged_image_and_an_empty_folder_are_refused_in_one_sentence(folder: Path) -> None:
    (folder / "train" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"0\.png is not a readable image"):
        load(f"folder:{folder}", "digits")
    for file in (folder / "test" / "dog").iterdir():
        file.unlink()
    with pytest.raises(UsageError, match="has no CLASS/IMAGE files"):
        load(f"folder:{folder}", "digits")


@pytest.mark.data
def test_mnist_is_read_from_the_folder_of_the_environment(real_mnist: tuple[int, int]) -> None:
    found = load("mnist", "digits")
    assert ((len(found.train), len(found.test)), found.shape) == (real_mnist, (1, 28, 28))
    assert found.train.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_a_set_is_downloaded_only_if_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Download over HTTP from a local server with two training and two test images."""
    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for half in ("train", "t10k"):
        pixels_of = bytes(range(256)) * 6 + bytes(2 * 28 * 28 - 256 * 6)
        for kind, sizes, body in (
            ("images-idx3", (2, 28, 28), pixels_of),
            ("labels-idx1", (2,), bytes([7, 3])),
        ):
            head = struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
            packed = gzip.compress(head + body)
            name = f"{half}-{kind}-ubyte.gz"
            (served / name).write_bytes(packed)
            resources.append((name, hashlib.md5(packed).hexdigest()))
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(MNIST, "resources", resources)
        with pytest.raises(UsageError, match="download it with --download"):
            load(f"mnist:{tmp_path}", "digits")
        found = load(f"mnist:{tmp_path}", "digits", download=True)
        server.shutdown()
    assert found.train.labels.tolist() == found.test.labels.tolist() == [7, 3]
    assert isinstance(found.train, InMemory)
    assert found.train.images[0, 0, 0, :4].tolist() == [0, 1, 2, 3]
    assert len(load(f"mnist:{tmp_path}", "digits").train) == 2  # now downloaded
