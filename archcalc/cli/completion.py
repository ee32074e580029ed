"""Shell completion: the script that typer writes, and where each shell looks for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from typer import Argument, Option
from typer.completion import (  # type: ignore[attr-defined]  # typer has no public names for them
    completion_init,
    get_completion_script,
)
from typer.core import TyperGroup

from archcalc.cli import COMPLETION
from archcalc.cli.options import tell
from archcalc.errors import UsageError
from archcalc.io.files import write_text
from archcalc.io.limits import read_text

ZSH_LINES = "fpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit\n"


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Argument(metavar="SHELL", help="bash, zsh or fish.")
    ],
    install: Annotated[
        bool,
        Option("--install", help="Write the script to the place where the shell looks for it."),
    ] = False,
) -> None:
    """Print or install the completion script of a shell.

    \b
    archcalc completion bash --install
    """
    if install:
        tell(f"wrote {install_script(shell)}; open a new shell to use it")
    else:
        sys.stdout.write(f"{script(shell)}\n")


def complete(group: TyperGroup) -> NoReturn:
    """Answer a shell that asks for completions."""
    completion_init()
    group.main([], "archcalc", complete_var=COMPLETION)
    raise AssertionError("main exits after completing")


def script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    text: str = get_completion_script(prog_name="archcalc", complete_var=COMPLETION, shell=shell)
    return text


def install_script(shell: str) -> Path:
    """Write the script to the user's own folder for it, and return the path.

    No other file is changed, except ``~/.zshrc`` where zsh would not look into ``~/.zfunc``
    otherwise.
    """
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor the system's list of users has one
        raise UsageError("there is no home folder: set HOME") from None
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    target = {
        "bash": data / "bash-completion" / "completions" / "archcalc",
        "zsh": home / ".zfunc" / "_archcalc",
        "fish": config / "fish" / "completions" / "archcalc.fish",
    }[shell]
    text = script(shell)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {target.parent}: {(error.strerror or str(error)).lower()}"
        ) from None
    write_text(target, text)
    if shell == "zsh":
        settings = home / ".zshrc"
        before = read_text(settings) if settings.exists() else ""
        if ".zfunc" not in before:
            write_text(settings, before + ZSH_LINES)
    return target
