"""Write docs/hard-cases.md: small modules counted by hand, by archcalc and by every other tool.

    python benchmarks/hard_cases.py            write the file
    python benchmarks/hard_cases.py --check    exit with 1 if the file is out of date

The cases and their calculations are in tests/pytorch/hard_cases.py. Every tool runs on the CPU in
evaluation mode, as its documentation describes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import logging
import runpy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc import profile
from archcalc.pytorch.trace import trace
from archcalc.pytorch.trace.inputs import arguments, stand_in

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "hard-cases.md"
CASES = runpy.run_path(str(ROOT / "tests" / "pytorch" / "hard_cases.py"))["CASES"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def flop_counter_mode(module: nn.Module, args: Args, kwargs: Kwargs) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*args, **kwargs)
    return counter.get_total_flops() // 2


def fvcore(module: nn.Module, args: Args, kwargs: Kwargs) -> int:
    from fvcore.nn import FlopCountAnalysis

    if kwargs:
        raise TypeError("keyword arguments")
    counted = FlopCountAnalysis(module, args)
    counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return int(counted.total())


def torchinfo(module: nn.Module, args: Args, kwargs: Kwargs) -> int:
    from torchinfo import summary

    if kwargs:
        return int(summary(module, verbose=0, device="cpu", **kwargs).total_mult_adds)
    return int(summary(module, input_data=list(args), verbose=0, device="cpu").total_mult_adds)


def ptflops(module: nn.Module, args: Args, kwargs: Kwargs) -> int:
    from ptflops import get_model_complexity_info

    given = kwargs or args[0]
    if len(args) > 1:
        raise TypeError("several positional inputs")
    found = get_model_complexity_info(
        module,
        (1,),
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
        input_constructor=lambda size: given,
    )[0]
    if found is None:
        raise RuntimeError("no answer")
    return int(found)


def thop(module: nn.Module, args: Args, kwargs: Kwargs) -> int:
    from thop import profile as thop_profile

    if kwargs:
        raise TypeError("keyword arguments")
    return int(thop_profile(module, args, verbose=False)[0])


TOOLS: dict[str, tuple[str, Callable[[nn.Module, Args, Kwargs], int]]] = {
    "FlopCounterMode": ("torch", flop_counter_mode),
    "fvcore": ("fvcore", fvcore),
    "torchinfo": ("torchinfo", torchinfo),
    "ptflops": ("ptflops", ptflops),
    "thop": ("ultralytics-thop", thop),
}


def answer(tool: Callable[[nn.Module, Args, Kwargs], int], case: Any) -> int | None:
    """The number of a tool, or None if it cannot run the case."""
    module = case.build().eval()
    device = torch.device("cpu")
    args, kwargs = arguments(module.forward, case.inputs, case.kwargs)
    args, kwargs = stand_in(args, device, True), stand_in(kwargs, device, True)
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            return tool(module, args, kwargs)
    except Exception:  # any failure of another tool is its result for this case
        return None


def ours(case: Any) -> int:
    """The number of archcalc, which must be the same in every mode and way of tracing."""
    found = set()
    for training in (False, True):
        module = case.build().train(training)
        for way in ("fast", "exact", "real"):
            found.add(profile(trace(module, *case.inputs, way=way, train=None, **case.kwargs)).macs)
    if len(found) > 1:
        raise SystemExit(f"{case.title}: archcalc gives {sorted(found)}")
    return found.pop()


def cell(value: int | None, expected: int) -> str:
    if value is None:
        return "fails"
    return f"{value:,}" if value == expected else f"**{value:,}**"


def document() -> str:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    right = dict.fromkeys(["archcalc", *TOOLS], 0)
    rows = []
    for case in CASES:
        found = {"archcalc": ours(case)}
        found |= {name: answer(tool, case) for name, (_, tool) in TOOLS.items()}
        for name, value in found.items():
            right[name] += value == case.macs
        title = f"{case.title} ({case.why})" if case.why else case.title
        cells = [cell(value, case.macs) for value in found.values()]
        rows.append(f"| {title} | {case.macs:,} | {' | '.join(cells)} |")
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}" for package, _ in TOOLS.values()
    )
    head = ["case", "by hand", *right]
    return "\n".join(
        [
            "# Hard cases",
            "",
            "Multiply-adds of one forward pass: convolutions, linear layers and matrix products",
            "only. The calculations by hand are in `tests/pytorch/hard_cases.py`. archcalc's",
            "number is the same in training and evaluation mode, on the `meta` device, with all",
            "shapes computed by torch, and in a real run on the CPU. The other tools ran on the",
            "CPU in evaluation mode. **Bold** numbers differ from the calculation by hand.",
            "",
            "A difference can follow from a tool's convention: torchinfo and ptflops also count",
            "biases and more, thop counts biases and a softmax in some layers, and ptflops counts",
            "one sample of the batch and accepts a single positional input or keyword inputs.",
            "Other differences are errors: an attention or an LSTM counted as 0, or a product that",
            "is missing.",
            "",
            f"Written by `python benchmarks/hard_cases.py` with {versions}.",
            "",
            f"| {' | '.join(head)} |",
            f"| --- |{' ---: |' * (len(head) - 1)}",
            *rows,
            f"| **equal to the number by hand** | {len(CASES)} | "
            + " | ".join(str(count) for count in right.values())
            + " |",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    given = parser.parse_args()
    text = document()
    if not given.check:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not up to date: run `python benchmarks/hard_cases.py`")


if __name__ == "__main__":
    main()
