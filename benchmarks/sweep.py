"""Candidates counted per second on one core: by formula, one by one, and by other counters.

    python benchmarks/sweep.py [--candidates 1000000] [--peers] [--billion]

Times are processor times, which exclude other work on the machine. By formula means parameters and
MACs with all guards checked. ``--peers`` also runs fvcore, torch's FlopCounterMode and ptflops on a
few built networks of the same space. ``--billion`` adds a sweep of 10⁹ candidates, whose memory
does not grow with their number.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import archcalc

NATS = (
    str(Path(__file__).resolve().parent.parent / "docs" / "spaces" / "nats_bench_size.py") + ":net"
)
SPACES: dict[str, dict[str, range]] = {
    "nin": {"height": range(16, 257), "num_classes": range(2, 1001)},
    "inception-reduced": {"c5_reduce": range(4, 65), "c3_reduce": range(16, 129)},
    "googlenet": {"height": range(96, 321), "width": range(96, 321), "num_classes": range(2, 1001)},
    "resnet50": {"height": range(64, 321), "width": range(64, 321), "num_classes": range(2, 1001)},
    NATS: {f"c{place}": range(8, 65, 8) for place in range(5)},
}


def timed(function: Callable[[], Any], rounds: int = 5) -> tuple[float, float, float]:
    """(minimum, median, maximum) of the processor time in seconds."""
    samples = []
    for _ in range(rounds):
        started = time.process_time()
        function()
        samples.append(time.process_time() - started)
    return min(samples), statistics.median(samples), max(samples)


def formulas(count: int, peers: bool) -> None:
    draw = np.random.default_rng(0)
    print(
        f"\n{'network':30} {'derive, ms':>10} {'formula, /s':>14} {'(slowest)':>12} "
        f"{'counted, /s':>12}"
    )
    for spec, over in SPACES.items():
        name = Path(spec).stem if ".py:" in spec else spec
        _, derived, _ = timed(lambda s=spec, o=over: archcalc.derive(s, over=list(o)))
        formula = archcalc.derive(spec, over=list(over), figures=["params", "macs"])
        columns = {key: draw.choice(np.array(values), count) for key, values in over.items()}
        formula.evaluate(**columns)  # derives the regions
        _, median, most = timed(lambda f=formula, c=columns: f.evaluate(**c))
        few = [{key: int(column[i]) for key, column in columns.items()} for i in range(20)]
        _, one, _ = timed(lambda s=spec, c=few: [counted(s, each) for each in c], rounds=3)
        print(
            f"{name:30} {1e3 * derived:10.1f} {count / median:14,.0f} {count / most:12,.0f} "
            f"{20 / one:12,.0f}"
        )
        if peers:
            others(spec, few[:3])


def counted(spec: str, sizes: dict[str, int]) -> int:
    """The MACs of one candidate, counted without a formula."""
    given = dict(sizes)
    side: Any = None
    if "height" in given:
        height = given.pop("height")
        side = (3, height, given.pop("width", 32))
    return archcalc.graph(spec, input=side, **given).profile().macs


def others(spec: str, few: list[dict[str, int]]) -> None:
    """Print the rates of other counters on the built networks of a few candidates."""
    import torch
    from fvcore.nn import FlopCountAnalysis
    from ptflops import get_model_complexity_info
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)

    def built(sizes: dict[str, int]) -> tuple[Any, tuple[int, ...]]:
        given = dict(sizes)
        side: Any = None
        if "height" in given:
            height = given.pop("height")
            side = (3, height, given.pop("width", 32))
        module = archcalc.build(archcalc.graph(spec, input=side, **given)).eval()
        return module, module.architecture.inputs[0].output.shape

    def by_fvcore(module: Any, shape: tuple[int, ...]) -> None:
        FlopCountAnalysis(module, torch.zeros(shape)).unsupported_ops_warnings(False).total()

    def by_torch(module: Any, shape: tuple[int, ...]) -> None:
        with FlopCounterMode(display=False), torch.no_grad():
            module.to("meta")(torch.zeros(shape, device="meta"))

    def by_ptflops(module: Any, shape: tuple[int, ...]) -> None:
        get_model_complexity_info(
            module, tuple(shape[1:]), print_per_layer_stat=False, as_strings=False, verbose=False
        )

    for label, count in (("fvcore", by_fvcore), ("ptflops", by_ptflops), ("torch", by_torch)):
        started = time.process_time()
        for sizes in few:
            count(*built(sizes))
        rate = len(few) / (time.process_time() - started)
        print(f"  {label:28} {'':10} {rate:14,.2f}")


def memory(billion: bool) -> None:
    """Print the peak memory of whole processes, by the number of candidates."""
    print(f"{'candidates':>14} {'seconds':>9} {'peak MiB':>9}")
    axes = ["c5_reduce=1:1000", "c3_reduce=1:1000", "c1=1:1000"]
    for place in range(3 if billion else 2):
        over = axes[: place + 1]
        code = (
            "import resource, time, archcalc; started = time.perf_counter(); "
            f"found = archcalc.sweep('inception-reduced', {over!r}, pareto='min:macs'); "
            "print(found.candidates, time.perf_counter() - started, "
            "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        count, seconds, peak = done.stdout.split()
        print(f"{int(count):14,} {float(seconds):9.2f} {float(peak):9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--billion", action="store_true")
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}, archcalc {archcalc.__version__}"
    )
    memory(given.billion)  # first, because a process inherits the peak of its parent
    formulas(given.candidates, given.peers)


if __name__ == "__main__":
    main()
