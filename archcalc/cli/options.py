"""What commands share: options, the models they name, and how a result is written.

It is click, not typer: typer checks every option with pydantic, whose import alone takes a third of
the time in which ``archcalc compare`` answers.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import click

from archcalc.analysis.conventions import CONVENTIONS
from archcalc.analysis.profile import Profile, profile
from archcalc.lookup import registry
from archcalc.lookup.resolve import parse_settings, resolve
from archcalc.report.table import Report
from archcalc.report.units import UNITS, Units

NOT_COUNTED = 1

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

    input: tuple[str, ...]
    batch: int
    train: bool
    optimizer: str
    settings: tuple[str, ...]
    formulas: tuple[str, ...]
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
    click.option(
        "-i",
        "--input",
        metavar="HxWxC",
        multiple=True,
        help="Input, or chw:CxHxW; of a torch model also NAME=1,128:i64, one option each.",
    ),
    click.option("--batch", metavar="N", type=int, default=1, help="Images at once."),
    click.option(
        "--train",
        is_flag=True,
        help="A training step: auxiliary heads run, and the backward pass follows.",
    ),
    click.option(
        "--optimizer",
        metavar="NAME",
        default="",
        help="With --train, its update too: sgd, adam, adamw, ...",
    ),
    click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set an option of the model; repeatable. Same as MODEL,KEY=VALUE.",
    ),
    click.option(
        "--formulas",
        metavar="FILE",
        multiple=True,
        help="A Python file with @archcalc.formula for operators that are not counted.",
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

Function = Callable[..., None]


def takes(
    record: type[Output], *options: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Give a command these options, gathered in a record as its argument ``options``."""

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def gathered(**given: Any) -> None:
            chosen = record(**{field.name: given.pop(field.name) for field in fields(record)})
            command(options=chosen, **given)

        decorated: Function = gathered
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


def price(model: str, options: Options) -> Profile:
    """The profile of a model under the shared options."""
    return price_all([model], options)[0]


def price_all(models: Sequence[str], options: Options) -> list[Profile]:
    """The profiles of some models under the shared options."""
    if options.formulas:
        from archcalc.ops.formula import load_formulas

        for path in options.formulas:
            load_formulas(path)
    settings = parse_settings(options.settings)
    graphs = [
        resolve(
            model,
            input=options.input,
            batch=options.batch,
            training=options.train,
            optimizer=options.optimizer,
            options=settings,
        )
        for model in models
    ]
    return [profile(graph, convention=options.convention) for graph in graphs]


def finish(report: Report, options: Options, *profiles: Profile) -> None:
    """Write the report, and for what was not counted a formula to fill in; with ``--strict``, leave
    with 1 when there was such a thing."""
    write(report, options)
    unknown = [node for found in profiles for node in found.nodes_not_counted]
    if unknown:
        from archcalc.pytorch.trace import stub

        click.echo(
            "archcalc: to count it, fill this in and load it with --formulas FILE:\n", err=True
        )
        for node in {node.op: node for node in reversed(unknown)}.values():
            click.echo(stub(node), err=True)
    if options.strict and unknown:
        sys.exit(NOT_COUNTED)


def write(report: Report, options: Output) -> None:
    """To stdout or to a file, in the chosen format."""
    emit(render(report, options), options.output)


def emit(text: str, output: str) -> None:
    """Finished text to a file, or for ``-`` to stdout."""
    if output == "-":
        sys.stdout.write(text)
        return
    from archcalc.io.files import write_text

    write_text(output, text)
    click.echo(f"wrote {output}", err=True)


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
