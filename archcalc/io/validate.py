"""Convert parsed files to records, checked by msgspec against the annotations of the records.

A record is a frozen dataclass or a NamedTuple. This module derives its checks from the record's
fields and types, which are therefore declared only once. It is imported only to read a file.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import operator
import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from archcalc.errors import UsageError

T = TypeVar("T")

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date",
    "time": "a time",
}
"""Readable names for msgspec's types."""


def validated(data: Any, kind: Callable[..., T], place: str | Path, *, others: bool = False) -> T:
    """Convert ``data``, a parsed file or a part of one, to a record. ``others`` allows unknown
    keys. Raises UsageError, with a message that starts with ``place``."""
    try:
        found = msgspec.convert(data, _struct(kind, others))
    except msgspec.ValidationError as error:
        raise UsageError(f"{place}: {_sentence(str(error), kind)}") from None
    except RecursionError:
        raise UsageError(f"{place}: it is nested too deeply") from None
    built: T = _built(found)
    return built


_KINDS: dict[type, Any] = {}
"""The record class of each Struct."""


@cache
def _struct(kind: Any, others: bool) -> type[msgspec.Struct]:
    """A Struct with the fields of a record. ``others`` allows further fields."""
    hints = get_type_hints(kind, include_extras=True)
    fields: list[Any] = []
    for name, default in _defaults(kind).items():
        field = (name, _mirrored(hints[name], others))
        fields.append(field if default is msgspec.NODEFAULT else (*field, default))
    made = msgspec.defstruct(kind.__name__, fields, forbid_unknown_fields=not others, kw_only=True)
    _KINDS[made] = kind
    return made


def _defaults(kind: Any) -> dict[str, Any]:
    """The fields of a record with their defaults."""
    if not dataclasses.is_dataclass(kind):
        return {name: kind._field_defaults.get(name, msgspec.NODEFAULT) for name in kind._fields}
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        found[field.name] = msgspec.NODEFAULT
        if field.default is not dataclasses.MISSING:
            found[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = msgspec.field(default_factory=field.default_factory)
    return found


def _is_record(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) or (
        isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")
    )


def _mirrored(hint: Any, others: bool) -> Any:
    """The annotation with records replaced by their Structs."""
    if _is_record(hint):
        return _struct(hint, others)
    origin, arguments = get_origin(hint), get_args(hint)
    if not arguments or origin is Literal:
        return hint
    inner = [_mirrored(argument, others) for argument in arguments]
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, inner)
    if origin is Mapping:
        return dict[inner[0], inner[1]]  # type: ignore[valid-type]  # made at run time
    if origin is Sequence:
        return list[inner[0]]  # type: ignore[valid-type]
    return hint.copy_with(tuple(inner)) if hasattr(hint, "copy_with") else origin[tuple(inner)]


def _built(value: Any) -> Any:
    """The value with Structs replaced by their records."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind(**{name: _built(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, tuple | list) and any(isinstance(each, msgspec.Struct) for each in value):
        return type(value)(map(_built, value))
    if isinstance(value, dict):
        return {key: _built(item) for key, item in value.items()}
    return value


def _sentence(error: str, kind: Any) -> str:
    """msgspec's message, rewritten for the author of the file."""
    what, _, place = error.partition(" - at ")
    steps = re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", place)
    where = "".join(f".{name}" if name else f"[{index}]" for name, index in steps).lstrip(".")
    where = where.replace("[...]", "")  # any value of a table: msgspec does not say which
    where = f"{where}: " if where else ""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return f"{where}unknown key {unknown[1][:40]!r}; {_known(unknown[1], kind, steps)}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{where}{missing[1]} is missing"
    if wrong := re.fullmatch(r"Expected `(.*?)`(.*?), got `(.*)`", what):
        words = wrong[1].replace("int | float", "float").split(" | ")
        expected = " or ".join(WORDS.get(word, word) for word in words)
        return f"{where}expected {expected}{wrong[2]}, got {WORDS.get(wrong[3], wrong[3])}"
    if literal := re.fullmatch(r"Invalid enum value '(.*)'", what, re.DOTALL):
        return f"{where}{literal[1][:40]!r} is not one of its values"
    return f"{where}{what[:1].lower()}{what[1:200]}"


def _known(key: str, kind: Any, steps: Sequence[tuple[str, str]]) -> str:
    """A suggestion for an unknown key: the closest known key, or all known keys."""
    for name, _ in steps:
        kind = _element(get_type_hints(kind).get(name) if name and _is_record(kind) else kind)
    if not _is_record(kind):
        return "it is not one that archcalc writes"
    keys = list(_defaults(kind))
    near = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"


def _element(hint: Any) -> Any:
    """The record inside ``tuple[X, ...]``, ``X | None`` and the like."""
    for argument in get_args(hint):
        found = _element(argument)
        if _is_record(found):
            return found
    return hint
