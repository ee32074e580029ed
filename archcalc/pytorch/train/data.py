"""Load and check data sets of images.

A set that fits is decoded once and kept in the device's memory, where a batch is an index into it.
A folder of images that does not fit is decoded by worker processes as needed. Pixels stay ``uint8``
until a batch is made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archcalc.errors import UsageError, needs
from archcalc.guard import first_line, guard

ROOT = "ARCHCALC_DATA"
"""The environment variable with the folder of the data sets."""

NAMES = ("mnist", "fashion-mnist", "cifar-10", "cifar-100", "svhn", "digits")

LARGEST_IMAGE = 64 * 2**20
"""Most pixels of an image file; a file that unpacks to more may be a decompression bomb."""

IN_MEMORY = 8 * 2**30
"""Most bytes of decoded images that are kept in memory."""


@dataclass(frozen=True)
class InMemory:
    """Decoded images in one tensor."""

    images: Tensor
    labels: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.images.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for positions in batches:
            here = positions.to(self.images.device)
            yield self.images[here], self.labels[here]

    def to(self, device: torch.device) -> InMemory:
        return InMemory(self.images.to(device), self.labels.to(device))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.images.cpu().contiguous().numpy().tobytes())
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class OnDisk:
    """Image files that worker processes decode as needed."""

    files: tuple[str, ...]
    labels: Tensor
    shape: tuple[int, int, int]
    workers: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        return decode(self.files[position], self.shape), self.labels[position]

    def read(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        loader: Iterable[tuple[Tensor, Tensor]] = torch.utils.data.DataLoader(
            self,  # type: ignore[arg-type]  # has the methods of a Dataset
            batch_sampler=[positions.tolist() for positions in batches],
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        for images, labels in _without_traceback(loader):
            yield images.to(self.device, non_blocking=True), labels.to(self.device)

    def to(self, device: torch.device) -> OnDisk:
        return replace(self, device=device)

    def fingerprint(self) -> str:
        """Hash names and sizes, because reading every byte would take as long as an epoch."""
        digest = hashlib.sha256()
        for file, label in zip(self.files, self.labels.tolist(), strict=True):
            path = Path(file)
            digest.update(f"{label}/{path.name}:{path.stat().st_size}\n".encode())
        return digest.hexdigest()[:16]


def _without_traceback(loader: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the loader's batches, without the traceback that a worker puts into its error."""
    try:
        yield from loader
    except UsageError as error:
        raise UsageError(str(error).strip().rpartition("UsageError: ")[2]) from error


Images = InMemory | OnDisk
"""Images with labels, read by position. ``read`` yields each batch of positions as ``uint8`` images
(N, C, H, W) and labels on the device. ``fingerprint`` is a digest that is equal for equal sets."""


@dataclass(frozen=True)
class ImageSet:
    """A data set with training and test images."""

    name: str
    train: Images
    test: Images
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.train.shape

    def first(self, count: int) -> ImageSet:
        """Return ``count`` training images and ``count`` test images.

        They are chosen at random, always the same, because some sets are sorted by class.
        """

        def some(images: Images) -> Images:
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
            kept = order[:count]
            if isinstance(images, InMemory):
                return InMemory(images.images[kept], images.labels[kept])
            files = tuple(images.files[position] for position in kept.tolist())
            return replace(images, files=files, labels=images.labels[kept])

        if count >= max(len(self.train), len(self.test)):
            return self
        return replace(self, train=some(self.train), test=some(self.test))


def load(
    spec: str, default: str, *, size: tuple[int, int] | None = None, download: bool = False
) -> ImageSet:
    """Load the data set that ``--data`` names.

    ``spec`` is a name (looked up in the folder ``ARCHCALC_DATA``), ``NAME:DIR``, ``folder:DIR``
    with ``train/CLASS/*`` and ``test/CLASS/*``, or a folder that contains the set ``default``. The
    images of a folder are resized to ``size``, (H, W). Raises UsageError for a missing or damaged
    set.
    """
    name, root = parse(spec, default)
    if name == "digits":
        return _digits()
    if name == "folder":
        return _folder(root, size)
    if not root:
        raise UsageError(
            f"the data set {name} needs a folder: give --data {name}:DIR or set {ROOT}; "
            "--download downloads it into that folder"
        )
    return _torchvision(name, root, download)


def parse(spec: str, default: str) -> tuple[str, str]:
    """Parse ``--data`` as a set's name and its folder. Raises UsageError."""
    root = os.environ.get(ROOT, "")
    if not spec:
        spec = default
    name, colon, place = spec.partition(":")
    if name in (*NAMES, "folder") and (colon or name != "folder"):
        return name, place or root
    if Path(spec).is_dir() and default in NAMES:
        return default, spec
    if default == "folder" and Path(spec).is_dir():
        return "folder", spec
    if spec == "folder":
        raise UsageError("this recipe has no data set; give --data folder:DIR")
    raise UsageError(
        f"--data {spec} is neither a data set nor a folder; the data sets are {', '.join(NAMES)}, "
        "folder:DIR"
    )


def _digits() -> ImageSet:
    with needs("torch", "the set digits"):
        from sklearn.datasets import load_digits
    found: Any = load_digits()
    # Scale the 17 grey levels, 0 to 16, to bytes.
    images = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(found.target).long()
    # scikit-learn has no split, so every fifth image is for the test. The same people wrote both
    # parts, which makes this easier than UCI's split by writers.
    test = torch.arange(len(labels)) % 5 == 4
    return ImageSet(
        "digits",
        InMemory(images[~test], labels[~test]),
        InMemory(images[test], labels[test]),
        tuple("0123456789"),
    )


def _torchvision(name: str, root: str, download: bool) -> ImageSet:
    with needs("torch", f"the set {name}"):
        from torchvision import datasets
    halves: list[Any] = []
    try:
        for train in (True, False):
            if name == "svhn":
                split = "train" if train else "test"
                halves.append(datasets.SVHN(root, split=split, download=download))
                continue
            # CIFAR is pickled, but torchvision checks the published digest before opening a file.
            cls = {
                "mnist": datasets.MNIST,
                "fashion-mnist": datasets.FashionMNIST,
                "cifar-10": datasets.CIFAR10,
                "cifar-100": datasets.CIFAR100,
            }[name]
            halves.append(cls(root, train=train, download=download))
        train_images, test_images = map(_bytes, halves)
    except Exception as error:  # each format fails in its own way
        reason = first_line(error).rstrip(".")
        if download:
            raise UsageError(
                f"the data set {name} cannot be downloaded into {root} ({reason}); check the "
                f"network connection, or copy its files there"
            ) from error
        raise UsageError(
            f"the data set {name} under {root} is missing or damaged ({reason}); "
            "download it with --download"
        ) from error
    for half in (train_images, test_images):
        if len(half) == 0 or len(half.images) != len(half.labels):
            raise UsageError(
                f"the data set {name} under {root} is damaged: {len(half.images)} images and "
                f"{len(half.labels)} labels; download it with --download"
            )
    classes = getattr(halves[0], "classes", None) or [str(digit) for digit in range(10)]
    return ImageSet(name, train_images, test_images, tuple(map(str, classes)))


def _bytes(half: Any) -> InMemory:
    """Convert torchvision's images, N×H×W, N×H×W×3 or (SVHN) N×3×H×W, to N×C×H×W."""
    images = torch.as_tensor(half.data)
    if images.dim() == 3:
        images = images.unsqueeze(1)
    elif images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(half.targets if hasattr(half, "targets") else half.labels)
    return InMemory(images.contiguous(), labels.long())


def _folder(root: str, size: tuple[int, int] | None) -> ImageSet:
    with needs("torch", "a folder of images"):
        from torchvision.datasets import ImageFolder
    halves = []
    for half in ("train", "test"):
        folder = Path(root, half)
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; folder:DIR needs train/ and test/")
        try:
            halves.append(ImageFolder(str(folder)))
        except (OSError, RuntimeError) as error:
            raise UsageError(f"{folder} has no CLASS/IMAGE files: {error}") from error
    if halves[0].classes != halves[1].classes:
        raise UsageError(
            f"{root}: train/ and test/ have different classes; they must have the same"
        )
    first = halves[0].samples[0][0]
    height, width = size or decode(first).shape[1:]
    shape = (3, height, width)
    return ImageSet(
        f"folder:{Path(root).name}",
        _read(halves[0].samples, shape),
        _read(halves[1].samples, shape),
        tuple(halves[0].classes),
    )


def _read(samples: Sequence[tuple[str, int]], shape: tuple[int, int, int]) -> Images:
    files = [file for file, _ in samples]
    labels = torch.tensor([label for _, label in samples])
    workers = min(8, os.cpu_count() or 1)
    channels, height, width = shape
    if len(files) * channels * height * width > IN_MEMORY:
        return OnDisk(tuple(files), labels, shape, workers, torch.device("cpu"))
    with ThreadPoolExecutor(workers) as pool:  # the decoder releases the GIL
        images = list(pool.map(lambda file: decode(file, shape), files))
    return InMemory(torch.stack(images), labels)


def decode(file: str, shape: tuple[int, int, int] | None = None) -> Tensor:
    """Decode an image file to ``uint8`` (C, H, W), converted and resized to ``shape`` if given."""
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    _silence_bomb_warning()
    with guard(f"{file} is not a readable image"), Image.open(file) as image:
        if image.width * image.height > LARGEST_IMAGE:
            raise UsageError(
                f"{file} has {image.width}×{image.height} pixels; at most {LARGEST_IMAGE:,} "
                "are allowed"
            )
        # Expand a palette and drop an alpha channel.
        picture = image.convert("L" if shape and shape[0] == 1 else "RGB")
        if shape and (picture.height, picture.width) != shape[1:]:
            picture = picture.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
        found: Tensor = pil_to_tensor(picture)
        return found


@cache
def _silence_bomb_warning() -> None:
    """Silence Pillow's warning about decompression bombs, which are rejected here."""
    import warnings

    from PIL import Image

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def hold_out(images: Images, part: float) -> tuple[Tensor, Tensor]:
    """Split positions into training images and the fraction ``part`` that is held out.

    The split is the same for every seed, so that all seeds learn from the same images.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(2013))
    held = round(len(images) * part)
    return order[held:].sort().values, order[:held].sort().values
