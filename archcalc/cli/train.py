"""``archcalc train``, ``evaluate`` and ``featuremaps``: what needs torch and takes time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.options import OUTPUT, Output, one_model, takes, write
from archcalc.errors import UsageError, missing
from archcalc.lookup.resolve import parse_settings

if TYPE_CHECKING:
    from archcalc.analysis.runs import Run
    from archcalc.pytorch.train import Settings

INTERRUPTED = 130

DEVICE = click.option(
    "--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True
)
DATA = click.option(
    "--data",
    metavar="SET",
    default="",
    help="mnist, fashion-mnist, cifar-10, cifar-100, svhn (in $ARCHCALC_DATA), NAME:DIR, digits, "
    "folder:DIR with train/ and test/, or the folder of the recipe's own set.",
)


@click.command()
@one_model
@click.option("--recipe", metavar="NAME", default="", help="article, paper, fast; MODEL:NAME.")
@DATA
@click.option("--download", is_flag=True, help="Fetch the set if it is not there.")
@click.option("--epochs", metavar="N", type=int)
@click.option("--batch", metavar="N", type=int)
@click.option("--lr", metavar="RATE", type=float)
@click.option(
    "--with",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change any field of the recipe: optimizer=sgd, flip=true, weight_decay=0.01, ...",
)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="An option of MODEL.")
@click.option("-i", "--input", metavar="HxW", default="", help="Bring images to this size.")
@click.option("--seed", metavar="N", type=int, default=0)
@click.option("--seeds", metavar="N", type=click.IntRange(min=1), help="This many, one by one.")
@click.option("--staged", is_flag=True, help="Grow it from the smaller models that it grew from.")
@click.option("--identity", is_flag=True, help="With --staged: new 1×1 layers change nothing.")
@click.option(
    "--ablate", metavar="OPTION", default="", help="With and without: dropout, head, mlp."
)
@click.option("--precision", type=click.Choice(("fp32", "bf16", "fp16")), default="fp32")
@DEVICE
@click.option("--compile", "compiled", is_flag=True, help="Through torch.compile.")
@click.option("--contiguous", is_flag=True, help="Channels first in memory; else they come last.")
@click.option("--accumulate", metavar="N", type=click.IntRange(min=1), default=1, help="Pieces.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="So many images alone.")
@click.option("--runs", metavar="DIR", default="runs", show_default=True, help="Of all runs.")
@click.option("--folder", metavar="DIR", default="", help="Of this run; else by its name.")
@click.option("--resume", is_flag=True, help="Go on with the run that is there.")
@takes(Output, *OUTPUT)
def train(model: str, options: Output, **given: Any) -> None:
    """Train a model and keep the run.

    \b
    archcalc train nin-digits
    archcalc train nin-fashion --data DIR --recipe fast --precision bf16 --resume
    archcalc train nin-mnist --staged --data DIR --set global_pool=true --input 28x28
    archcalc train nin --ablate dropout --data DIR --seeds 3
    torchrun --nproc-per-node 4 -m archcalc train googlenet --data folder:DIR
    """
    _needs_torch()
    from archcalc.pytorch.train import ablate
    from archcalc.pytorch.train.group import leave_group

    settings = _settings(model, given)
    variants = ablate.ablate(settings, given["ablate"]) if given["ablate"] else [settings]
    if given["seeds"]:
        variants = [one for each in variants for one in ablate.seeds(each, given["seeds"])]
    try:
        found = [run for one in variants for run in _train(one, given)]
    finally:
        leave_group()
    if int(os.environ.get("RANK", "0")) == 0:
        _show(found, settings, given, options)


@click.command()
@click.argument("run", metavar="RUN")
@DATA
@DEVICE
@click.option("--precision", type=click.Choice(("fp32", "bf16", "fp16")), help="Else the run's.")
@takes(Output, *OUTPUT)
def evaluate(run: str, data: str, device: str, precision: str | None, options: Output) -> None:
    """Test a run's best weights again.

    \b
    archcalc evaluate runs/nin-digits-fast-seed0
    """
    _needs_torch()
    from archcalc.pytorch.train.evaluate import score
    from archcalc.report.training import evaluation

    write(evaluation(*score(run, data=data, device=device, precision=precision or "")), options)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--images", metavar="FILE", multiple=True, help="Image files; else test images.")
@DATA
@click.option("-o", "--output", metavar="FILE", default="", help="Else RUN/featuremaps.png.")
def featuremaps(run: str, images: Sequence[str], data: str, output: str) -> None:
    """Draw what each class's map sees: the top 10 % of its activations.

    \b
    archcalc featuremaps runs/nin-digits-fast-seed0
    archcalc featuremaps runs/nin-fast-seed0 --images cat.png -o cat-maps.png
    """
    _needs_torch()
    from archcalc.io import runs
    from archcalc.pytorch.train import featuremaps as maps

    record = runs.load(run)
    found = maps.feature_maps(record, images, data)
    target = output or str(record.folder / "featuremaps.png")
    maps.draw(found, target)
    for name, answer in zip(found.names, found.answers, strict=True):
        click.echo(f"{name}: {answer}")
    click.echo(f"wrote {target}", err=True)


def _train(settings: Settings, given: dict[str, Any]) -> list[Run]:
    """One run, or one of each stage."""
    from archcalc.pytorch.train import staged

    if not given["staged"]:
        return [_one(settings)]
    found: list[Run] = []
    before: Settings | None = None
    for stage in staged.stages(settings):
        grown = staged.after(before, stage) if before else stage
        found.append(_one(grown))
        before = grown
    return found


def _one(settings: Settings) -> Run:
    """Train, and tell how it goes: a bar on a terminal, lines elsewhere."""
    from archcalc.cli.progress import told
    from archcalc.io import runs
    from archcalc.pytorch.train import run as epochs

    main = int(os.environ.get("RANK", "0")) == 0
    try:
        for event in epochs(settings):
            if main:
                told(event, settings)
    except KeyboardInterrupt:
        if main:
            kept = f"{settings.folder} keeps every finished epoch; --resume goes on from there"
            click.echo(f"\narchcalc: interrupted; {kept}", err=True)
        sys.exit(INTERRUPTED)
    return runs.load(settings.folder)


def _settings(model: str, given: dict[str, Any]) -> Settings:
    """The command line as one record."""
    from archcalc.pytorch.train import Settings

    _check(given)
    changed = {key: given[key] for key in ("epochs", "batch", "lr") if given[key] is not None}
    if given["identity"]:
        changed["identity"] = True
    several = given["seeds"] or given["staged"] or given["ablate"]
    return Settings.of(
        model,
        recipe=given["recipe"],
        changes={**parse_settings(given["changes"]), **changed},
        options=parse_settings(given["settings"]),
        data=given["data"],
        input=given["input"],
        folder=given["folder"],
        runs=given["runs"],
        label=(given["ablate"] or ("staged" if given["staged"] else "")) if several else None,
        seed=given["seed"],
        precision=given["precision"],
        device=given["device"],
        channels_last=not given["contiguous"],
        compile=given["compiled"],
        accumulate=given["accumulate"],
        limit=given["limit"] or 0,
        download=given["download"],
        resume=given["resume"],
    )


def _check(given: dict[str, Any]) -> None:
    if given["staged"] and (given["ablate"] or given["seeds"]):
        raise UsageError("--staged trains its stages one by one; give it without --ablate, --seeds")
    if given["identity"] and not given["staged"]:
        raise UsageError("--identity says how the layers begin that --staged adds; give both")


def _show(found: Sequence[Run], settings: Settings, given: dict[str, Any], options: Output) -> None:
    from archcalc.io.files import write_text
    from archcalc.report.training import error_curves, trained

    if given["ablate"]:
        firsts = [run for run in found if run.seed == settings.seed]
        picture = settings.folder / f"{given['ablate']}.svg"
        write_text(picture, error_curves(firsts, lambda run: run.model))
        click.echo(f"wrote {picture}", err=True)
    write(trained(found), options)


def _needs_torch() -> None:
    for name in ("torch", "accelerate", "safetensors"):
        if find_spec(name) is None:
            raise missing("torch", "this", name)
