"""What a machine takes for the operators of networks: timed, and learnt from.

``design.py`` draws the networks, ``timing.py`` times them, ``fit.py`` learns the models.
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
"""Of timing, unless given."""
FEWEST = 12
"""Networks from which an interval can be told at all."""
SEED = 0
DESIGN = 1_000_000
"""Networks that the design can give; the time is over long before."""


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
    """Time designed networks for ``seconds`` and learn what their calls take.

    ``threads`` are of the CPU, torch's own number unless given, and 0 for all cores.
    ``follow(done, total, what)`` is called in seconds. ``graphs`` are declared networks to time
    instead of those of the design. Raises UsageError for a setting that cannot
    be calibrated, and MissingExtraError without scikit-learn.
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
        # All work is this thread's, so its own clock stands still while others have the processor.
        place = Cpu(time.thread_time)
    setting = CalibratedSetting(place.name, dtype, count, channels_last)

    def tell(share: float, what: str) -> None:
        if follow is not None:
            follow(round(share * seconds), round(seconds), what)

    begun = time.perf_counter()
    with autotune(place), with_threads(count):
        tell(0.0, f"the ceilings of {setting}")
        top = ceilings(place, dtype, count)
        watch = Watch(place)
        timed = time_networks(
            graphs or networks(DESIGN, SEED),
            dtype,
            channels_last,
            place,
            seconds,
            FEWEST,
            lambda share: tell(share, f"networks on {setting}"),
        )
        others = watch.conditions().get("other_cores_used")
        if len(timed) < FEWEST:
            raise UsageError(
                f"{place.name} could run {len(timed)} networks in {dtype}, too few to learn from; "
                "give another dtype"
            )
        tell(1.0, f"models of {setting}")
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
