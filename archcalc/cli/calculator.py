"""The commands that answer from declared or traced graphs: list, show, explain, flops, compare,
params, memory, receptive-field."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from typer import Argument, Option

import archcalc
from archcalc.analysis.figures import COMPARED
from archcalc.cli.failure import say
from archcalc.cli.options import (
    AnyModels,
    Counting,
    Depth,
    Model,
    Models,
    Output,
    complete_model,
    finish,
    graphs,
    price,
    price_all,
    progress,
    write,
)
from archcalc.errors import UsageError
from archcalc.lookup import registry
from archcalc.lookup.resolve import declared_input, is_checkpoint, names
from archcalc.lookup.spec import ModelSpec


def list_models(
    output: Output,
    model: Annotated[
        str,
        Argument(
            metavar="[MODEL]",
            help="Show this model with its options, the models that match a pattern such as "
            "'nin*' or 'timm:convnext_*', or the names in torchvision or timm, or the types of "
            "models in transformers (hf).",
            autocompletion=complete_model,
        ),
    ] = "",
    pattern: Annotated[
        str,
        Argument(
            metavar="[PATTERN]",
            help="Names in torchvision, timm or hf to show, such as 'convnext*'.",
        ),
    ] = "*",
) -> None:
    """List architectures: input, parameters, MACs, source.

    Without a name, list the built-in ones and those of installed packages.

    \b
    archcalc list
    archcalc list nin
    archcalc list torchvision
    archcalc list timm 'convnext*'
    archcalc list hf 'qwen*'
    """
    from archcalc.report.sections import catalogue

    if model == "hf":
        write(catalogue.names(names("hf", pattern)), output)
    elif model in ("torchvision", "timm"):
        write(
            catalogue.names(names(ModelSpec.parse(f"{model}:").kind, f"{model}:{pattern}")), output
        )
    elif pattern != "*":
        raise UsageError(
            f"only torchvision, timm and hf take a second pattern; got {model} {pattern}"
        )
    elif (asked := ModelSpec.parse(model)).is_pattern:
        found = names(asked.kind, model)
        if asked.kind == "registered":
            write(catalogue.show(map(registry.find, found)), output)
        else:
            write(catalogue.names(found), output)
    elif model:
        write(catalogue.card(registry.find(model)), output)
    else:
        write(catalogue.show(registry.every()), output)
        for reason in registry.broken().values():
            say(reason)


def show(model: Model, counting: Counting, output: Output, depth: Depth = None) -> None:
    """Show the layers of a model: operator, output shape, parameters, MACs.

    \b
    archcalc show nin
    archcalc show googlenet --depth 2 --format md
    archcalc show ./net.py:Net --set width=64 --input 32x32x3
    """
    from archcalc.report.sections.layers import show as document

    found = price(model, counting)
    finish(document(found, depth), counting, output, found)


def explain(
    model: Model,
    counting: Counting,
    output: Output,
    node: Annotated[
        str,
        Option(
            metavar="PATTERN",
            help="Show only the nodes that match, such as 'inception_3a.*', with all their work.",
            show_default=False,
        ),
    ] = "",
    over: Annotated[
        str,
        Option(
            metavar="SIZES",
            help="Show these sizes as symbols, such as c5_reduce,batch. Declared models only.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Show the formula of each counted node and its value.

    \b
    archcalc explain inception-reduced --over c5_reduce
    archcalc explain inception-reduced
    archcalc explain googlenet --node 'inception_3a.*'
    archcalc explain nin --node '*'
    """
    if over:
        from archcalc import derive
        from archcalc.report.sections.derivation import explained

        settings: dict[str, Any] = dict(counting.options_of([model]))
        names = [name.strip() for name in over.split(",")]
        formula = derive(
            model,
            names,
            input=counting.input,
            batch=counting.batch,
            figures=["macs"],
            node=node,
            training=counting.train,
            **settings,
        )
        write(explained(formula), output)
        return
    from archcalc.report.sections.explanation import show as document

    found = price(model, counting)
    finish(document(found, node), counting, output, found)


def flops(counting: Counting, output: Output, models: AnyModels = []) -> None:  # noqa: B006
    """Count MACs and FLOPs, by class of work.

    Without a model, show the worked example of the Inception paper's 1×1 reductions.

    \b
    archcalc flops --input 28x28x192
    archcalc flops googlenet --convention torch --units exact
    archcalc flops torchvision:resnet50 --train --optimizer adam
    """
    if models:
        from archcalc.report.sections.totals import show as document

        profiles = price_all(models, counting)
        finish(document(profiles), counting, output, *profiles)
        return
    if counting.settings or counting.train:
        raise UsageError("the worked example takes neither --set nor --train; name a model")
    from archcalc.report.sections import worked_example

    example = archcalc.worked_example(
        declared_input(counting.input), batch=counting.batch, convention=counting.convention
    )
    finish(worked_example.show(example), counting, output, *example.profiles)


def compare(
    models: Models,
    counting: Counting,
    output: Output,
    baseline: Annotated[
        str,
        Option(
            metavar="MODEL",
            help="Model that ratios refer to. By default, the first.",
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        Literal[COMPARED] | None,  # type: ignore[valid-type]
        Option(
            metavar="METRIC",
            help="Sort by a metric, smallest first: params, macs, flops, activations, ...",
        ),
    ] = None,
    latency: Annotated[
        str,
        Option(
            metavar="DEVICE",
            help="Also measure latency on auto, cpu, cuda, cuda:1 or mps. `archcalc bench` has "
            "more options.",
            show_default=False,
        ),
    ] = "",
    bench: Annotated[
        str,
        Option(
            metavar="FILE",
            help="Show latencies from a file that `archcalc bench -o FILE.json` wrote.",
            show_default=False,
        ),
    ] = "",
    predict: Annotated[
        str,
        Option(
            metavar="DEVICE|FILE",
            help="Also predict latency: cpu, cuda or cpu,threads=1 from a calibration of this "
            "machine, or the FILE of one. `archcalc calibrate` makes them.",
            show_default=False,
        ),
    ] = "",
    with_diff: Annotated[
        bool, Option("--diff", help="For two models, show the nodes added, removed and changed.")
    ] = False,
    runs: Annotated[
        str,
        Option(
            metavar="DIR", help="Show the accuracy of the training runs in DIR.", show_default=False
        ),
    ] = "",
) -> None:
    """Compare models side by side, with ratios to one of them.

    \b
    archcalc compare nin googlenet torchvision:resnet50
    archcalc compare nin nin,mlp=false nin,head=fc --sort macs
    archcalc compare inception-naive inception-reduced --diff
    archcalc compare nin googlenet --latency cpu
    archcalc compare nin googlenet torchvision:resnet50 --predict cpu
    archcalc compare nin nin,norm=batch --runs runs/
    """
    from archcalc.report.sections.comparison import show as document

    given = graphs(models, counting)
    with progress(len(given), timed=bool(latency)) as follow:
        found = archcalc.compare(
            given,
            input=counting.input,
            batch=counting.batch,
            training=counting.train,
            optimizer=counting.optimizer,
            baseline=baseline,
            sort=sort or "",
            convention=counting.convention,
            options=counting.options_of(models),
            latency=latency,
            bench=bench,
            predict=predict,
            runs=runs,
            differences=with_diff,
            follow=follow,
        )
    finish(document(found), counting, output, *found.profiles)


def params(model: Model, counting: Counting, output: Output, depth: Depth = None) -> None:
    """Show where the parameters are, in a model or in safetensors files.

    \b
    archcalc params alexnet
    archcalc params googlenet --depth 1
    archcalc params model.safetensors
    """
    if is_checkpoint(ModelSpec.parse(model)):
        from archcalc.report.sections.checkpoint import show as stored

        if replace(counting, no_cache=False) != Counting():
            raise UsageError(
                f"{model} holds weights alone: the options of models and of counting do not apply"
            )
        write(stored(archcalc.weights(model), depth), output)
        return
    from archcalc.report.sections.parameters import show as document

    found = price(model, counting)
    finish(document(found, depth), counting, output, found)


def memory(model: Model, counting: Counting, output: Output, depth: Depth = None) -> None:
    """Show the memory of weights and activations, the peak, and what training keeps.

    \b
    archcalc memory nin --batch 128
    archcalc memory googlenet --depth 1
    """
    from archcalc.report.sections.memory import show as document

    found = price(model, counting)
    finish(document(found, counting.optimizer or "sgd", depth), counting, output, found)


def receptive_field(model: Model, counting: Counting, output: Output, depth: Depth = None) -> None:
    """Show how much of the input each node sees.

    \b
    archcalc receptive-field googlenet
    archcalc receptive-field googlenet --depth 1
    """
    from archcalc.report.sections.receptive_field import show as document

    found = price(model, counting)
    finish(document(found, depth), counting, output, found)
