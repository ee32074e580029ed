"""Time archcalc's commands as whole processes, compared with ``import torch``.

    python benchmarks/startup.py [--rounds 15]

``import torch`` is a lower bound for every tool that runs the model. The processes take turns, so
that a drift of the machine affects all of them alike. The script prints medians, ranges and ratios
of medians. Finally, it declares and counts GoogLeNet repeatedly in one process.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ARCHCALC = [sys.executable, "-m", "archcalc"]
BUDGET = Path(__file__).resolve().parent.parent / "archcalc.toml"
COMMANDS = {
    "archcalc compare nin googlenet": [*ARCHCALC, "compare", "nin", "googlenet"],
    "archcalc flops --input 28x28x192": [*ARCHCALC, "flops", "--input", "28x28x192"],
    "archcalc check (ten models)": [*ARCHCALC, "check", "--budget", str(BUDGET)],
    "archcalc claims all": [*ARCHCALC, "claims", "all"],
    "archcalc --help": [*ARCHCALC, "--help"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    "python -c 'pass'": [sys.executable, "-c", "pass"],
}
FLOOR = "python -c 'import torch'"


class Sample(NamedTuple):
    seconds: float
    megabytes: float | None
    """Peak resident memory in MiB; None if the system does not report it (Windows)."""


def run(command: list[str]) -> Sample:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if not hasattr(os, "wait4"):
        status, peak = process.wait(), None
    else:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # ru_maxrss is in kibibytes on Linux and in bytes on macOS.
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return Sample(seconds, peak)


def processes(rounds: int) -> None:
    chosen = dict(COMMANDS)
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed, so there is nothing to compare with\n")
        del chosen[FLOOR]
    samples: dict[str, list[Sample]] = {name: [] for name in chosen}
    for count in range(rounds + 1):
        for name, command in chosen.items():
            sample = run(command)
            if count:  # the first round warms the disk cache
                samples[name].append(sample)
    floor = statistics.median(s.seconds for s in samples[FLOOR]) if FLOOR in samples else None
    print("| whole process | median | range | of import torch | peak memory |")
    print("|:--|--:|--:|--:|--:|")
    for name, taken in samples.items():
        seconds = [sample.seconds for sample in taken]
        median = statistics.median(seconds)
        share = f"1/{floor / median:.1f}" if floor else ""
        peaks = [sample.megabytes for sample in taken if sample.megabytes is not None]
        memory = f"{statistics.median(peaks):.0f} MiB" if peaks else ""
        between = f"{min(seconds) * 1e3:.0f}–{max(seconds) * 1e3:.0f}"
        print(f"| `{name}` | {median * 1e3:.0f} ms | {between} | {share} | {memory} |")


def graphs(seconds: float) -> None:
    import archcalc

    def once() -> float:
        started = time.perf_counter()
        archcalc.graph("googlenet").profile()
        return time.perf_counter() - started

    once()
    taken = []
    while sum(taken) < seconds:
        taken.append(once())
    low, median, high = (f"{1e3 * q:.2f}" for q in statistics.quantiles(taken, n=4))
    print(
        f"\nGoogLeNet declared and counted: {median} ms per graph (quartiles {low}–{high} ms, "
        f"{len(taken)} graphs), {len(taken) / sum(taken):,.0f} per second"
    )


def machine() -> str:
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
        processor = names[0] if names else processor
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{machine()}; {rounds} interleaved rounds\n")
    processes(rounds)
    graphs(2.0)


if __name__ == "__main__":
    main()
