"""The command line: each command parses, calls one library function, and hands the record to a
writer. The functions of ``archcalc`` do the same and print nothing.

``command.py`` makes commands from functions, and ``options.py`` declares the options that they
share. The commands are in ``calculator.py`` (count), ``formula.py`` (derive and sweep),
``claims.py`` and ``ci.py`` (judge), ``modules.py`` (verify, reconcile, export), ``bench.py`` and
``calibrate.py`` (measure), ``train.py`` (train), ``report.py`` and ``explore.py`` (report).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from archcalc.cli.command import HELP_NAMES, Plain, make
from archcalc.cli.failure import BAD_INPUT, INTERRUPTED, failed, flush, prepare_streams, say
from archcalc.errors import ArchcalcError, DefinitionError
from archcalc.version import VERSION

GROUPS = {
    "Count": {
        "list": "calculator:list_models",
        "show": "calculator:show",
        "explain": "calculator:explain",
        "flops": "calculator:flops",
        "compare": "calculator:compare",
        "params": "calculator:params",
        "memory": "calculator:memory",
        "receptive-field": "calculator:receptive_field",
    },
    "Derive": {"derive": "formula:derive", "sweep": "formula:sweep"},
    "Judge": {
        "claims": "claims:claims",
        "lint": "claims:lint",
        "check": "ci:check",
        "diff": "ci:diff",
        "verify": "modules:verify",
        "reconcile": "modules:reconcile",
    },
    "Measure": {"bench": "bench:bench", "calibrate": "calibrate:calibrate"},
    "Train": {
        "train": "train:train",
        "evaluate": "train:evaluate",
        "featuremaps": "train:featuremaps",
    },
    "Report": {
        "report": "report:report",
        "explore": "explore:explore",
        "export": "modules:export",
        "completion": "completion:completion",
    },
}
"""The commands in the groups of ``archcalc --help``, and the function of each."""

COMMANDS = {name: place for group in GROUPS.values() for name, place in group.items()}
"""The module and function of each command. A module is imported only when its command is called, so
start-up time does not grow with the number of commands."""

COMPLETION = "_ARCHCALC_COMPLETE"
"""The environment variable with which a shell requests completions."""

USAGE_ERROR: Any = typer.BadParameter.__base__
"""The exception that typer raises for a wrong command line. typer exports only a subclass of it."""


class Commands(Plain, TyperGroup):
    """The commands of ``GROUPS`` as a typer group."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Typer suggests names from these; ``get_command`` makes the commands.
        self.commands: Any = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        return make(cmd_name, getattr(import_module(f"archcalc.cli.{module}"), function))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            summaries = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command
                assert command.help
                summaries.append((name.ljust(width), command.help.partition("\n\n")[0]))
            with formatter.section(title):
                formatter.write_dl(summaries)


def _group() -> TyperGroup:
    app = typer.Typer(
        cls=Commands, add_completion=False, rich_markup_mode=None, context_settings={**HELP_NAMES}
    )
    app.callback(invoke_without_command=True)(archcalc)
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"archcalc {VERSION}\n")
        raise typer.Exit


def archcalc(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """What a neural-network architecture costs, and why.

    \b
    archcalc compare nin googlenet
    archcalc flops --input 28x28x192
    """
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code. Wrong input gives one sentence and exit code 2."""
    prepare_streams()
    if COMPLETION in os.environ:
        from archcalc.cli.completion import complete

        complete(_group())
    code = run(arguments)
    sys.exit(flush() or code)


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code. Errors become one sentence on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # ``main`` would use exit codes of its own for interruptions and closed pipes.
        group = _group()
        with group.make_context("archcalc", given) as context:
            group.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except DefinitionError as error:
        from archcalc.report.formats.terminal import terminal
        from archcalc.report.sections.layers import partial

        say(str(error), terminal(partial(error.partial, error.node)))
        return BAD_INPUT
    except ArchcalcError as error:
        say(str(error))
        return BAD_INPUT
    except typer.Abort:
        return INTERRUPTED
    except BaseException as error:  # everything else, including SystemExit
        if isinstance(error, USAGE_ERROR):
            say(_usage(error))
            return BAD_INPUT
        return failed(error)
    return 0


def _usage(error: Any) -> str:
    """The error in a command line, and the command that shows its help."""
    message = error.format_message().removesuffix(".").replace(". Did you mean", "; did you mean")
    command = error.ctx.command_path if error.ctx else "archcalc"
    return f"{message}; see `{command} --help`".replace("?;", "?")
