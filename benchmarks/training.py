"""Compare the training throughput of the articles' loop and of archcalc's.

    python benchmarks/training.py --data /path/with/FashionMNIST [--models nin-fashion,nin]

The loop of the articles uses float32 and contiguous tensors; PIL opens each image, and torchvision
transforms it in a DataLoader. archcalc's loop keeps bytes in memory and batches them on the device,
with channels last and optionally bf16. The loops take turns, so that a drift of the machine affects
both; the script prints medians and ranges over the rounds. The ceiling is a bf16 matrix product on
this machine, measured between the rounds. A training step counts as three forward passes with 2
FLOPs per MAC.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional as F
from torchvision import transforms

from archcalc.analysis.profile import profile
from archcalc.lookup import registry
from archcalc.pytorch.build import build
from archcalc.pytorch.train import Settings, cpu, data, loop, pixels
from archcalc.pytorch.train import network as networks
from archcalc.recipe import find


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images as in torchvision's data sets: one at a time, through PIL."""

    def __init__(self, images: data.InMemory, size: tuple[int, int]) -> None:
        self.arrays = images.images.permute(0, 2, 3, 1).squeeze(3).numpy()
        self.labels = images.labels.tolist()
        self.transform = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[position])), self.labels[position]


def article(model: str, images: data.InMemory, batch: int, batches: int) -> float:
    """Images per second of the articles' loop."""
    channels, size = images.shape[0], registry.find(model).input[1:]
    net = build(model, (channels, *size)).train()
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)
    loader = torch.utils.data.DataLoader(Pictures(images, size), batch_size=batch, shuffle=True)
    turns = iter(loader)
    for warm in (True, False):
        started = time.perf_counter()
        seen = 0
        for x, y in islice(turns, 1 if warm else batches):
            adam.zero_grad()
            F.cross_entropy(net(x), y).backward()
            adam.step()
            seen += len(y)
    return seen / (time.perf_counter() - started)


def archcalc(model: str, images: data.InMemory, batch: int, batches: int, precision: str) -> float:
    """Images per second of archcalc's loop over the same images."""
    name, recipe = find(registry.find(model), "fast")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            model=model,
            recipe_name=name,
            recipe=replace(recipe, batch=batch, validation=0.0, sizes=()),
            folder=Path(folder),
            precision=precision,
            device="cpu",
        )
    accelerator = loop.start(settings)
    net, shape = networks.make(
        model, {}, settings.recipe, channels=images.shape[0], size=None, classes=10, seed=0
    )
    net.to(memory_format=torch.channels_last)
    cpu.speed_up(net, accelerator.device)
    made = pixels.of(recipe.normalise, images, (shape[1], shape[2]))
    colour = pixels.mean_colour(images, recipe)
    optimizer = networks.optimizer(net, settings.recipe, images.shape[0])
    with cpu.kept_memory(accelerator.device):
        for count in (1, batches):
            positions = torch.randperm(len(images))[: count * batch]
            training = loop.Training.of(
                settings, accelerator, net, optimizer, None, images, positions, made, colour
            )
            started = time.perf_counter()
            for _ in loop.one_epoch(training, 1):
                pass
        return len(positions) / (time.perf_counter() - started)


def ceiling(size: int = 2048) -> float:
    """FLOPs per second of a bf16 matrix product."""
    a = torch.randn(size, size, dtype=torch.bfloat16)
    a @ a
    started = time.perf_counter()
    for _ in range(3):
        a @ a
    return 3 * 2 * size**3 / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get(data.ROOT, "."))
    parser.add_argument("--models", default="nin-fashion,nin")
    parser.add_argument("--precision", default="bf16", choices=("fp32", "bf16"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    given = parser.parse_args()

    found = data.load(f"fashion-mnist:{given.data}", "fashion-mnist").train
    assert isinstance(found, data.InMemory)
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, batch {given.batch}, "
        f"{given.rounds} rounds of {given.batches} batches in turns, load "
        f"{os.getloadavg()[0]:.1f} at the start\n"
    )
    print("| model | articles' loop, images/s | archcalc, images/s | ratio | of the ceiling |")
    print("|:--|--:|--:|--:|--:|")
    for model in given.models.split(","):
        # All models get images of FashionMNIST, repeated for three channels if necessary.
        channels, *size = registry.find(model).input
        images = data.InMemory(
            found.images.expand(-1, channels, -1, -1)[:8192].contiguous(), found.labels[:8192]
        )
        theirs, ours, ceilings = [], [], []
        for _ in range(given.rounds):
            theirs.append(article(model, images, given.batch, given.batches))
            ours.append(archcalc(model, images, given.batch, given.batches, given.precision))
            ceilings.append(ceiling())
        work = 3 * 2 * profile(registry.find(model).graph((channels, *size))).macs
        share = statistics.median(ours) * work / statistics.median(ceilings)
        print(
            f"| {model} | {spread(theirs)} | {spread(ours)} | "
            f"{statistics.median(ours) / statistics.median(theirs):.2f} | {100 * share:.0f} % of "
            f"{statistics.median(ceilings) / 1e9:,.0f} GFLOP/s |",
            flush=True,
        )


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


if __name__ == "__main__":
    main()
