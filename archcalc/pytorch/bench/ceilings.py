"""The roofline's ceilings of this machine: measured once, and kept in the user's cache unless other
processes were in the way.

Arithmetic: the best rate of a large matrix product, asked of every library that the models will
use: ``torch.mm`` (BLAS), and convolutions, which are matrix products done by oneDNN or cuDNN; on
some processors either is far ahead of the other. Memory: the best rate of copies, from
some KiB to far beyond any cache. Launch: a call on one element. A ceiling is the best of its tries,
since whatever disturbs a try can only make it slower.
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
"""(size, dtype, device) -> the FLOPs of one call, and the call."""
SIZES = (256, 512, 1024, 2048, 4096, 8192)
WINDOWS = (1, 3, 5, 7)
LONG_ENOUGH = 0.01
"""Seconds of one product from which a larger one would not be faster, and would meet more of what
disturbs it."""
TRIES = 8
LEAST = 0.1
"""Seconds of tries: short work has many, so that some of them meet nobody."""
LARGEST_COPY = 2**29
"""Bytes read and written; larger than any cache of today, or a quarter of the GPU's memory."""


def ceilings(
    device: Device,
    dtype: str,
    threads: int | None,
    *,
    again: bool = False,
    path: Path | None = None,
) -> Ceilings:
    """Of this device in this dtype: from the cache, or measured now and put there.

    ``again`` measures in any case. ``path`` is the cache's file, the user's own unless given.
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
    if watch.conditions().get("other_cores_used", 0.0) <= OTHERS:  # else it may well be too low
        known = read_cache(file)  # another process may have written meanwhile
        known[key] = found
        _write_cache(file, known)
    return found


def measure_ceilings(device: Device, dtype: str, threads: int | None) -> Ceilings:
    """Measure them: some seconds."""
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
    """The product of a (size/256·28·28)×(window²·128) matrix with a (window²·128)×128 one."""
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
    """The shortest of some tries, the device's own time where it tells it."""
    call()
    begun = device.clock()
    samples: list[float] = []
    while len(samples) < TRIES or device.clock() - begun < LEAST:
        sample = device.sample(call, calls)
        samples.append(sample.wall if sample.device is None else sample.device)
    return min(samples)


def read_cache(file: Path) -> dict[str, Ceilings]:
    """What is known already; a file that is missing or damaged is as good as none."""
    try:
        found = validated(json.read(file), _Cache, file)
    except UsageError:
        return {}
    if found.schema_version != SCHEMA_VERSION:
        return {}
    return {key: top for key, top in found.ceilings.items() if _is_possible(top)}


@dataclass(frozen=True)
class _Cache:
    """The file."""

    schema_version: int
    ceilings: dict[str, Ceilings]


def _is_possible(top: Ceilings) -> bool:
    return bool(top.copies) and min(top.flops, top.launch, *(speed for _, speed in top.copies)) > 0


def _write_cache(file: Path, known: dict[str, Ceilings]) -> None:
    """A cache that cannot be written is done without."""
    data: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "ceilings": {key: found.record() for key, found in known.items()},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, dumps(data, indent=1) + "\n")
    except (OSError, UsageError):
        return
