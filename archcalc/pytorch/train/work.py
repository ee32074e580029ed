"""Count the arithmetic of a run, and measure how many epochs fit into a time."""

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
"""Steps that are timed at each image size, after the same number of warm-up steps."""


def flops_per_image(network: nn.Module, shape: Iterable[int]) -> int | None:
    """Return the FLOPs of one image's forward and backward pass, without loss and optimizer.

    ``shape`` is (C, H, W). The result is None if the network cannot be traced.
    """
    try:
        # Two images, because batch normalisation rejects a single image with 1×1 maps.
        graph = trace(network, (2, *shape), train=True)
    except ArchcalcError:
        return None
    profile = graph.profile()
    return None if profile.not_counted else profile.flops // 2


def matrix_rate(device: torch.device, precision: str) -> float:
    """Return the best FLOP/s of matrix products on this device, from the cache or measured now."""
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
    """Return the largest number of epochs, at least 1, that a recipe finishes in ``seconds``.

    ``step(network, height)`` trains one batch, an epoch has ``batches`` batches, and evaluation
    takes ``others`` seconds per epoch. The network does not change.
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
