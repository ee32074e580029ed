"""A calibration whose every number is in plain sight."""

from __future__ import annotations

from archcalc.analysis.latency import Environment
from archcalc.analysis.prediction.calibration import (
    CalibratedSetting,
    Calibration,
    KindModel,
    NetworkModel,
)
from archcalc.analysis.prediction.features import NAMES
from archcalc.analysis.prediction.trees import Trees
from archcalc.analysis.roofline import Ceilings
from archcalc.io.machine import cores, processor


def constant(value: float) -> Trees:
    """A model that says the same of every call."""
    return Trees(value, (), (), (), (), ())


def kind(*ops: str, ratio: float = 0.0, spread: float = 0.1, most: float = 64.0) -> KindModel:
    """Calls of these operators take e^ratio times their least time, with this spread."""
    return KindModel(
        ops=ops,
        calls=100,
        lowest=(0.0,) * len(NAMES),
        highest=(most,) * len(NAMES),
        error=0.1,
        median=constant(ratio),
        low=constant(-3.29 / 2 * spread),
        high=constant(3.29 / 2 * spread),
    )


def calibration(**changes: object) -> Calibration:
    """1 GFLOP/s, 1 GB/s, 1 µs a launch; every call takes its least time, a network the sum."""
    given: dict[str, object] = {
        "environment": Environment(processor(), cores(), "Linux", "3.11", "2.15", "1.0"),
        "setting": CalibratedSetting("cpu", "float32", 1),
        "ceilings": Ceilings("a processor", "float32", 1, 1e9, ((2**20, 2e9), (2**29, 1e9)), 1e-6),
        "features": NAMES,
        "kinds": {
            "conv": kind("conv2d"),
            "activation": kind("relu", "gelu"),
            "pooling": kind("max_pool2d", "adaptive_avg_pool2d"),
            "view": kind("flatten", "dropout"),
        },
        "network": NetworkModel(0.0, 0.0, 1.0, -1.645, 1.645, 0.02, 100, 0.05),
        "seconds": 240.0,
    }
    return Calibration(**(given | changes))  # type: ignore[arg-type]  # by the names of its fields
