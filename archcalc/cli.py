"""The command line: each command parses, calls one library function, and hands the record to a
writer. The functions of ``archcalc`` do the same and print nothing."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, NoReturn, get_type_hints

import typer

from archcalc import registry
from archcalc.errors import ArchcalcError, DefinitionError, UsageError
from archcalc.graph import Graph
from archcalc.readings.compare import compare as compare_profiles
from archcalc.readings.diff import diff
from archcalc.readings.profile import Profile, profile
from archcalc.readings.worked_example import worked_example
from archcalc.report import views
from archcalc.report.table import Report
from archcalc.report.units import check_units
from archcalc.resolve import parse_settings, resolve
from archcalc.version import VERSION

NOT_COUNTED = 1
BAD_INPUT = 2

app = typer.Typer(
    name="archcalc",
    help="What a neural-network architecture costs, and why.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@dataclass(frozen=True)
class Output:
    """How a result is written; shared by every command."""

    units: Annotated[str, typer.Option(help="Numbers in tables: si, zh (亿, 万) or exact.")] = "si"
    format: Annotated[str, typer.Option("--format", "-f", help="table, md, csv or json.")] = "table"
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Write there; - is stdout.")
    ] = "-"


@dataclass(frozen=True)
class Options(Output):
    """What every command that takes a model takes too."""

    input: Annotated[
        str, typer.Option("--input", "-i", metavar="HxWxC", help="Input, or chw:CxHxW.")
    ] = ""
    batch: Annotated[int, typer.Option(help="Images at once.")] = 1
    train: Annotated[
        bool, typer.Option("--train", help="Training mode: auxiliary heads run, dropout drops.")
    ] = False
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the model; repeatable."),
    ] = None
    convention: Annotated[
        str,
        typer.Option(help="Give the total as another counter does, too: paper, torch, fvcore, ..."),
    ] = "paper"
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 when an operation is not counted.")
    ] = False


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Spread a command's parameter that is a record of options into the options themselves."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    holder, record = next(
        (name, hint)
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, Output)
    )
    own = [parameter for name, parameter in signature.parameters.items() if name != holder]
    annotations = get_type_hints(record, include_extras=True)
    names = [field.name for field in fields(record)]

    def wrapper(**given: Any) -> None:
        chosen = record(**{name: given.pop(name) for name in names})
        command(**given, **{holder: chosen})

    parameters = [
        parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY)
        for parameter in own
    ] + [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if field.default is MISSING else field.default,
            annotation=annotations[field.name],
        )
        for field in fields(record)
    ]
    wrapper.__name__ = command.__name__
    wrapper.__doc__ = command.__doc__
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


Model = Annotated[str, typer.Argument(metavar="MODEL", help="nin, googlenet, nin,head=fc, ...")]
Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help="nin googlenet nin,head=fc")]
AnyModels = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL...]", help="nin googlenet nin,head=fc")
]
Depth = Annotated[
    int, typer.Option(min=0, help="Parts of a name to show; 0 chooses what fits a screen.")
]


@app.command("list")
@shared
def list_(
    output: Output,
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="This one, with options.")] = "",
) -> None:
    """Every registered architecture: default input, parameters, MACs, source.

    \b
    archcalc list
    archcalc list nin
    archcalc list --format json
    """
    write(views.card(registry.find(model)) if model else views.listing(registry.every()), output)


@app.command()
@shared
def show(model: Model, options: Options, depth: Depth = 0) -> None:
    """The layers of a model: operator, output shape, parameters, MACs.

    \b
    archcalc show nin
    archcalc show googlenet --depth 2 --format md
    """
    found = price(model, options)
    finish(views.layers(found, depth), options, found)


@app.command()
@shared
def explain(
    model: Model,
    options: Options,
    node: Annotated[
        str, typer.Option(metavar="PATTERN", help="Only these nodes, with all of their work.")
    ] = "",
) -> None:
    """The formula of each counted node with its value, and the sums.

    \b
    archcalc explain inception-reduced
    archcalc explain googlenet --node 'inception_3a.*'
    """
    found = price(model, options)
    finish(views.explanation(found, node), options, found)


@app.command()
@shared
def flops(options: Options, models: AnyModels = None) -> None:
    """Multiply-adds and FLOPs; without a model, the worked example of the Inception story.

    \b
    archcalc flops --input 28x28x192
    archcalc flops googlenet --convention torch --units exact
    """
    if models:
        profiles = price_all(models, options)
        finish(views.totals(profiles), options, *profiles)
        return
    if options.settings or options.train:
        raise UsageError("the worked example takes no --set and no --train; name a model for those")
    example = worked_example(
        options.input or None, batch=options.batch, convention=options.convention
    )
    finish(views.worked(example), options, *example.profiles)


@app.command()
@shared
def compare(
    models: Models,
    options: Options,
    baseline: Annotated[
        str, typer.Option(metavar="MODEL", help="Ratios are to this one; the first if not given.")
    ] = "",
    sort: Annotated[
        str, typer.Option(metavar="METRIC", help="params, macs, flops, activations, ...")
    ] = "",
    diff_: Annotated[
        bool, typer.Option("--diff", help="Of two models: nodes added, removed, changed.")
    ] = False,
) -> None:
    """Models side by side, with ratios to one of them.

    \b
    archcalc compare nin googlenet
    archcalc compare nin nin,mlp=false nin,head=fc --sort macs
    archcalc compare inception-naive inception-reduced --diff
    """
    if diff_ and len(models) != 2:
        raise UsageError(f"--diff takes two models, got {len(models)}")
    profiles = price_all(models, options)
    found = compare_profiles(profiles, baseline=baseline, sort=sort)
    differences = diff(profiles[0], profiles[1]) if diff_ else None
    finish(views.comparison(found, differences), options, *profiles)


@app.command()
@shared
def params(model: Model, options: Options, depth: Depth = 0) -> None:
    """Where the parameters are.

    \b
    archcalc params alexnet
    archcalc params googlenet --depth 1
    """
    found = price(model, options)
    finish(views.parameters(found, depth or None), options, found)


@app.command()
@shared
def memory(model: Model, options: Options) -> None:
    """Weights, each activation, the peak and where it is, and what training keeps.

    \b
    archcalc memory nin --batch 128
    """
    found = price(model, options)
    finish(views.memory(found), options, found)


@app.command("receptive-field")
@shared
def receptive_field(model: Model, options: Options) -> None:
    """How much of the input each node sees.

    \b
    archcalc receptive-field googlenet
    """
    found = price(model, options)
    finish(views.receptive_field(found), options, found)


def price(model: str, options: Options) -> Profile:
    return price_all([model], options)[0]


def price_all(models: Sequence[str], options: Options) -> list[Profile]:
    """The profiles of some models under the shared options."""
    settings = parse_settings(options.settings or ())
    return [
        profile(load(model, options, settings), convention=options.convention) for model in models
    ]


def load(model: str, options: Options, settings: dict[str, str]) -> Graph:
    return resolve(
        model,
        input=options.input or None,
        batch=options.batch,
        training=options.train,
        options=settings,
    )


def finish(report: Report, options: Options, *profiles: Profile) -> None:
    """Write the report; with ``--strict``, leave with 1 when something was not counted."""
    write(report, options)
    if options.strict and any(found.not_counted for found in profiles):
        raise typer.Exit(NOT_COUNTED)


def write(report: Report, output: Output) -> None:
    """To stdout or to a file, in the chosen format."""
    text = render(report, output)
    if output.output == "-":
        sys.stdout.write(text)
        return
    from archcalc.files import write_text

    write_text(output.output, text)
    typer.echo(f"wrote {output.output}", err=True)


def render(report: Report, output: Output) -> str:
    units = check_units(output.units)
    match output.format:
        case "table":
            from archcalc.report.terminal import terminal

            screen = output.output == "-" and sys.stdout.isatty()
            width = os.get_terminal_size().columns if screen else 0
            return terminal(
                report, units, width=width, colour=screen and not os.environ.get("NO_COLOR")
            )
        case "md":
            from archcalc.report.markdown import markdown

            return markdown(report.tables, report.notes, units)
        case "csv":
            from archcalc.report.csv import csv

            return csv(report.tables[0])
        case "json":
            from archcalc.report.json import json

            return json(report.data)
    raise UsageError(f"unknown format {output.format!r}: one of table, md, csv, json")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[
        bool, typer.Option("--version", help="The version, and nothing else.")
    ] = False,
) -> None:
    if version:
        typer.echo(f"archcalc {VERSION}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 2 and one sentence for a wrong input."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # × and 亿 also where the locale has no UTF-8
            stream.reconfigure(encoding="utf-8", errors="replace")
    command = typer.main.get_command(app)
    try:
        code = command.main(
            list(arguments) if arguments is not None else None, "archcalc", standalone_mode=False
        )
        sys.stdout.flush()
    except DefinitionError as error:
        typer.echo(f"archcalc: {error}", err=True)
        typer.echo(views.partial(error.partial, error.node), err=True)
        code = BAD_INPUT
    except ArchcalcError as error:
        typer.echo(f"archcalc: {error}", err=True)
        code = BAD_INPUT
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        # typer's own errors about options share no public class; they know how to say themselves.
        describe = getattr(error, "format_message", None)
        if describe is None:
            raise
        typer.echo(f"archcalc: {describe()}", err=True)
        code = BAD_INPUT
    sys.exit(code or 0)
