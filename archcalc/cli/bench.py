"""``archcalc bench``, and the measured columns of ``archcalc compare``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.modules import SETTINGS, TRAIN, torch_module
from archcalc.cli.options import FORMATS, OUTPUT, Output, render, some_models, takes, write
from archcalc.errors import UsageError
from archcalc.lookup.resolve import parse_settings

if TYPE_CHECKING:
    from archcalc.analysis.compare import Comparison
    from archcalc.analysis.latency import Bench, Latency
    from archcalc.report.table import Report

DEVICE = "auto|cpu|cuda|cuda:1|mps"


@click.command()
@some_models
@click.option(
    "-i",
    "--input",
    metavar="HxWxC",
    multiple=True,
    help="Input, or chw:CxHxW; of a torch model also NAME=1,128:i64.",
)
@click.option("--device", metavar=DEVICE, default="auto", show_default=True, help="Where.")
@click.option("--batch", metavar="N,...", default="1", help="Images at once: 1,8,32.")
@click.option(
    "--dtype",
    metavar="NAME,...",
    default="float32",
    help="float32, bfloat16, float16, float64; weights and inputs are cast, no autocast.",
)
@click.option("--threads", metavar="N,...", default="", help="Of the CPU: 1,2,all.")
@click.option("--channels-last", is_flag=True, help="N×H×W×C in memory.")
@click.option("--compile", "compiled", is_flag=True, help="Through torch.compile.")
@click.option("--graphs", is_flag=True, help="Replayed as a CUDA graph.")
@TRAIN
@click.option(
    "--optimizer", metavar="NAME", default="sgd", help="Of --train: sgd, adam, adamw, ..."
)
@click.option("--layers", is_flag=True, help="Time per node too, in a pass of its own.")
@click.option("--verify", is_flag=True, help="Beside torch.utils.benchmark.Timer, in turns.")
@click.option("--baseline", metavar="MODEL", default="", help="Ratios are to it, else the first.")
@click.option(
    "--time",
    "budget",
    metavar="SECONDS",
    type=float,
    default=2.0,
    show_default=True,
    help="For the samples of one model in one setting.",
)
@click.option(
    "--warmup",
    metavar="SECONDS",
    type=float,
    default=5.0,
    show_default=True,
    help="At most; it ends when the running median is steady.",
)
@click.option("--ceilings", "again", is_flag=True, help="Measure the roofline's ceilings again.")
@SETTINGS
@takes(Output, *OUTPUT)
def bench(
    models: Sequence[str],
    input: Sequence[str],
    batch: str,
    dtype: str,
    threads: str,
    baseline: str,
    budget: float,
    warmup: float,
    again: bool,
    settings: Sequence[str],
    options: Output,
    **choice: Any,
) -> None:
    """Time models, in turns, with spread and roofline.

    With -o FILE.json every sample is kept, and `archcalc compare ... --bench FILE.json` shows them.

    \b
    archcalc bench nin googlenet --device cpu
    archcalc bench inception-naive inception-reduced --batch 1,8,32 --dtype float32,bfloat16
    archcalc bench torchvision:resnet50 --device cuda --compile --channels-last --graphs
    """
    from archcalc.report.latency import measurement

    if baseline and baseline not in models:
        raise UsageError(f"baseline {baseline!r} is not one of the models: {', '.join(models)}")
    options = _by_extension(options)
    wanted = {
        "input": tuple(input),
        "options": parse_settings(settings),
        "batches": _numbers("batch", batch),
        "dtypes": tuple(part.strip() for part in dtype.split(",")),
        "threads": _numbers("threads", threads, everything="all") if threads else (),
        "ceilings_again": again,
        **choice,
    }

    def show(found: Bench) -> Report:
        # By its place: --set makes the model's full name longer than what was typed.
        place = models.index(baseline) if baseline else 0
        return measurement(found, found.groups()[0][place].spec)

    with _target(options.output) as beside:  # a place that cannot be written is refused at once
        found, finished = _until_interrupted(models, budget, warmup, wanted)
        if beside is not None:
            beside.write_bytes(render(show(found), options).encode())
    if options.output == "-":
        write(show(found), options)
    else:
        click.echo(f"wrote {options.output}", err=True)
        if options.format == "json":
            write(show(found), replace(options, format="table", output="-"))
    if not finished:
        raise click.Abort


@contextmanager
def _target(output: str) -> Iterator[Path | None]:
    """The file to write, not yet in its place; None for stdout."""
    if output == "-":
        yield None
        return
    from archcalc.io.files import replacing

    with replacing(output) as beside:
        yield beside


def _until_interrupted(
    models: Sequence[str], budget: float, warmup: float, wanted: Mapping[str, Any]
) -> tuple[Bench, bool]:
    """What was measured, and whether that is all of it."""
    kept: list[Bench] = []
    try:
        return _measured(models, budget, warmup, wanted, kept.append), True
    except KeyboardInterrupt:
        if not kept:
            raise
        return kept[-1], False


def measured_comparison(
    report: Report,
    comparison: Comparison,
    *,
    device: str,
    file: str,
    measure: Mapping[str, Any],
) -> Report:
    """The comparison's report with measured columns: from a file, or measured now."""
    from archcalc.analysis.latency import find
    from archcalc.io.bench_file import load
    from archcalc.report.latency import with_latency

    specs = [profile.spec for profile in comparison.profiles]
    if file:
        found = load(file)
    else:
        wanted = {"device": device, "layers": not measure["train"], **measure}
        found = _measured(specs, 1.0, 3.0, wanted)
    matched: dict[str, Latency] = {}
    for profile in comparison.profiles:
        shapes = [node.output.shape for node in profile.graph.inputs]
        latency = find(found, profile.spec, shapes)
        if latency is not None:
            matched[profile.spec] = latency
    if not matched:
        has = ", ".join(dict.fromkeys(row.spec for row in found.latencies))
        raise UsageError(
            f"{file} has none of {', '.join(specs)} at this input and batch; it has {has}"
        )
    return with_latency(report, comparison, found, matched)


def _measured(
    models: Sequence[str],
    budget: float,
    warmup: float,
    wanted: Mapping[str, Any],
    keep: Callable[[Bench], None] | None = None,
) -> Bench:
    run = torch_module("bench")
    plan = torch_module("bench.timer").Plan(budget=budget, warmup=warmup)
    shown = sys.stderr.isatty()

    def say(what: str) -> None:
        click.echo(f"\r\x1b[K{what}", err=True, nl=False)

    found: Bench = run.bench(models, plan=plan, keep=keep, say=say if shown else None, **wanted)
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)
    return found


def _by_extension(options: Output) -> Output:
    """``-o bench.json`` is JSON unless --format says otherwise."""
    ending = Path(options.output).suffix.lstrip(".")
    if options.format == "table" and ending in FORMATS:
        return replace(options, format=ending)
    return options


def _numbers(what: str, text: str, everything: str = "") -> tuple[int, ...]:
    """``"1,8,32"`` as numbers; ``everything`` is a word that stands for 0. Raises UsageError."""
    found = []
    for part in text.split(","):
        word = part.strip()
        if everything and word == everything:
            found.append(0)
        elif word.isascii() and word.isdigit() and 0 < len(word) < 10 and int(word) > 0:
            found.append(int(word))
        else:
            example = "1,2,all" if everything else "1,8,32"
            raise UsageError(f"--{what} {text!r}: {word!r} is no number above 0; write {example}")
    return tuple(dict.fromkeys(found))
