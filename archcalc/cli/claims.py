"""``archcalc claims`` and ``archcalc lint``: published figures checked, architectures read over."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import archcalc
from archcalc.cli.options import OUTPUT, Output, any_models, complete_model, takes, write
from archcalc.errors import UsageError
from archcalc.lookup import registry

WARNED = 1


@click.command()
@click.argument("model", default="all", required=False, shell_complete=complete_model)
@click.option("--file", "path", metavar="FILE", default="", help="Claims of your own, in TOML.")
@click.option(
    "--waterfall",
    is_flag=True,
    help="From our number to each published one that is another, in steps that add up.",
)
@click.option(
    "--run",
    "runs",
    metavar="ID=FOLDER",
    multiple=True,
    help="A run that follows the claim of this id, for one that needs training; repeatable.",
)
@takes(Output, *OUTPUT)
def claims(model: str, path: str, waterfall: bool, runs: tuple[str, ...], options: Output) -> None:
    """Published figures against what the definitions count.

    \b
    archcalc claims all
    archcalc claims googlenet --waterfall
    archcalc claims --file my_claims.toml
    archcalc claims nin --run ID=runs/nin-article-seed0
    """
    from archcalc.report.claims import claims as report

    linked: dict[str, list[str]] = {}
    for text in runs:
        name, equals, folder = text.rpartition("=")
        if not (name and equals and folder):
            raise UsageError(f"--run {text}: write ID=FOLDER; --format json has the ids")
        linked.setdefault(name, []).append(folder)
    found = archcalc.claims(model, file=path, runs=linked)
    write(report(found, waterfall=waterfall, raw=options.format == "csv"), options)


@click.command()
@any_models
@click.option("-i", "--input", metavar="HxWxC", multiple=True, help="Input, or chw:CxHxW.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set an option of the model."
)
@click.option("--strict", is_flag=True, help="Exit with 1 when there is a warning; for CI.")
@takes(Output, *OUTPUT)
def lint(
    models: Sequence[str],
    input: tuple[str, ...],
    settings: tuple[str, ...],
    strict: bool,
    options: Output,
) -> None:
    """What a reader of an architecture would have wanted to know.

    Every registered model unless some are named.

    \b
    archcalc lint nin-mnist-v2
    archcalc lint ./net.py:Net --input 32x32x3 --strict
    """
    from archcalc.lookup.resolve import parse_settings, resolve
    from archcalc.report.lint import lint as report

    chosen = parse_settings(settings)
    found = [
        archcalc.lint(resolve(model, input=input, options=chosen))
        for model in models or registry.names()
    ]
    write(report(found, raw=options.format == "csv"), options)
    if strict and any(each.warnings for each in found):
        sys.exit(WARNED)
