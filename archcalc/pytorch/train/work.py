"""What a run costs: its arithmetic, counted, and the time that a schedule will take, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import nn

from archcalc.errors import ArchcalcError
from archcalc.pytorch.bench import ceilings
from archcalc.pytorch.bench.devices import find_device
from archcalc.pytorch.trace import trace
from archcalc.recipe import Recipe

STEPS = 3
"""Steps that are timed at each size of the images, after as many that are not."""


def flops_per_image(network: nn.Module, shape: Iterable[int]) -> int | None:
    """FLOPs of one image's forward and backward pass, without loss and optimizer; None where the
    network cannot be traced. ``shape`` is (C, H, W)."""
    try:
        # Two images, because batch normalisation refuses one where its maps are 1×1.
        graph = trace(network, (2, *shape), train=True)
    except ArchcalcError:
        return None
    profile = graph.profile()
    return None if profile.not_counted else profile.flops // 2


def matrix_rate(device: torch.device, precision: str) -> float:
    """FLOP/s of the best large matrix product on this device, from the cache or measured now."""
    dtype = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[precision]
    threads = torch.get_num_threads() if device.type == "cpu" else None
    return ceilings.ceilings(find_device(device.type), dtype, threads).flops


def epochs_within(
    seconds: float,
    recipe: Recipe,
    batches: int,
    step: Callable[[nn.Module, int | None], object],
    network: nn.Module,
    others: float,
) -> int:
    """The largest number of epochs, at least 1, that a recipe finishes in this time.

    ``step(network, height)`` trains one batch, ``batches`` make an epoch, and ``others`` are the
    seconds per epoch that evaluation takes. The network itself is not changed.
    """
    copy = deepcopy(network)
    took = {}
    for height in dict.fromkeys((*recipe.sizes, None)):
        for _ in range(STEPS):
            step(copy, height)
        started = time.perf_counter()
        for _ in range(STEPS):
            step(copy, height)
        took[height] = (time.perf_counter() - started) / STEPS

    def needed(epochs: int) -> float:
        stretched = recipe.in_epochs(epochs)
        heights = [stretched.size_at(epoch) for epoch in range(1, epochs + 1)]
        return sum(batches * took[height] + others for height in heights)

    found = 1
    while needed(found + 1) <= seconds:
        found += 1
    return found
