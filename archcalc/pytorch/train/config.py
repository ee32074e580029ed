"""Describe a run for its ``run.json``."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from archcalc.io.machine import cores, processor
from archcalc.pytorch.bench.environment import checkout
from archcalc.pytorch.train.data import ImageSet
from archcalc.pytorch.train.network import canonical
from archcalc.pytorch.train.pixels import Pixels
from archcalc.pytorch.train.settings import Settings
from archcalc.version import VERSION

SCHEMA_VERSION = 1


def describe(
    settings: Settings,
    accelerator: Accelerator,
    found: ImageSet,
    shape: tuple[int, ...],
    pixels: Pixels,
) -> dict[str, Any]:
    """Return the record needed to identify, repeat and evaluate a run."""
    growth = settings.begins_with
    commit, dirty = checkout(Path.cwd())
    device = accelerator.device
    return {
        "schema_version": SCHEMA_VERSION,
        "archcalc": VERSION,
        "model": canonical(settings.model, settings.options),
        "input": list(shape),
        "recipe_name": settings.recipe_name,
        "recipe": asdict(settings.recipe),
        "seed": settings.seed,
        "data": {
            "name": found.name,
            "train": len(found.train),
            "test": len(found.test),
            "fingerprint": f"{found.train.fingerprint()}-{found.test.fingerprint()}",
        },
        "classes": list(found.classes),
        "pixels": pixels.record(),
        "precision": settings.precision,
        "channels_last": settings.channels_last,
        "compile": settings.compile,
        "accumulate": settings.accumulate,
        "processes": accelerator.num_processes,
        "stop_at": settings.stop_at,
        "time": settings.time,
        "begins_with": growth and {"model": growth.model, "new_weights": growth.new},
        "environment": {
            "device": device.type,
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "processor": processor(),
            "cores": cores(),
            "threads": torch.get_num_threads(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "torch": torch.__version__,
            "commit": commit,
            "uncommitted_changes": dirty,
        },
    }
