"""A cover as one JavaScript program, for pages with sliders.

The program computes with ordinary numbers while all intermediate results are below 2^53, where they
are exact, and with BigInts otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from archcalc.symbolic import emit
from archcalc.symbolic.cover import Cover
from archcalc.symbolic.emit import BIGINTS, NUMBERS, Code, Dialect
from archcalc.symbolic.region import Region
from archcalc.symbolic.size import Quoted

EXACT = 2**53
"""Ordinary JavaScript numbers represent integers exactly up to this limit."""

HELPERS = {
    NUMBERS: """\
const quotient = (a, b) => Math.floor(a / b);
const largest = Math.max;
const smallest = Math.min;
""",
    BIGINTS: """\
const quotient = (a, b) => (a - (((a % b) + b) % b)) / b;
const largest = (...of) => of.reduce((a, b) => (a > b ? a : b));
const smallest = (...of) => of.reduce((a, b) => (a < b ? a : b));
""",
}
"""``Math.floor(a / b)`` is exact: below 2^53, a fractional quotient differs from the next integer
by more than its rounding error."""


def javascript(cover: Cover, name: str = "network") -> str:
    """The program ``const network = (sizes) => ...``, which evaluates the cover at given sizes.

    ``network({height: 224, ...})`` takes every size of the cover by name. It returns ``{region,
    record}`` or ``{region, refusal: {node, message}}``, and null outside the cover. ``region`` is
    an index into ``[...cover.regions, ...cover.refusals]``, and ``record`` has the structure of
    :attr:`Region.record`. Integers are numbers, or BigInts if a number might not be exact.
    """
    names = cover.formula.variables
    every = (*cover.regions, *cover.refusals)
    limits = exact_up_to(cover)
    places = {size: f"x{place}" for place, size in enumerate(names)}
    arguments = ", ".join(places.values())
    least = {size: values[0] for size, values in cover.ranges.items()}
    most = {size: values[-1] for size, values in cover.ranges.items()}
    inside = [f"{x} >= {least[size]} && {x} <= {most[size]}" for size, x in places.items()]
    small = [f"{x} <= {limits[size]}" for size, x in places.items() if limits[size] < most[size]]
    lines = [f"const {name} = (() => {{", _regions("numbers", every, NUMBERS, places)]
    if small:
        lines.append(_regions("bigints", every, BIGINTS, places))
    lines += [
        "const found = (regions, sizes) => {",
        "  const region = regions.findIndex(([test]) => test(...sizes));",
        "  return region < 0 ? null : { region, ...regions[region][1](...sizes) };",
        "};",
        "return (sizes) => {",
        f"  const given = [{', '.join(f'sizes[{json.dumps(size)}]' for size in names)}];",
        f"  const [{arguments}] = given.map(Number);",
        f"  if (!({' && '.join(inside)})) return null;",
    ]
    if small:
        lines.append(f"  if (!({' && '.join(small)})) return found(bigints, given.map(BigInt));")
    lines += [f"  return found(numbers, [{arguments}]);", "};", "})();"]
    return "\n".join(lines) + "\n"


def exact_up_to(cover: Cover) -> dict[str, int]:
    """The largest sizes up to which ordinary numbers are exact in every region of a cover."""
    every = (*cover.regions, *cover.refusals)
    limits = {size: values[-1] for size, values in cover.ranges.items()}
    while any(region.bound(limits) >= EXACT for region in every):
        largest = max(limits, key=lambda size: limits[size] / cover.formula.defaults[size])
        if limits[largest] <= 1:
            break
        limits[largest] //= 2
    return limits


def _regions(
    label: str, regions: tuple[Region, ...], dialect: Dialect, places: Mapping[str, str]
) -> str:
    """An array with a pair of functions for each region: its test and its computation."""
    pairs = "".join(_region(region, dialect, places) for region in regions)
    helpers = HELPERS[dialect].replace("\n", "\n  ").rstrip()
    return f"const {label} = (() => {{\n  {helpers}\n  return [\n{pairs}  ];\n}})();"


def _region(region: Region, dialect: Dialect, places: Mapping[str, str]) -> str:
    arguments = ", ".join(places.values())
    signs = {**emit.CODE_SIGNS, "==": "===", "!=": "!=="}
    guards = [dict(guard.polynomial) for guard in region.guards]
    code = Code(region.space, guards, dialect, places.__getitem__)
    conditions = [emit.condition(guard, code, signs) for guard in region.guards]
    test = _function(arguments, code, " && ".join(conditions) or "true")
    if region.refusal:
        sizes = [dict(piece.polynomial) for piece in region.message if isinstance(piece, Quoted)]
        code = Code(region.space, sizes, dialect, places.__getitem__)
        message = " + ".join(_piece(piece, code) for piece in region.message) or '""'
        refusal = f"{{ node: {_text(region.refused_by)}, message: {message} }}"
        return f"    [{test}, {_function(arguments, code, f'({{ refusal: {refusal} }})')}],\n"
    polynomials = list(region.figures.values())
    code = Code(region.space, polynomials, dialect, places.__getitem__)
    texts = [code(polynomial) for polynomial in polynomials]
    record = _record(region.record, texts)
    return f"    [{test}, {_function(arguments, code, f'({{ record: {record} }})')}],\n"


def _function(arguments: str, code: Code, result: str) -> str:
    if not code.assignments:
        return f"({arguments}) => {result}"
    body = " ".join(f"const {name} = {text};" for name, text in code.assignments)
    return f"({arguments}) => {{ {body} return {result}; }}"


def _piece(piece: str | Quoted, code: Code) -> str:
    if isinstance(piece, str):
        return _text(piece)
    text = code(dict(piece.polynomial))
    return f'({text}).toLocaleString("en-US")' if piece.spec == "," else f"String({text})"


def _record(record: Any, texts: list[str]) -> str:
    if isinstance(record, Mapping):
        return f"{{{', '.join(f'{_text(k)}: {_record(v, texts)}' for k, v in record.items())}}}"
    if isinstance(record, list):
        return f"[{', '.join(_record(each, texts) for each in record)}]"
    if isinstance(record, int) and not isinstance(record, bool):
        return texts[record]
    return _text(record)


def _text(value: Any) -> str:
    """JSON that is safe in a <script> element, since names come from users' code."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
