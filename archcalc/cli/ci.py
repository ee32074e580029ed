"""The commands for CI: check and diff. Neither needs torch for declared models."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

import archcalc
from archcalc.cli.options import MANY, Inputs, Output, Settings, emit, progress, tell, write
from archcalc.errors import UsageError

if TYPE_CHECKING:
    from archcalc.analysis.diff import ReportDiff
    from archcalc.io.revisions import Asked

BREACHED = 1
BUDGET = "archcalc.toml"


def check(
    output: Output,
    path: Annotated[
        str,
        Option("--budget", metavar="FILE", help="TOML file with the limits.", show_default=True),
    ] = BUDGET,
) -> None:
    """Check models against a budget; print one line per breach and exit with 1.

    Limits on parameters, MACs, shapes and memory can fail the check. A latency limit is advisory
    unless the budget names the machine.

    \b
    archcalc check --budget archcalc.toml
    archcalc check --format md -o check.md
    """
    from archcalc.report.sections import budget

    with progress(MANY) as follow:
        found = archcalc.check(path, follow=follow)
    if output.chosen == "table":
        emit(budget.lines(found, path), output.output)
    else:
        write(budget.show(found, path), output)
    for each in found.advice:
        tell(f"archcalc: advice: {each.sentence}")
    if found.breaches:
        sys.exit(BREACHED)


def diff(
    output: Output,
    sides: Annotated[
        list[str],
        Argument(
            metavar="BEFORE [AFTER] [-- MODEL...]",
            help="Two saved reports, or two commits and the models to compare. Without AFTER, a "
            "commit is compared with the working tree.",
        ),
    ] = [],  # noqa: B006  (typer reads it; nothing changes it)
    input: Inputs = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    budget: Annotated[
        str,
        Option(
            metavar="FILE",
            help="For two commits, compare the models that this budget names.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Show what changed between two saved reports, or in models between two commits.

    Prints nothing if nothing changed. The working tree is not modified.

    \b
    archcalc diff base.json head.json --format md
    archcalc diff HEAD~1 -- ./net.py:Net
    archcalc diff main --budget archcalc.toml
    """
    from archcalc.report.sections.changes import show

    models = None
    if "--" in sides:
        place = sides.index("--")
        sides, models = sides[:place], sides[place + 1 :]
    if models is None and len(sides) != 2 and any(side.endswith(".json") for side in sides):
        raise UsageError(f"give two reports, such as base.json head.json; got {len(sides)}")
    if models is None and not budget and len(sides) == 2 and all(map(_is_report, sides)):
        found = _of_reports(sides[0], sides[1])
    else:
        found = _of_commits(sides, _asked(models, budget, tuple(input), tuple(settings)))
    if found.models or output.chosen == "json":
        write(show(found), output)
    elif output.output != "-":
        emit("", output.output)


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
            "give two reports, such as base.json head.json, or a commit and models, "
            f"such as HEAD~1 -- ./net.py:Net; got {' '.join(sides) or 'nothing'}"
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
                    f"{each.spec} is part of an installed package, which is the same at both "
                    "commits; name a model in a file, such as ./net.py:Net"
                )
        return asked
    if not budget and not os.path.exists(BUDGET):
        raise UsageError("no model is named; name models after --, such as HEAD~1 -- ./net.py:Net")
    from archcalc.io import budget_file

    found = [Asked(each.model, each.input) for each in budget_file.load(budget or BUDGET)]
    return [each for each in dict.fromkeys(found) if each.in_repository]
