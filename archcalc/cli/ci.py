"""The commands that keep watch: check, diff. Neither needs torch for declared models."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

import archcalc
from archcalc.cli.options import OUTPUT, Output, emit, takes, write
from archcalc.errors import UsageError

if TYPE_CHECKING:
    from archcalc.analysis.diff import ReportDiff
    from archcalc.io.revisions import Asked

BREACHED = 1
BUDGET = "archcalc.toml"


@click.command()
@click.option(
    "--budget", "path", metavar="FILE", default=BUDGET, show_default=True, help="The limits."
)
@takes(Output, *OUTPUT)
def check(path: str, options: Output) -> None:
    """Keep models within a budget: one line a breach, and exit code 1.

    Parameters, MACs, shapes and memory gate; a latency advises, unless the budget names the
    machine.

    \b
    archcalc check --budget archcalc.toml
    archcalc check --format md -o check.md
    """
    from archcalc.report import ci

    found = archcalc.check(path)
    if options.format == "table":
        emit(ci.lines(found, path), options.output)
    else:
        write(ci.checks(found, path), options)
    for each in found.advice:
        click.echo(f"archcalc: advice: {each.sentence}", err=True)
    if found.breaches:
        sys.exit(BREACHED)


class WithModels(click.Command):
    """A command whose arguments behind ``--`` are models, as git's are paths there."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        before, dashes, after = args, False, []
        if "--" in args:
            place = args.index("--")
            before, dashes, after = args[:place], True, args[place + 1 :]
        context.meta["models"] = after if dashes else None
        return super().parse_args(context, list(before))


@click.command(cls=WithModels)
@click.argument("sides", metavar="BEFORE [AFTER] [-- MODEL...]", nargs=-1)
@click.option("-i", "--input", metavar="HxWxC", multiple=True, help="Of the models at two commits.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set an option of the models."
)
@click.option(
    "--budget", metavar="FILE", default="", help="Of two commits: the models that it names."
)
@takes(Output, *OUTPUT)
@click.pass_context
def diff(
    context: click.Context,
    sides: tuple[str, ...],
    input: tuple[str, ...],
    settings: tuple[str, ...],
    budget: str,
    options: Output,
) -> None:
    """What changed between two saved reports, or of models between two commits.

    Silent when nothing did. Without AFTER, a commit is compared with the working tree, which stays
    as it is.

    \b
    archcalc diff base.json head.json --format md
    archcalc diff HEAD~1 -- ./net.py:Net
    archcalc diff main --budget archcalc.toml
    """
    from archcalc.report import ci

    models = context.meta["models"]
    if models is None and len(sides) != 2 and any(side.endswith(".json") for side in sides):
        raise UsageError(f"two reports are compared, as base.json head.json; got {len(sides)}")
    if models is None and not budget and len(sides) == 2 and all(map(_is_report, sides)):
        found = _of_reports(*sides)
    else:
        found = _of_commits(sides, _asked(models, budget, input, settings))
    if found.models or options.format == "json":
        write(ci.differences(found), options)
    elif options.output != "-":
        emit("", options.output)


def _is_report(name: str) -> bool:
    return name.endswith(".json") or os.path.isfile(name)


def _of_reports(before: str, after: str) -> ReportDiff:
    from archcalc.analysis.diff import diff_reports
    from archcalc.io import saved_reports

    return diff_reports(saved_reports.load(before), saved_reports.load(after), (before, after))


def _of_commits(sides: Sequence[str], asked: Sequence[Asked]) -> ReportDiff:
    from archcalc.analysis.diff import diff_reports
    from archcalc.io import revisions

    if len(sides) == 1 and ".." in sides[0]:
        sides = tuple(side or "HEAD" for side in sides[0].split("..", 1))
    if not 1 <= len(sides) <= 2:
        raise UsageError(
            "give two reports, as base.json head.json, or a commit and models, "
            f"as HEAD~1 -- ./net.py:Net; got {' '.join(sides) or 'nothing'}"
        )
    before, after = (*sides, revisions.WORKING_TREE)[:2]
    old, new = revisions.count(before, asked), revisions.count(after, asked)
    for spec, words in new.failed.items():
        if spec in old.failed:
            raise UsageError(words)
    names = (_short(before), _short(after) or "working tree")
    return diff_reports(old.models, new.models, names, {**old.failed, **new.failed})


def _short(revision: str) -> str:
    """A commit's hash as people write it; names stay as they are."""
    is_hash = len(revision) == 40 and set(revision) <= set("0123456789abcdef")
    return revision[:10] if is_hash else revision


def _asked(
    models: Sequence[str] | None, budget: str, input: tuple[str, ...], settings: tuple[str, ...]
) -> list[Asked]:
    """The models of two commits: those behind ``--``, else those of a budget that lie in files."""
    from archcalc.io.revisions import Asked

    if models:
        asked = [Asked(model, input, settings) for model in models]
        for each in asked:
            if not each.in_repository:
                raise UsageError(
                    f"{each.spec} is of an installed package, the same at both commits; "
                    "name a file's, as ./net.py:Net"
                )
        return asked
    if not budget and not os.path.exists(BUDGET):
        raise UsageError("which models? name them behind --, as HEAD~1 -- ./net.py:Net")
    from archcalc.io import budget_file

    found = [Asked(each.model, each.input) for each in budget_file.load(budget or BUDGET)]
    return [each for each in dict.fromkeys(found) if each.in_repository]
