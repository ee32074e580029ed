"""Measure the roofline ceilings of this machine once and keep them in the user's cache.

Arithmetic: the best rate of large matrix products in each library that models use, ``torch.mm``
(BLAS) and convolutions (oneDNN or cuDNN); on some processors one is much faster than the other.
Memory: the best rate of copies, from a few KiB to far beyond any cache. Launch: a call on one
element. Each ceiling is the best of several tries, because interference only slows a try down.
Ceilings are not cached if other processes were busy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from json import dumps
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from archcalc.analysis.latency import OTHERS
from archcalc.analysis.roofline import Ceilings
from archcalc.errors import UsageError
from archcalc.io import json
from archcalc.io.cache_folder import cache_folder
from archcalc.io.files import write_text
from archcalc.io.machine import cores, processor
from archcalc.io.validate import validated
from archcalc.pytorch.bench.devices import Call, Cuda, Device
from archcalc.pytorch.bench.environment import gpu
from archcalc.pytorch.bench.watch import Watch

SCHEMA_VERSION = 1
Kind = Callable[[int, torch.dtype, str], tuple[float, Call]]
"""Maps (size, dtype, device) to the FLOPs of one call and the call."""
SIZES = (256, 512, 1024, 2048, 4096, 8192)
WINDOWS = (1, 3, 5, 7)
LONG_ENOUGH = 0.01
"""Seconds of one product. A larger product is no faster and suffers more interference."""
TRIES = 8
LEAST = 0.1
"""Seconds of tries: short work is repeated often, so that some tries are undisturbed."""
LARGEST_COPY = 2**29
"""Bytes read and written by the largest copy, more than today's caches hold."""


def ceilings(
    device: Device,
    dtype: str,
    threads: int | None,
    *,
    again: bool = False,
    path: Path | None = None,
) -> Ceilings:
    """Return this device's ceilings in this dtype, from the cache or measured now.

    ``again`` always measures. ``path`` is the cache file, by default the user's own.
    """
    folder = cache_folder()
    file = path or (folder / "ceilings.json" if folder else Path(os.devnull))
    key = " | ".join(
        (
            gpu(device) or f"{processor()}, {cores()} cores",
            device.name,
            dtype,
            f"{threads} threads",
            f"torch {torch.__version__}",
            torch.get_float32_matmul_precision(),
        )
    )
    known = read_cache(file)
    if not again and key in known:
        return known[key]
    watch = Watch(device)
    found = measure_ceilings(device, dtype, threads)
    if watch.conditions().get("other_cores_used", 0.0) <= OTHERS:  # otherwise probably too low
        known = read_cache(file)  # another process may have written meanwhile
        known[key] = found
        _write_cache(file, known)
    return found


def measure_ceilings(device: Device, dtype: str, threads: int | None) -> Ceilings:
    """Measure the ceilings, which takes some seconds."""
    kind = getattr(torch, dtype)
    with torch.no_grad():
        return Ceilings(
            device=gpu(device) or processor(),
            dtype=dtype,
            threads=threads,
            flops=_arithmetic(device, kind),
            copies=_copies(device),
            launch=_launch(device),
        )


def _arithmetic(device: Device, dtype: torch.dtype) -> float:
    best = 0.0
    kinds: list[Kind] = [_product, *(partial(_convolution, window) for window in WINDOWS)]
    for kind in kinds:
        for size in SIZES:
            flops, call = kind(size, dtype, device.name)
            seconds = _best(device, call)
            best = max(best, flops / seconds)
            if seconds >= LONG_ENOUGH:
                break
    return best


def _product(size: int, dtype: torch.dtype, device: str) -> tuple[float, Call]:
    a = torch.ones(size, size, dtype=dtype, device=device)
    b = torch.ones(size, size, dtype=dtype, device=device)
    return 2.0 * size**3, lambda: a @ b


def _convolution(window: int, size: int, dtype: torch.dtype, device: str) -> tuple[float, Call]:
    """Multiply a (size/256·28·28)×(window²·128) matrix with a (window²·128)×128 one, as im2col."""
    x = torch.ones(size // 256, 128, 28, 28, dtype=dtype, device=device)
    weight = torch.ones(128, 128, window, window, dtype=dtype, device=device)
    flops = 2.0 * x.numel() * weight[0].numel()
    return flops, lambda: F.conv2d(x, weight, padding=window // 2)


def _copies(device: Device) -> tuple[tuple[int, float], ...]:
    largest = LARGEST_COPY
    if isinstance(device, Cuda):
        free, _ = device.cuda.mem_get_info(device.index)
        largest = max(LARGEST_COPY, min(2**32, free // 4))
    found = []
    moved = 2**14
    while moved <= largest:
        source = torch.ones(moved // 2, dtype=torch.uint8, device=device.name)
        target = torch.empty_like(source)

        def copy(source: torch.Tensor = source, target: torch.Tensor = target) -> object:
            return target.copy_(source)

        found.append((moved, moved / _best(device, copy)))
        moved *= 4
    return tuple(found)


def _launch(device: Device) -> float:
    x = torch.zeros(1, device=device.name)
    return _best(device, lambda: torch.relu(x), calls=100)


def _best(device: Device, call: Call, calls: int = 1) -> float:
    """Return the shortest of several tries, in the device's own time if available."""
    call()
    begun = device.clock()
    samples: list[float] = []
    while len(samples) < TRIES or device.clock() - begun < LEAST:
        sample = device.sample(call, calls)
        samples.append(sample.wall if sample.device is None else sample.device)
    return min(samples)


def read_cache(file: Path) -> dict[str, Ceilings]:
    """Read the cached ceilings; a missing or damaged file has none."""
    try:
        found = validated(json.read(file), _Cache, file)
    except UsageError:
        return {}
    if found.schema_version != SCHEMA_VERSION:
        return {}
    return {key: top for key, top in found.ceilings.items() if _is_possible(top)}


@dataclass(frozen=True)
class _Cache:
    """The contents of the cache file."""

    schema_version: int
    ceilings: dict[str, Ceilings]


def _is_possible(top: Ceilings) -> bool:
    return bool(top.copies) and min(top.flops, top.launch, *(speed for _, speed in top.copies)) > 0


def _write_cache(file: Path, known: dict[str, Ceilings]) -> None:
    """Write the cache if possible."""
    data: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "ceilings": {key: found.record() for key, found in known.items()},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, dumps(data, indent=1) + "\n")
    except (OSError, UsageError):
        return
