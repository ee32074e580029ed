"""The commands that build or run real modules, and so need torch."""

from __future__ import annotations

import click

COMMANDS: tuple[click.Command, ...] = ()
