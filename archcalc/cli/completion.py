"""Shell completion: the script that typer generates, and the file that each shell reads."""

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
        Option("--install", help="Write the script to the file that the shell reads."),
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
    """Print completions for a shell and exit."""
    completion_init()
    group.main([], "archcalc", complete_var=COMPLETION)
    raise AssertionError("main exits after completing")


def script(shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    text: str = get_completion_script(prog_name="archcalc", complete_var=COMPLETION, shell=shell)
    return text


def install_script(shell: str) -> Path:
    """Write the script to the user's completion folder and return its path.

    For zsh, lines that load ``~/.zfunc`` are added to ``~/.zshrc`` if it does not mention that
    folder. No other file is changed. Raises UsageError if there is no home folder or it cannot be
    written.
    """
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor the user database names one
        raise UsageError("there is no home folder; set the environment variable HOME") from None
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
            f"cannot create the folder {target.parent}: {(error.strerror or str(error)).lower()}"
        ) from None
    write_text(target, text)
    if shell == "zsh":
        settings = home / ".zshrc"
        before = read_text(settings) if settings.exists() else ""
        if ".zfunc" not in before:
            write_text(settings, before + ZSH_LINES)
    return target
