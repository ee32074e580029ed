"""``archcalc claims`` and ``archcalc lint``: published figures checked, architectures read over."""

from __future__ import annotations

import click

from archcalc import registry
from archcalc.cli.options import OUTPUT, Output, complete_model, takes, write
from archcalc.errors import UnknownModelError


@click.command()
@click.argument("model", default="all", required=False, shell_complete=complete_model)
@click.option("--file", "path", metavar="FILE", default="", help="Claims of your own, in TOML.")
@click.option(
    "--waterfall",
    is_flag=True,
    help="From our number to each published one that is another, in steps that add up.",
)
@takes(Output, *OUTPUT)
def claims(model: str, path: str, waterfall: bool, options: Output) -> None:
    """Published figures against what the definitions count.

    \b
    archcalc claims all
    archcalc claims googlenet --waterfall
    archcalc claims --file my_claims.toml
    """
    from archcalc import claims_file
    from archcalc.readings.claims import about, check
    from archcalc.report.claims import claims as report
    from archcalc.resolve import resolve

    known = claims_file.load(path) if path else claims_file.registered()
    if model != "all":
        known = about(known, _canonical(model))
    found = check(known, lambda name, given: resolve(name, input=given or None))
    write(report(found, waterfall=waterfall, raw=options.format == "csv"), options)


def _canonical(model: str) -> str:
    """A model's own name for an alias; what the registry does not know stays as it is."""
    try:
        return registry.find(model).name
    except UnknownModelError:
        return model


COMMANDS: tuple[click.Command, ...] = (claims,)
