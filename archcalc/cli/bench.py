"""``archcalc bench``: models timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

import archcalc
from archcalc.cli.modules import torch_module
from archcalc.cli.options import (
    AnyModels,
    Inputs,
    Output,
    Settings,
    Train,
    Trust,
    render,
    tell,
    write,
)
from archcalc.errors import UsageError
from archcalc.lookup.registry import STORY
from archcalc.lookup.resolve import expand
from archcalc.lookup.spec import parse_settings

if TYPE_CHECKING:
    from archcalc.analysis.latency import Bench
    from archcalc.report.document import Document

PLACE, TIMING = "Setting", "Timing"


@dataclass(frozen=True)
class Setting:
    """The inputs, and how each model runs."""

    input: Inputs = field(default_factory=list)
    trust: Trust = False
    device: Annotated[
        str,
        Option(
            metavar="auto|cpu|cuda|cuda:1|mps",
            help="Device to run on.",
            show_default=True,
            rich_help_panel=PLACE,
        ),
    ] = "auto"
    batch: Annotated[
        str,
        Option(
            metavar="N,...",
            help="Batch sizes, such as 1,8,32.",
            show_default=True,
            rich_help_panel=PLACE,
        ),
    ] = "1"
    dtype: Annotated[
        str,
        Option(
            metavar="NAME,...",
            help="Types of weights and inputs: float32, bfloat16, float16, float64. They are cast; "
            "autocast is not used.",
            show_default=True,
            rich_help_panel=PLACE,
        ),
    ] = "float32"
    threads: Annotated[
        str,
        Option(
            metavar="N,...",
            help="Numbers of CPU threads, such as 1,2,all.",
            show_default=False,
            rich_help_panel=PLACE,
        ),
    ] = ""
    channels_last: Annotated[
        bool,
        Option(
            "--channels-last", help="Store tensors as N×H×W×C in memory.", rich_help_panel=PLACE
        ),
    ] = False
    compiled: Annotated[
        bool, Option("--compile", help="Run models through torch.compile.", rich_help_panel=PLACE)
    ] = False
    graphs: Annotated[
        bool, Option("--graphs", help="Replay models as CUDA graphs.", rich_help_panel=PLACE)
    ] = False
    train: Train = False
    optimizer: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Optimizer of the training step with --train: sgd (the default), adam, adamw, ...",
            show_default=False,
            rich_help_panel=PLACE,
        ),
    ] = ""
    settings: Settings = field(default_factory=list)


@dataclass(frozen=True)
class Timing:
    """How latencies are measured, and for how long."""

    layers: Annotated[
        bool,
        Option(
            "--layers", help="Also time each layer, in a separate pass.", rich_help_panel=TIMING
        ),
    ] = False
    verify: Annotated[
        bool,
        Option(
            "--verify",
            help="Also time with torch.utils.benchmark.Timer, in turns.",
            rich_help_panel=TIMING,
        ),
    ] = False
    predict: Annotated[
        bool,
        Option(
            "--predict",
            help="Show the times predicted by this machine's calibration beside the measured, for "
            "each layer too. `archcalc calibrate` makes one.",
            rich_help_panel=TIMING,
        ),
    ] = False
    budget: Annotated[
        float,
        Option(
            "--time",
            metavar="SECONDS",
            help="Time for the samples of one model in one setting.",
            show_default=True,
            rich_help_panel=TIMING,
        ),
    ] = 2.0
    warmup: Annotated[
        float,
        Option(
            metavar="SECONDS",
            help="Longest warm-up. It ends when the running median is steady.",
            show_default=True,
            rich_help_panel=TIMING,
        ),
    ] = 5.0
    ceilings: Annotated[
        bool,
        Option("--ceilings", help="Measure the roofline's ceilings again.", rich_help_panel=TIMING),
    ] = False


def bench(
    setting: Setting,
    timing: Timing,
    output: Output,
    models: AnyModels = [],  # noqa: B006  (typer reads it; nothing changes it)
    baseline: Annotated[
        str,
        Option(
            metavar="MODEL",
            help="Model that ratios refer to. By default, the first.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Time models in turns; show the spread and the roofline.

    Without a model, time nin, inception-naive, inception-reduced and googlenet. -o FILE.json keeps
    every sample, for `archcalc compare ... --bench FILE.json`.

    \b
    archcalc bench --device cuda
    archcalc bench nin googlenet --device cpu
    archcalc bench nin googlenet --device cpu --predict
    archcalc bench inception-naive inception-reduced --batch 1,8,32 --dtype float32,bfloat16
    archcalc bench torchvision:resnet50 --device cuda --compile --channels-last --graphs
    """
    from archcalc.report.sections.latency import show as document

    models = expand(models) or list(STORY)
    if baseline and baseline not in models:
        raise UsageError(f"baseline {baseline!r} is not one of the models: {', '.join(models)}")
    if setting.optimizer and not setting.train:
        raise UsageError("--optimizer is part of the training step; add --train")
    wanted = {
        "input": tuple(setting.input),
        "options": parse_settings(setting.settings),
        "device": setting.device,
        "batches": numbers("batch", setting.batch),
        "dtypes": tuple(part.strip() for part in setting.dtype.split(",")),
        "threads": numbers("threads", setting.threads, everything="all") if setting.threads else (),
        "channels_last": setting.channels_last,
        "compiled": setting.compiled,
        "graphs": setting.graphs,
        "train": setting.train,
        "optimizer": setting.optimizer or "sgd",
        "layers": timing.layers,
        "verify": timing.verify,
        "predict": timing.predict,
        "ceilings_again": timing.ceilings,
        "trust": setting.trust,
    }

    def show(found: Bench) -> Document:
        # Found by position: --set makes the model's full name longer than the typed one.
        place = models.index(baseline) if baseline else 0
        return document(found, found.groups()[0][place].spec)

    with _target(output.output) as beside:  # fails before measuring if the file cannot be written
        found, finished = _until_interrupted(models, timing.budget, timing.warmup, wanted)
        if beside is not None:
            beside.write_bytes(render(show(found), output).encode())
    if output.output == "-":
        write(show(found), output)
    else:
        tell(f"wrote {output.output}")
        if output.chosen == "json":
            write(show(found), replace(output, format="table", output="-"))
    if not finished:
        raise typer.Abort


@contextmanager
def _target(output: str) -> Iterator[Path | None]:
    """The temporary file to write, renamed at the end; None for standard output."""
    if output == "-":
        yield None
        return
    from archcalc.io.files import replacing

    with replacing(output) as beside:
        yield beside


def _until_interrupted(
    models: Sequence[str], budget: float, warmup: float, wanted: Mapping[str, Any]
) -> tuple[Bench, bool]:
    """The measurements, and whether they are complete."""
    kept: list[Bench] = []
    try:
        return _measured(models, budget, warmup, wanted, kept.append), True
    except KeyboardInterrupt:
        if not kept:
            raise
        return kept[-1], False


def _measured(
    models: Sequence[str],
    budget: float,
    warmup: float,
    wanted: Mapping[str, Any],
    keep: Callable[[Bench], None],
) -> Bench:
    from archcalc.cli.progress import following

    plan = torch_module("bench.timer").Plan(budget=budget, warmup=warmup)
    with following() as follow:
        return archcalc.bench(models, plan=plan, keep=keep, follow=follow, **wanted)


def numbers(what: str, text: str, everything: str = "") -> tuple[int, ...]:
    """``"1,8,32"`` as numbers. The word ``everything`` stands for 0. Raises UsageError."""
    found = []
    for part in text.split(","):
        word = part.strip()
        if everything and word == everything:
            found.append(0)
        elif word.isascii() and word.isdigit() and 0 < len(word) < 10 and int(word) > 0:
            found.append(int(word))
        else:
            example = "1,2,all" if everything else "1,8,32"
            raise UsageError(
                f"--{what} {text!r}: {word!r} is not a number above 0; write {example}"
            )
    return tuple(dict.fromkeys(found))
