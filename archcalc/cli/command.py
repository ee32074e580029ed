"""Commands as plain functions, and what the command line adds to typer.

A command is a function with typer annotations. A parameter may also be annotated with a frozen
dataclass, a record of options: its fields become options of the command. Options that several
commands share are thus declared once. A record with a method ``around`` gives a context manager
that the command runs in.

Typer checks each value with pydantic, whose import alone takes as long as a whole ``archcalc
compare``. Values here are only strings, numbers, choices and lists of them, so :class:`_Checked`
checks them without pydantic.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption
from typer.main import get_command

HELP_NAMES = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def make(name: str, function: Callable[..., None]) -> TyperCommand:
    """Make the command ``archcalc NAME`` from its function."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Command, context_settings={**HELP_NAMES})(with_options(function))
    command = get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """The function with each record parameter replaced by one parameter per field."""
    hints = get_type_hints(function, include_extras=True)
    del hints["return"]
    records: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
    }
    own = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint
        )
        for name, hint in hints.items()
        if name not in records
    ]
    shared = [parameter for record in records.values() for parameter in _parameters(record)]

    @wraps(function)
    def flat(**given: Any) -> None:
        gathered: dict[str, Any] = {
            name: record(**{field.name: given.pop(field.name) for field in fields(record)})
            for name, record in records.items()
        }
        with ExitStack() as stack:
            for record in gathered.values():
                if hasattr(record, "around"):
                    stack.enter_context(record.around())
            function(**given, **gathered)

    parameters = [*own, *shared]
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {each.name: each.annotation for each in parameters}
    return flat


def _parameters(record: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default if field.default_factory is MISSING else field.default_factory(),
            annotation=hints[field.name],
        )
        for field in fields(record)
    ]


class _Checked:
    """A parameter that checks its value without pydantic."""

    annotation: Any
    required: bool
    min: float | None

    def process_value(self, ctx: Any, value: Any) -> Any:
        if value is None or (value == () and self.required):
            # Typer words the refusal of a missing argument; nothing else is done with None.
            return super().process_value(ctx, None) if self.required else None  # type: ignore[misc]
        try:
            found = _convert(self.annotation, value)
            if self.min is not None and found < self.min:
                raise ValueError(f"{value} is not in the range x>={self.min}.")
            return found
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=self) from None  # type: ignore[arg-type]


class Option(_Checked, TyperOption):
    """An option of a command."""


class Argument(_Checked, TyperArgument):
    """An argument of a command. Its metavar is shown unchanged, without a type."""

    def get_usage_pieces(self, ctx: Any) -> list[str]:
        name = self.metavar or self.name.upper()
        return [name if self.required or name.startswith("[") else f"[{name}]"]

    def get_help_record(self, ctx: Any) -> tuple[str, str] | None:
        name = (self.metavar or self.name.upper()).strip("[].")
        return (name, self.help) if self.help else None


class Plain:
    """A command or group whose ``--help`` flag defaults to False.

    Typer's default is None, which it would check with pydantic.
    """

    def get_help_option(self, ctx: Any) -> Any:
        found = super().get_help_option(ctx)  # type: ignore[misc]
        if found is not None:
            found.default = False
        return found


class Command(Plain, TyperCommand):
    """A command whose help groups options by panel, in plain text."""

    def __init__(self, name: str | None, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        assert self.callback
        hints = get_type_hints(self.callback)
        self.params = [_checked(each, hints[each.name]) for each in self.params]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; an argument whose metavar shows ``--`` receives it as one of its values."""
        if "--" in args and any("--" in (each.metavar or "") for each in self.params):
            args.insert(args.index("--"), "--")  # the parser removes the first one
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                kind = "Arguments" if isinstance(parameter, Argument) else "Options"
                panel = getattr(parameter, "rich_help_panel", None) or kind
                sections.setdefault(panel, []).append(record)
        for title, records in sections.items():
            if not records:
                continue
            with formatter.section(title):
                formatter.write_dl(records)


def _checked(parameter: Any, annotation: Any) -> Option | Argument:
    """The same parameter as an instance of our class, which typer has no option to use itself."""
    kind: Any = Option if isinstance(parameter, TyperOption) else Argument
    found: Option | Argument = kind.__new__(kind)
    vars(found).update(vars(parameter), annotation=annotation)
    return found


def _convert(wanted: Any, value: Any) -> Any:
    """Convert a string to a value of the annotated type. Raises ValueError."""
    alternatives = [each for each in get_args(wanted) if each is not NoneType]
    if get_origin(wanted) is Literal:
        if value not in alternatives:
            known = ", ".join(map(repr, alternatives))
            raise ValueError(f"{value!r} is not one of {known}.")
        return value
    if get_origin(wanted) is list:
        return [_convert(alternatives[0], each) for each in value]
    if alternatives and NoneType in get_args(wanted):
        return _convert(alternatives[0], value)
    if wanted in WORDS and not isinstance(value, wanted):
        try:
            return wanted(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{value!r} is not a valid {WORDS[wanted]}.") from None
    return value


WORDS: Mapping[type, str] = {int: "integer", float: "number"}
