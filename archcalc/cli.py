"""The command line: each command parses, calls one library function, and hands the record to a
writer. The functions of ``archcalc`` do the same and print nothing.

It is click, not typer: typer checks every option with pydantic, whose import alone takes a third of
the time in which ``archcalc compare`` answers.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import click

from archcalc import registry
from archcalc.errors import ArchcalcError, DefinitionError, UsageError
from archcalc.graph import Graph
from archcalc.readings.compare import METRICS
from archcalc.readings.compare import compare as compare_profiles
from archcalc.readings.conventions import CONVENTIONS
from archcalc.readings.diff import diff
from archcalc.readings.profile import Profile, profile
from archcalc.readings.worked_example import worked_example
from archcalc.report import views
from archcalc.report.table import Report
from archcalc.report.units import UNITS, Units
from archcalc.resolve import parse_settings, resolve
from archcalc.version import VERSION

NOT_COUNTED = 1
BAD_INPUT = 2
INTERRUPTED = 130

FORMATS = ("table", "md", "csv", "json")


@dataclass(frozen=True)
class Output:
    """How a result is written; shared by every command."""

    units: Units
    format: str
    output: str


@dataclass(frozen=True)
class Options(Output):
    """What every command that takes a model takes too."""

    input: str
    batch: int
    train: bool
    settings: tuple[str, ...]
    convention: str
    strict: bool


OUTPUT = (
    click.option(
        "--units",
        type=click.Choice(UNITS),
        default="si",
        show_default=True,
        help="Numbers of tables: 120.4M, 1.20亿 or 120,422,400.",
    ),
    click.option(
        "-f",
        "--format",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="csv writes the first table, in raw numbers.",
    ),
    click.option("-o", "--output", metavar="FILE", default="-", help="Write there, not to stdout."),
)

MODEL = (
    click.option("-i", "--input", metavar="HxWxC", default="", help="Input, or chw:CxHxW."),
    click.option("--batch", metavar="N", type=int, default=1, help="Images at once."),
    click.option("--train", is_flag=True, help="Training mode: auxiliary heads run."),
    click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set an option of the model; repeatable. Same as MODEL,KEY=VALUE.",
    ),
    click.option(
        "--convention",
        metavar="COUNTER",
        type=click.Choice(tuple(CONVENTIONS)),
        default="paper",
        help=f"Give its total too, step by step: {', '.join(CONVENTIONS)}.",
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 when an operation is not counted."),
)

Command = Callable[..., None]


def takes(
    record: type[Output], *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Give a command these options, gathered in a record as its argument ``options``."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**given: Any) -> None:
            chosen = record(**{field.name: given.pop(field.name) for field in fields(record)})
            command(options=chosen, **given)

        decorated: Command = gathered
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def complete_model(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Names of models that start so, for the shell."""
    return [name for name in registry.names() if name.startswith(incomplete)]


one_model = click.argument("model", shell_complete=complete_model)
some_models = click.argument(
    "models", metavar="MODEL...", nargs=-1, required=True, shell_complete=complete_model
)
any_models = click.argument("models", metavar="[MODEL]...", nargs=-1, shell_complete=complete_model)
depth = click.option(
    "--depth",
    metavar="N",
    type=click.IntRange(min=1),
    help="Parts of a node's name to show; as many as fit a screen unless given.",
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(VERSION, prog_name="archcalc", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """What a neural-network architecture costs, and why.

    \b
    archcalc compare nin googlenet
    archcalc flops --input 28x28x192
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@app.command("list")
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


@app.command()
@one_model
@depth
@takes(Options, *MODEL, *OUTPUT)
def show(model: str, depth: int | None, options: Options) -> None:
    """The layers: operator, output shape, parameters, MACs.

    \b
    archcalc show nin
    archcalc show googlenet --depth 2 --format md
    """
    found = price(model, options)
    finish(views.layers(found, depth), options, found)


@app.command()
@one_model
@click.option("--node", metavar="PATTERN", default="", help="These nodes, with all of their work.")
@takes(Options, *MODEL, *OUTPUT)
def explain(model: str, node: str, options: Options) -> None:
    """The formula of each counted node with its value.

    \b
    archcalc explain inception-reduced
    archcalc explain googlenet --node 'inception_3a.*'
    """
    found = price(model, options)
    finish(views.explanation(found, node), options, found)


@app.command()
@any_models
@takes(Options, *MODEL, *OUTPUT)
def flops(models: Sequence[str], options: Options) -> None:
    """MACs and FLOPs, by class of work.

    Without a model, the worked example of the Inception story.

    \b
    archcalc flops --input 28x28x192
    archcalc flops googlenet --convention torch --units exact
    """
    if models:
        profiles = price_all(models, options)
        finish(views.totals(profiles), options, *profiles)
        return
    if options.settings or options.train:
        raise UsageError("the worked example takes neither --set nor --train; name a model")
    example = worked_example(
        options.input or None, batch=options.batch, convention=options.convention
    )
    finish(views.worked(example), options, *example.profiles)


@app.command()
@some_models
@click.option(
    "--baseline", metavar="MODEL", default="", help="Ratios are to it; else to the first."
)
@click.option(
    "--sort",
    metavar="METRIC",
    type=click.Choice(METRICS),
    help="Smallest first: params, macs, flops, activations, ...",
)
@click.option("--diff", "with_diff", is_flag=True, help="Of two: nodes added, removed, changed.")
@takes(Options, *MODEL, *OUTPUT)
def compare(
    models: Sequence[str],
    baseline: str,
    sort: str | None,
    with_diff: bool,
    options: Options,
) -> None:
    """Models side by side, with ratios to one of them.

    \b
    archcalc compare nin googlenet
    archcalc compare nin nin,mlp=false nin,head=fc --sort macs
    archcalc compare inception-naive inception-reduced --diff
    """
    if with_diff and len(models) != 2:
        raise UsageError(f"--diff takes two models, got {len(models)}")
    profiles = price_all(models, options)
    found = compare_profiles(profiles, baseline=baseline, sort=sort or "")
    differences = diff(profiles[0], profiles[1]) if with_diff else None
    finish(views.comparison(found, differences), options, *profiles)


@app.command()
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


@app.command()
@one_model
@takes(Options, *MODEL, *OUTPUT)
def memory(model: str, options: Options) -> None:
    """Weights, activations, the peak, what training keeps.

    \b
    archcalc memory nin --batch 128
    """
    found = price(model, options)
    finish(views.memory(found), options, found)


@app.command("receptive-field")
@one_model
@takes(Options, *MODEL, *OUTPUT)
def receptive_field(model: str, options: Options) -> None:
    """How much of the input each node sees.

    \b
    archcalc receptive-field googlenet
    """
    found = price(model, options)
    finish(views.receptive_field(found), options, found)


@app.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.option("--install", is_flag=True, help="Put it where the shell looks for it.")
def completion(shell: str, install: bool) -> None:
    """The shell's completion script, or its installation.

    \b
    archcalc completion bash --install
    """
    from archcalc import completion as scripts

    if install:
        click.echo(f"wrote {scripts.install(app, shell)}; open a new shell to use it", err=True)
    else:
        click.echo(scripts.script(app, shell))


def price(model: str, options: Options) -> Profile:
    return price_all([model], options)[0]


def price_all(models: Sequence[str], options: Options) -> list[Profile]:
    """The profiles of some models under the shared options."""
    settings = parse_settings(options.settings)
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
        sys.exit(NOT_COUNTED)


def write(report: Report, options: Output) -> None:
    """To stdout or to a file, in the chosen format."""
    text = render(report, options)
    if options.output == "-":
        sys.stdout.write(text)
        return
    from archcalc.files import write_text

    write_text(options.output, text)
    click.echo(f"wrote {options.output}", err=True)


def render(report: Report, options: Output) -> str:
    """The report in its format. Only the chosen writer is imported."""
    match options.format:
        case "md":
            from archcalc.report.markdown import markdown

            return markdown(report.tables, report.notes, options.units)
        case "csv":
            from archcalc.report.csv import csv

            return csv(report.tables[0])
        case "json":
            from archcalc.report.json import json

            return json(report.data)
    from archcalc.report.terminal import terminal

    screen = options.output == "-" and sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if screen else 0
    colour = screen and not os.environ.get("NO_COLOR")
    return terminal(report, options.units, width=width, colour=colour)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 2 and one sentence for a wrong input."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # × and 亿 also where the locale has no UTF-8
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None) -> int:
    """Run a command; every refusal becomes one sentence on stderr."""
    try:
        app.main(arguments, "archcalc", standalone_mode=False)
        sys.stdout.flush()
    except DefinitionError as error:
        click.echo(f"archcalc: {error}\n\n{views.partial(error.partial, error.node)}", err=True)
        return BAD_INPUT
    except ArchcalcError as error:
        click.echo(f"archcalc: {error}", err=True)
        return BAD_INPUT
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        message = error.format_message().rstrip(".")
        click.echo(f"archcalc: {message}; see `{command or 'archcalc'} --help`", err=True)
        return BAD_INPUT
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
