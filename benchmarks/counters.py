"""Compare the time and memory of archcalc and of other counters on the same models.

    python benchmarks/counters.py [--rounds 5] [--models googlenet ...] [--tools archcalc ...]

Every measurement is a separate process: it imports torch, torchvision and the tool, builds the
model, and analyses it at batch 1. The tools take turns, so that a drift of the machine affects all
of them alike. Each tool runs in its fastest working form, on ``meta`` if possible.

* analysis: from the built module to the numbers, for the first time in the process, after all
  imports. "again" is the median of four repetitions in the same process. The garbage collector runs
  before each one, so that garbage of the imports does not affect the times at random;
* process: the whole process, including the imports of torch and torchvision and building the model;
* memory: the peak of the process above its memory after the imports of torch and torchvision.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import importlib.util
import io
import json
import logging
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

MODELS = {
    "googlenet": 224,
    "resnet50": 224,
    "densenet201": 224,
    "vit_b_16": 224,
    "swin_t": 224,
    "vit_h_14": 518,
}


class Tool(NamedTuple):
    package: str
    device: str
    load: Callable[[], Callable[[Any, Any], Any]]
    """Import the tool and return (module, input) -> its multiply-adds."""


def archcalc() -> Callable[[Any, Any], Any]:
    from archcalc import profile
    from archcalc.pytorch.trace import trace

    return lambda module, x: profile(trace(module, x)).macs


def bare_forward() -> Callable[[Any, Any], Any]:
    import torch

    def run(module: Any, x: Any) -> None:
        with torch.no_grad():
            module(x)

    return run


def flop_counter_mode() -> Callable[[Any, Any], Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def run(module: Any, x: Any) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(x)
        return counter.get_total_flops() // 2

    return run


def fvcore() -> Callable[[Any, Any], Any]:
    from fvcore.nn import FlopCountAnalysis

    return lambda module, x: FlopCountAnalysis(module, x).total()


def torchinfo() -> Callable[[Any, Any], Any]:
    from torchinfo import summary

    return lambda module, x: summary(module, input_data=x, verbose=0, device="meta").total_mult_adds


def ptflops() -> Callable[[Any, Any], Any]:
    from ptflops import get_model_complexity_info

    def run(module: Any, x: Any) -> Any:
        return get_model_complexity_info(
            module,
            tuple(x.shape[1:]),
            as_strings=False,
            print_per_layer_stat=False,
            backend="aten",
            input_constructor=lambda size: x,
        )[0]

    return run


def thop() -> Callable[[Any, Any], Any]:
    from thop import profile

    return lambda module, x: int(profile(module, (x,), verbose=False)[0])


def deepspeed() -> Callable[[Any, Any], Any]:
    from deepspeed.profiling.flops_profiler import get_model_profile

    return lambda module, x: get_model_profile(
        module, args=[x], print_profile=False, as_string=False
    )[1]


def torchlens() -> Callable[[Any, Any], Any]:
    import torchlens as lens

    return lambda module, x: int(lens.trace(module, x).total_macs_forward)


TOOLS = {
    "archcalc": Tool("archcalc", "meta", archcalc),
    "bare forward": Tool("torch", "meta", bare_forward),
    "FlopCounterMode": Tool("torch", "meta", flop_counter_mode),
    "fvcore": Tool("fvcore", "cpu", fvcore),
    "torchinfo": Tool("torchinfo", "meta", torchinfo),
    "ptflops": Tool("ptflops", "meta", ptflops),
    "ultralytics-thop": Tool("ultralytics-thop", "meta", thop),
    "deepspeed": Tool("deepspeed", "meta", deepspeed),
    "torchlens": Tool("torchlens", "cpu", torchlens),
}


def peak_bytes() -> int | None:
    """Peak resident memory of this process; None if the system does not report it (Windows)."""
    if importlib.util.find_spec("resource") is None:
        return None
    import resource

    # In kibibytes on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(tool: str, model: str) -> dict[str, Any]:
    """Measure one tool on one model, in this process."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    started = time.perf_counter()
    import torch
    import torchvision

    imported = time.perf_counter() - started
    before = peak_bytes()
    size = MODELS[model]
    options: dict[str, Any] = {"image_size": size} if model.startswith("vit") else {}
    with contextlib.redirect_stdout(io.StringIO()):
        analyse = TOOLS[tool].load()
        if tool == "archcalc":
            from archcalc.pytorch.trace import build_on_meta

            module = build_on_meta(
                lambda: torchvision.models.get_model(model, weights=None, **options)
            )
        else:
            with torch.device(TOOLS[tool].device):
                module = torchvision.models.get_model(model, weights=None, **options)
        module.eval()
        x = torch.empty(1, 3, size, size, device=TOOLS[tool].device)
        times = []
        for _ in range(5):
            gc.collect()
            begun = time.perf_counter()
            macs = analyse(module, x)
            times.append(time.perf_counter() - begun)
            if times[0] > 1:
                break
    after = peak_bytes()
    return {
        "import": imported,
        "analysis": times[0],
        "again": statistics.median(times[1:]) if len(times) > 1 else None,
        "memory": None if before is None or after is None else after - before,
        "macs": macs,
    }


def run(tool: str, model: str, limit: float) -> dict[str, Any] | str:
    """One measurement, or the reason why there is none."""
    command = [sys.executable, __file__, "--measure", tool, model]
    begun = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"over {limit:.0f} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return f"failed: {last[:60]}"
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    result["process"] = time.perf_counter() - begun
    return result


def spread(samples: list[float], unit: float, digits: int) -> str:
    """Median and range."""
    low, middle, high = min(samples), statistics.median(samples), max(samples)
    return " ".join(
        [
            f"{middle * unit:,.{digits}f}",
            f"({low * unit:,.{digits}f} to {high * unit:,.{digits}f})",
        ]
    )


def table(model: str, results: dict[str, list[dict[str, Any]] | str]) -> list[str]:
    ours = results.get("archcalc")
    base = (
        {key: statistics.median(each[key] for each in ours) for key in ("analysis", "process")}
        if isinstance(ours, list)
        else {}
    )
    lines = [
        f"### {model} at {MODELS[model]}",
        "",
        "| tool | on | analysis, ms | again, ms | ratio | process, s | ratio | memory, MB | macs |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tool, found in results.items():
        device = TOOLS[tool].device
        if isinstance(found, str):
            lines.append(f"| {tool} | {device} | {found} | | | | | | |")
            continue
        again = [each["again"] for each in found if each["again"] is not None]
        ratios = [
            f"{statistics.median(each[key] for each in found) / base[key]:.1f}" if base else ""
            for key in ("analysis", "process")
        ]
        memory = [each["memory"] for each in found if each["memory"] is not None]
        macs = found[0]["macs"]
        cells = [
            tool,
            device,
            spread([each["analysis"] for each in found], 1e3, 1),
            f"{statistics.median(again) * 1e3:,.1f}" if again else "",
            ratios[0],
            spread([each["process"] for each in found], 1, 2),
            ratios[1],
            f"{statistics.median(memory) / 1e6:,.0f}" if memory else "",
            f"{macs:,}" if macs is not None else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def compare(models: list[str], tools: list[str], rounds: int, limit: float) -> None:
    missing = {tool: "not installed" for tool in tools if not installed(TOOLS[tool].package)}
    results: dict[str, dict[str, list[dict[str, Any]] | str]] = {
        model: {tool: missing.get(tool, []) for tool in tools} for model in models
    }
    imports: list[float] = []
    for turn in range(rounds):
        for model in models:
            for tool in tools:
                so_far = results[model][tool]
                if isinstance(so_far, str):
                    continue
                print(f"round {turn + 1}: {model}, {tool}", file=sys.stderr)
                found = run(tool, model, limit)
                if isinstance(found, str):
                    results[model][tool] = found
                else:
                    so_far.append(found)
                    imports.append(found["import"])
    versions = {TOOLS[tool].package for tool in tools if tool not in missing}
    names = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(versions))
    lines = [
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}; {names}.",
        f"{rounds} interleaved rounds; median (lowest to highest); ratios to archcalc.",
        f"import of torch and torchvision: {spread(imports, 1, 2)} s." if imports else "",
        "",
    ]
    for model in models:
        lines += table(model, results[model])
    sys.stdout.write("\n".join(lines) + "\n")


def installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--limit", type=float, default=120, help="seconds for one measurement")
    parser.add_argument("--measure", nargs=2, metavar=("TOOL", "MODEL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        sys.stdout.write(json.dumps(measure(*given.measure)) + "\n")
    else:
        compare(given.models, given.tools, given.rounds, given.limit)


if __name__ == "__main__":
    main()
