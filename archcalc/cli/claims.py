"""``archcalc claims`` and ``archcalc lint``: published figures and architectures checked."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

import archcalc
from archcalc.cli.options import (
    AnyModels,
    Inputs,
    NoCache,
    Output,
    Settings,
    Trust,
    complete_model,
    progress,
    write,
)
from archcalc.errors import UsageError
from archcalc.lookup import registry

WARNED = 1


def claims(
    output: Output,
    model: Annotated[
        str,
        Argument(
            metavar="[MODEL]",
            help="Check only the claims about this model.",
            autocompletion=complete_model,
        ),
    ] = "all",
    path: Annotated[
        str,
        Option(
            "--file",
            metavar="FILE",
            help="Check the claims of this TOML file instead of the built-in ones.",
            show_default=False,
        ),
    ] = "",
    waterfall: Annotated[
        bool,
        Option(
            "--waterfall",
            help="For each published number that differs from archcalc's, show the steps between "
            "the two.",
        ),
    ] = False,
    runs: Annotated[
        list[str],
        Option(
            "--run",
            metavar="ID=FOLDER",
            help="Training run to check the accuracy claim with this id against. Repeatable.",
        ),
    ] = [],  # noqa: B006  (typer reads it; nothing changes it)
    against: Annotated[
        list[str],
        Option(
            "--against",
            metavar="ID=FOLDER",
            help="Training run of the other network, for a claim that compares two. Repeatable.",
        ),
    ] = [],  # noqa: B006
) -> None:
    """Check published figures against archcalc's counts.

    \b
    archcalc claims all
    archcalc claims googlenet --waterfall
    archcalc claims --file my_claims.toml
    archcalc claims nin --run ID=runs/nin-article-seed0
    archcalc claims nin --run ID=runs/a0 --run ID=runs/a1 --against ID=runs/b0 --against ID=runs/b1
    """
    from archcalc.report.sections.claims import show

    found = archcalc.claims(
        model, file=path, runs=linked("--run", runs), against=linked("--against", against)
    )
    write(show(found, waterfall=waterfall), output)


def linked(option: str, texts: list[str]) -> dict[str, list[str]]:
    """The folders of each claim's runs, from texts of the form ID=FOLDER. Raises UsageError."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, folder = text.rpartition("=")
        if not (name and equals and folder):
            raise UsageError(f"{option} {text}: write ID=FOLDER; --format json has the ids")
        found.setdefault(name, []).append(folder)
    return found


def lint(
    output: Output,
    models: AnyModels = [],  # noqa: B006
    input: Inputs = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    trust: Trust = False,
    no_cache: NoCache = False,
    strict: Annotated[
        bool, Option("--strict", help="Exit with 1 when there is a warning.")
    ] = False,
) -> None:
    """Find likely mistakes and missed savings in architectures.

    Without a model, check every registered one.

    \b
    archcalc lint nin-mnist-v2
    archcalc lint ./net.py:Net --input 32x32x3 --strict
    """
    from archcalc.analysis.profiles import graphs
    from archcalc.lookup.resolve import expand
    from archcalc.lookup.spec import parse_settings
    from archcalc.report.sections.lint import show

    chosen = parse_settings(settings)
    names = models or registry.names()
    with progress(len(expand(names))) as follow:
        given = graphs(
            names,
            follow=follow,
            input=input,
            options=chosen,
            trust=trust,
            cache=not no_cache,
        )
        found = [archcalc.lint(graph) for graph in given]
    write(show(*found), output)
    if strict and any(each.warnings for each in found):
        sys.exit(WARNED)
