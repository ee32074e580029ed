"""The commands that build or run real modules, and so need torch: verify, reconcile, export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.options import (
    OUTPUT,
    Output,
    any_models,
    emit,
    one_model,
    takes,
    write,
)
from archcalc.errors import UsageError, needs
from archcalc.graph import Graph
from archcalc.lookup import registry
from archcalc.lookup.resolve import declared, declared_input, parse_settings

if TYPE_CHECKING:
    from archcalc.pytorch.crosscheck import Crosscheck

UNEXPLAINED = 1

INPUT = click.option("-i", "--input", metavar="HxWxC", default="", help="Input, or chw:CxHxW.")
BATCH = click.option("--batch", metavar="N", type=int, default=1, help="Images at once.")
SETTINGS = click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set an option of the model."
)
TRAIN = click.option("--train", is_flag=True, help="Training mode: auxiliary heads run.")


@click.command()
@any_models
@INPUT
@BATCH
@TRAIN
@SETTINGS
@takes(Output, *OUTPUT)
def verify(
    models: Sequence[str],
    input: str,
    batch: int,
    train: bool,
    settings: Sequence[str],
    options: Output,
) -> None:
    """Count again with torch, fvcore, torchinfo, ...; explain each difference.

    Every registered model unless some are named; exit code 1 when anything is left unexplained.

    \b
    archcalc verify nin googlenet-bn
    archcalc verify --format md -o verify.md
    """
    from archcalc.report.crosscheck import verification

    checks = []
    names = models or registry.names()
    for position, name in enumerate(names, start=1):
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{position}/{len(names)} {name}", err=True, nl=False)
        checks.append(_check(name, input, batch, train, settings))
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    write(verification(checks), options)
    if not all(check.explained for check in checks):
        sys.exit(UNEXPLAINED)


@click.command()
@one_model
@INPUT
@BATCH
@TRAIN
@SETTINGS
@takes(Output, *OUTPUT)
def reconcile(
    model: str,
    input: str,
    batch: int,
    train: bool,
    settings: Sequence[str],
    options: Output,
) -> None:
    """From our number to each counter's, in steps that add up.

    \b
    archcalc reconcile googlenet-bn --units exact
    """
    from archcalc.report.crosscheck import reconciliation

    check = _check(model, input, batch, train, settings)
    write(reconciliation(check), options)
    if not check.explained:
        sys.exit(UNEXPLAINED)


@click.command()
@one_model
@INPUT
@BATCH
@SETTINGS
@click.option(
    "--to",
    type=click.Choice(("py", "pt2", "onnx")),
    help="A plain PyTorch file, a torch.export program, or ONNX; by FILE's ending unless given.",
)
@click.option("--seed", type=int, default=0, help="Of the weights in a program.")
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there; py also to stdout.")
def export(
    model: str,
    input: str,
    batch: int,
    settings: Sequence[str],
    to: str | None,
    seed: int,
    output: str,
) -> None:
    """Write a network as a file that needs no archcalc.

    \b
    archcalc export nin -o nin.py
    archcalc export googlenet -o googlenet.onnx
    """
    ending = output.rpartition(".")[2] if "." in output else ""
    form = to or (ending if ending in ("pt2", "onnx") else "py")
    if form != "py" and output == "-":
        raise UsageError(f"--to {form} writes a binary file: give -o {model}.{form}")
    graph = _declared(model, input, batch, False, settings)
    module = torch_module("export")
    if form == "py":
        emit(module.export_python(graph), output)
        return
    write_program = module.export_pt2 if form == "pt2" else module.export_onnx
    write_program(graph, output, seed=seed)
    click.echo(f"wrote {output}", err=True)


def _check(model: str, input: str, batch: int, train: bool, settings: Sequence[str]) -> Crosscheck:
    graph = _declared(model, input, batch, train, settings)
    crosscheck = torch_module("crosscheck")
    found: Crosscheck = crosscheck.check(graph)
    return found


def _declared(model: str, input: str, batch: int, train: bool, settings: Sequence[str]) -> Graph:
    """The forward pass of a declared network, registered or in a file."""
    architecture, options = declared(model, parse_settings(settings))
    return architecture.graph(declared_input(input), batch=batch, training=train, options=options)


def torch_module(name: str) -> Any:
    """``archcalc.pytorch.NAME``, or a sentence about what is missing."""
    from importlib import import_module

    with needs("torch", "this"):
        return import_module(f"archcalc.pytorch.{name}")
