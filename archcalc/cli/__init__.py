"""The command line: each command parses, calls one library function, and hands the record to a
writer. The functions of ``archcalc`` do the same and print nothing.

``options.py`` has what commands share, ``calculator.py`` the commands that never need torch,
``claims.py`` and ``ci.py`` those that judge, ``modules.py`` those that build or run real modules,
``bench.py`` the one that times them, ``train.py`` those that train them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from archcalc.cli import bench, calculator, ci, claims, modules, report, train
from archcalc.errors import ArchcalcError, DefinitionError
from archcalc.report import views
from archcalc.version import VERSION

BAD_INPUT = 2
INTERRUPTED = 130


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


for command in (
    *calculator.COMMANDS,
    *claims.COMMANDS,
    *ci.COMMANDS,
    *modules.COMMANDS,
    *bench.COMMANDS,
    *report.COMMANDS,
    *train.COMMANDS,
):
    app.add_command(command)


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
