"""Claims as TOML: the built-in ones next to each model, and users' own.

    source = "Simonyan and Zisserman 2014 (arXiv:1409.1556)"    # for all claims of the file
    model = "vgg16"

    [[claim]]
    id = "params"
    quote = "138 million"
    published = "138 million"
    unit = "params"
    check = "params"

A table of a paper is written row by row. ``{row}`` and ``{node}`` are replaced by the values of the
row:

    [[table]]
    id = "table-1"
    source = "arXiv:1409.4842, Table 1, {row}"
    [table.columns]
    params = { unit = "params", k = 1024, check = "weights('{node}')" }
    [[table.rows]]
    row = "3a"
    node = "inception_3a"
    params = "159K"

A package that registers models has ``lenet.toml`` next to the ``lenet.py`` of its entry point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from archcalc.analysis.claims import Claim
from archcalc.errors import UsageError
from archcalc.guard import shortened
from archcalc.io import toml
from archcalc.io.limits import read_text
from archcalc.io.validate import validated
from archcalc.lookup import registry

NEEDED = ("id", "model", "source", "quote", "published", "unit")
DEFAULTS = ("source", "model", "k", "input", "unit")
"""Keys that may appear at the top of a file, for all of its claims."""

ROW = ("row", "node", "model", "cause", "causes", "steps")
"""Keys of a table row that are not columns."""


def registered() -> tuple[Claim, ...]:
    """The claims of all registered models, in the order of the registry."""
    places = dict.fromkeys(registry.modules())
    found: list[Claim] = []
    for place in places:
        package, _, stem = place.rpartition(".")
        resource = files(package or stem) / f"{stem}.toml"
        if resource.is_file():
            found += parse(resource.read_text(encoding="utf-8"), f"{stem}.toml")
    return tuple(found)


def load(path: str) -> tuple[Claim, ...]:
    """The claims of a file. Raises UsageError, which names the faulty entry."""
    return parse(read_text(path), path)


def parse(text: str, path: str) -> tuple[Claim, ...]:
    """The claims of a TOML text. Raises UsageError."""
    data = toml.parse(text, path)
    head = {key: data.pop(key) for key in DEFAULTS if key in data}
    written, tables = toml.tables(data, "claim", path), toml.tables(data, "table", path)
    for key in ("claim", "table"):
        data.pop(key, None)
    if data:
        raise UsageError(
            f"{path}: {shortened(next(iter(data)))!r} is not one of {_either(DEFAULTS)}, claim, "
            "table"
        )
    records = [*written]
    for table in tables:
        records += _rows(table, path)
    if not records:
        raise UsageError(f"{path} has no [[claim]] and no [[table]]")
    stem = Path(path).stem
    claims = [_claim({**head, **record}, stem, path) for record in records]
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise UsageError(f"{path}: the id {claim.id!r} is given to two claims")
        seen.add(claim.id)
    return tuple(claims)


def _rows(table: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """The claims of a table, one per filled cell."""
    name = table.get("id", "table")
    columns = table.get("columns")
    if not isinstance(columns, dict) or not all(
        isinstance(each, dict) for each in columns.values()
    ):
        raise UsageError(
            f"{path}: table {name} needs [table.columns], each with a unit and a check"
        )
    shared = {key: value for key, value in table.items() if key not in ("id", "columns", "rows")}
    for row in toml.tables(table, "rows", path):
        if unknown := set(row) - set(ROW) - set(columns):
            raise UsageError(
                f"{path}: row {row.get('row')!r} of table {name}: {min(unknown)!r} is not one of "
                f"its columns {_either(columns)}"
            )
        label = str(row.get("row", ""))
        words = {"row": label, "node": str(row.get("node", label))}
        for key, column in columns.items():
            if key not in row:
                continue
            record: dict[str, Any] = {**shared, **column}
            record |= {option: row[option] for option in ("model", "cause") if option in row}
            record["id"] = f"{name}/{words['node']}/{key}"
            record["published"] = row[key]
            record.setdefault("quote", row[key])
            for option in ("causes", "steps"):
                if not isinstance(row.get(option, {}), dict):
                    raise UsageError(f"{path}: table {name}: {option} must be a table")
                if key in row.get(option, {}):
                    record[option.removesuffix("s") if option == "causes" else option] = row[
                        option
                    ][key]
            yield {
                option: _filled(value, words) if isinstance(value, str) else value
                for option, value in record.items()
            }


def _filled(text: str, words: Mapping[str, str]) -> str:
    for key, word in words.items():
        text = text.replace(f"{{{key}}}", word)
    return text


def _claim(record: dict[str, Any], stem: str, path: str) -> Claim:
    place = f"{path}: claim {shortened(record.get('id', record.get('quote', '?')))}"
    claim = validated(record, Claim, place)
    if empty := [key for key in NEEDED if not getattr(claim, key)]:
        raise UsageError(f"{place}: {empty[0]} is empty")
    claim = replace(claim, id=f"{stem}/{claim.id}")
    try:
        _ = claim.quantity
    except UsageError as error:
        raise UsageError(f"{place}: published {error}") from None
    return claim


def _either(keys: Any) -> str:
    return ", ".join(keys)
