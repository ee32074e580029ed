"""Time operators on this machine and learn models that predict their time.

``design.py`` samples networks, ``timing.py`` times them, and ``fit.py`` fits the models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib.metadata import version

import torch

from archcalc.analysis.prediction.calibration import CalibratedSetting, Calibration
from archcalc.analysis.prediction.features import NAMES
from archcalc.analysis.profiles import Follow
from archcalc.errors import UsageError, needs
from archcalc.graph import Graph
from archcalc.pytorch.bench.ceilings import ceilings
from archcalc.pytorch.bench.devices import Cpu, Device, autotune, find_device
from archcalc.pytorch.bench.devices import threads as with_threads
from archcalc.pytorch.bench.environment import environment
from archcalc.pytorch.bench.run import DTYPES, LONGEST, check_threads
from archcalc.pytorch.bench.watch import Watch
from archcalc.pytorch.calibrate.timing import time_networks

SECONDS = 240.0
"""Default time for measuring."""
FEWEST = 12
"""The fewest networks from which an interval can be estimated."""
SEED = 0
DESIGN = 1_000_000
"""The number of networks in the design, far more than can be timed."""


def calibrate(
    *,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int | None = None,
    channels_last: bool = False,
    seconds: float = SECONDS,
    follow: Follow | None = None,
    find: Callable[[str], Device] = find_device,
    graphs: Iterable[Graph] = (),
) -> Calibration:
    """Time networks for ``seconds`` and fit models of their operators' time.

    ``threads`` is the number of CPU threads: by default torch's own, and 0 for all cores.
    ``follow(done, total, what)`` reports progress in seconds. ``graphs`` are declared networks to
    time instead of the design's. Raises UsageError for a setting that cannot be calibrated, and
    MissingExtraError without scikit-learn.
    """
    with needs("predict", "archcalc calibrate"):
        from archcalc.pytorch.calibrate.design import networks
        from archcalc.pytorch.calibrate.fit import fit
    if dtype not in DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}: one of {', '.join(DTYPES)}")
    if not 0 < seconds <= LONGEST:  # false for nan too
        raise UsageError(
            f"time {seconds:g} is out of range; give more than 0 and at most {LONGEST} seconds"
        )
    place = find(device)
    count = check_threads(place, threads)
    if isinstance(place, Cpu) and count == 1:
        # All work is in this thread, whose own clock stops while other processes run.
        place = Cpu(time.thread_time)
    setting = CalibratedSetting(place.name, dtype, count, channels_last)

    def report(share: float, what: str) -> None:
        if follow is not None:
            follow(round(share * seconds), round(seconds), what)

    begun = time.perf_counter()
    with autotune(place), with_threads(count):
        report(0.0, f"the ceilings of {setting}")
        top = ceilings(place, dtype, count)
        watch = Watch(place)
        timed = time_networks(
            graphs or networks(DESIGN, SEED),
            dtype,
            channels_last,
            place,
            seconds,
            FEWEST,
            lambda share: report(share, f"networks on {setting}"),
        )
        others = watch.conditions().get("other_cores_used")
        if len(timed) < FEWEST:
            raise UsageError(
                f"{place.name} could run only {len(timed)} networks in {dtype}, too few to learn "
                "from; give another dtype"
            )
        report(1.0, f"models of {setting}")
        kinds, network = fit(timed, top)
        made = environment(place)
    return Calibration(
        environment=made,
        setting=setting,
        ceilings=top,
        features=NAMES,
        kinds=kinds,
        network=network,
        seconds=time.perf_counter() - begun,
        others=others,
        versions={name: version(name) for name in ("scikit-learn", "scipy")}
        | {"torch": torch.__version__},
    )
