"""The commands that answer from declared or traced graphs: list, show, explain, flops, compare,
params, memory, receptive-field."""

from __future__ import annotations

from collections.abc import Sequence

import click

from archcalc.analysis.compare import compare as compare_profiles
from archcalc.analysis.diff import diff
from archcalc.analysis.figures import COMPARED
from archcalc.analysis.worked_example import worked_example
from archcalc.cli.options import (
    MODEL,
    OUTPUT,
    Options,
    Output,
    any_models,
    complete_model,
    depth,
    finish,
    one_model,
    price,
    price_all,
    some_models,
    takes,
    write,
)
from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.lookup.resolve import declared_input, parse_settings
from archcalc.report import views


@click.command("list")
@click.argument("model", default="", required=False, shell_complete=complete_model)
@takes(Output, *OUTPUT)
def list_models(model: str, options: Output) -> None:
    """Every registered architecture: input, parameters, MACs, source.

    With a name, that one and its options.

    \b
    archcalc list
    archcalc list nin
    """
    if model:
        write(views.card(registry.find(model)), options)
    else:
        write(views.listing(registry.every()), options)


@click.command()
@one_model
@depth
@takes(Options, *MODEL, *OUTPUT)
def show(model: str, depth: int | None, options: Options) -> None:
    """The layers: operator, output shape, parameters, MACs.

    \b
    archcalc show nin
    archcalc show googlenet --depth 2 --format md
    archcalc show ./net.py:Net --set width=64 --input 32x32x3
    """
    found = price(model, options)
    finish(views.layers(found, depth), options, found)


@click.command()
@one_model
@click.option("--node", metavar="PATTERN", default="", help="These nodes, with all of their work.")
@takes(Options, *MODEL, *OUTPUT)
def explain(model: str, node: str, options: Options) -> None:
    """The formula of each counted node with its value.

    \b
    archcalc explain inception-reduced
    archcalc explain googlenet --node 'inception_3a.*'
    archcalc explain nin --node '*'
    """
    found = price(model, options)
    finish(views.explanation(found, node), options, found)


@click.command()
@any_models
@takes(Options, *MODEL, *OUTPUT)
def flops(models: Sequence[str], options: Options) -> None:
    """MACs and FLOPs, by class of work.

    Without a model, the worked example of the Inception story.

    \b
    archcalc flops --input 28x28x192
    archcalc flops googlenet --convention torch --units exact
    archcalc flops torchvision:resnet50 --train --optimizer adam
    """
    if models:
        profiles = price_all(models, options)
        finish(views.totals(profiles), options, *profiles)
        return
    if options.settings or options.train:
        raise UsageError("the worked example takes neither --set nor --train; name a model")
    example = worked_example(
        declared_input(options.input), batch=options.batch, convention=options.convention
    )
    finish(views.worked(example), options, *example.profiles)


@click.command()
@some_models
@click.option(
    "--baseline", metavar="MODEL", default="", help="Ratios are to it; else to the first."
)
@click.option(
    "--sort",
    metavar="METRIC",
    type=click.Choice(COMPARED),
    help="Smallest first: params, macs, flops, activations, ...",
)
@click.option(
    "--latency",
    metavar="DEVICE",
    default="",
    help="Measure them too: auto, cpu, cuda, cuda:1, mps (archcalc bench does more).",
)
@click.option(
    "--bench",
    metavar="FILE",
    default="",
    help="Times from a file of archcalc bench -o FILE.json.",
)
@click.option("--diff", "with_diff", is_flag=True, help="Of two: nodes added, removed, changed.")
@click.option("--runs", metavar="DIR", default="", help="Add the accuracy of the runs in there.")
@takes(Options, *MODEL, *OUTPUT)
def compare(
    models: Sequence[str],
    baseline: str,
    sort: str | None,
    latency: str,
    bench: str,
    with_diff: bool,
    runs: str,
    options: Options,
) -> None:
    """Models side by side, with ratios to one of them.

    \b
    archcalc compare nin googlenet torchvision:resnet50
    archcalc compare nin nin,mlp=false nin,head=fc --sort macs
    archcalc compare inception-naive inception-reduced --diff
    archcalc compare nin googlenet --latency cpu
    archcalc compare nin nin,norm=batch --runs runs/
    """
    if latency and bench:
        raise UsageError("--latency measures now and --bench takes a file; give one of them")
    if with_diff and len(models) != 2:
        raise UsageError(f"--diff takes two models, got {len(models)}")
    profiles = price_all(models, options)
    found = compare_profiles(profiles, baseline=baseline, sort=sort or "")
    differences = diff(profiles[0], profiles[1]) if with_diff else None
    report = views.comparison(found, differences)
    if latency or bench:
        from archcalc.cli.bench import measured_comparison

        measure = {
            "input": options.input,
            "options": parse_settings(options.settings),
            "batches": (options.batch,),
            "train": options.train,
            "optimizer": options.optimizer or "sgd",
        }
        report = measured_comparison(report, found, device=latency, file=bench, measure=measure)
    if runs:
        from archcalc.io.runs import load_all
        from archcalc.report.training import with_accuracy

        report = with_accuracy(report, found, load_all(runs))
    finish(report, options, *profiles)


@click.command()
@one_model
@depth
@takes(Options, *MODEL, *OUTPUT)
def params(model: str, depth: int | None, options: Options) -> None:
    """Where the parameters are.

    \b
    archcalc params alexnet
    archcalc params googlenet --depth 1
    """
    found = price(model, options)
    finish(views.parameters(found, depth), options, found)


@click.command()
@one_model
@takes(Options, *MODEL, *OUTPUT)
def memory(model: str, options: Options) -> None:
    """Weights, activations, the peak, what training keeps.

    \b
    archcalc memory nin --batch 128
    """
    found = price(model, options)
    finish(views.memory(found), options, found)


@click.command("receptive-field")
@one_model
@takes(Options, *MODEL, *OUTPUT)
def receptive_field(model: str, options: Options) -> None:
    """How much of the input each node sees.

    \b
    archcalc receptive-field googlenet
    """
    found = price(model, options)
    finish(views.receptive_field(found), options, found)
