"""Shell completion: the script that click writes, and where each shell looks for it."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from archcalc.errors import UsageError
from archcalc.io.files import write_text

ZSH_LINES = "fpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit\n"


def script(command: click.Command, shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    completer = get_completion_class(shell)
    if completer is None:
        raise UsageError(f"no completion for {shell!r}: one of bash, zsh, fish")
    return completer(command, {}, "archcalc", "_ARCHCALC_COMPLETE").source()


def install(command: click.Command, shell: str) -> Path:
    """Write the script to the user's own folder for it, and return the path. Nothing but that file
    is changed, save ``~/.zshrc`` where zsh would not look into ``~/.zfunc`` otherwise."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    target = {
        "bash": data / "bash-completion" / "completions" / "archcalc",
        "zsh": home / ".zfunc" / "_archcalc",
        "fish": config / "fish" / "completions" / "archcalc.fish",
    }[shell]
    text = script(command, shell)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, text)
    if shell == "zsh":
        settings = home / ".zshrc"
        before = settings.read_text() if settings.exists() else ""
        if ".zfunc" not in before:
            write_text(settings, before + ZSH_LINES)
    return target
