"""The command line: each command parses, calls one library function, and hands the record to a
writer. The functions of ``archcalc`` do the same and print nothing.

``options.py`` has what commands share, ``calculator.py`` the commands that never need torch,
``claims.py`` and ``ci.py`` those that judge, ``modules.py`` those that build or run real modules,
``bench.py`` the one that times them, ``train.py`` those that train them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from archcalc.cli.failure import BAD_INPUT, INTERRUPTED, failed, flush, prepare_streams, say
from archcalc.errors import ArchcalcError, DefinitionError
from archcalc.version import VERSION

COMMANDS = {
    "list": "calculator:list_models",
    "show": "calculator:show",
    "explain": "calculator:explain",
    "flops": "calculator:flops",
    "compare": "calculator:compare",
    "params": "calculator:params",
    "memory": "calculator:memory",
    "receptive-field": "calculator:receptive_field",
    "claims": "claims:claims",
    "lint": "claims:lint",
    "check": "ci:check",
    "diff": "ci:diff",
    "verify": "modules:verify",
    "reconcile": "modules:reconcile",
    "export": "modules:export",
    "bench": "bench:bench",
    "report": "report:report",
    "train": "train:train",
    "evaluate": "train:evaluate",
    "featuremaps": "train:featuremaps",
}
"""Where each command is. A command's file is imported when it is called, so that start-up does not
grow with their number."""


class Commands(click.Group):
    """The table above as a click group; and what is defined here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, function = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"archcalc.cli.{module}"), function)
        return found


@click.group(
    cls=Commands,
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


@app.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.option("--install", is_flag=True, help="Put it where the shell looks for it.")
def completion(shell: str, install: bool) -> None:
    """The shell's completion script, or its installation.

    \b
    archcalc completion bash --install
    """
    from archcalc.cli.completion import install as install_script
    from archcalc.cli.completion import script

    if install:
        click.echo(f"wrote {install_script(app, shell)}; open a new shell to use it", err=True)
    else:
        click.echo(script(app, shell))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code: 2 and one sentence for a wrong input."""
    prepare_streams()
    code = run(arguments)
    sys.exit(flush() or code)


def run(arguments: Sequence[str] | None) -> int:
    """Run a command; every refusal becomes one sentence on stderr."""
    try:
        app.main(arguments, "archcalc", standalone_mode=False)
    except DefinitionError as error:
        from archcalc.report import views

        say(f"{error}\n\n{views.partial(error.partial, error.node)}")
        return BAD_INPUT
    except ArchcalcError as error:
        say(str(error))
        return BAD_INPUT
    except click.ClickException as error:
        command = (
            error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        )
        message = error.format_message().rstrip(".")
        say(f"{message}; see `{command or 'archcalc'} --help`")
        return BAD_INPUT
    except click.Abort:
        return INTERRUPTED
    except BaseException as error:  # whatever is left, SystemExit among it
        return failed(error)
    return 0
