"""Conditions on figures and sizes: ``macs <= 100e6 and c5_reduce % 8 == 0``.

Python parses the text, and this module evaluates it on numbers or on whole columns. Names, numbers,
``+ - * / // %``, comparisons, ``and``, ``or`` and ``not`` are allowed. No code is executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from archcalc.errors import UsageError

SIGNS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

RELATIONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}

LONGEST = 2000
"""The most characters in a condition."""


@dataclass(frozen=True)
class Condition:
    """A parsed condition.

    >>> condition = parse_condition("macs / 2 <= 50e6")
    >>> condition.names
    frozenset({'macs'})
    >>> condition({"macs": 100_000_000})
    True
    """

    text: str
    body: ast.expr
    names: frozenset[str]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Whether it holds, for numbers or element-wise for columns."""
        return _value(self.body, values, self.text)


def parse_condition(text: str) -> Condition:
    """Parse a condition. Raises UsageError, which quotes the invalid part."""
    if len(text) > LONGEST:
        raise UsageError(f"--where has {len(text):,} characters; at most {LONGEST:,} are allowed")
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise UsageError(f"{text!r} is not a condition such as 'macs <= 100e6'") from None
    _check(body, text.strip())
    if not isinstance(body, (ast.Compare, ast.BoolOp)) and not (
        isinstance(body, ast.UnaryOp) and isinstance(body.op, ast.Not)
    ):
        raise UsageError(f"{text!r} is a value; write a condition such as 'macs <= 100e6'")
    names = frozenset(node.id for node in ast.walk(body) if isinstance(node, ast.Name))
    return Condition(text.strip(), body, names)


def _check(node: ast.expr, text: str) -> None:
    parts: list[ast.expr]
    match node:
        case ast.BoolOp(values=sides):
            parts = sides
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=inner):
            parts = [inner]
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in SIGNS:
            parts = [left, right]
        case ast.Compare(left=left, ops=relations, comparators=others) if all(
            type(relation) in RELATIONS for relation in relations
        ):
            parts = [left, *others]
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if number != number or number in (float("inf"), float("-inf")):
                raise UsageError(f"{text!r}: {number} is not a number to compare with")
            parts = []
        case ast.Constant(value=str()) | ast.Name():
            parts = []
        case _:
            unknown = ast.get_source_segment(text, node) or text
            raise UsageError(
                f"{text!r}: {unknown!r} is not one of names, numbers, + - * / // %, comparisons, "
                "and, or, not"
            )
    for part in parts:
        _check(part, text)


def _value(node: ast.expr, values: Mapping[str, Any], text: str) -> Any:
    match node:
        case ast.Constant(value=float() as number):
            # 100e6 becomes an integer, so that integer columns are compared exactly.
            exact = Fraction((ast.get_source_segment(text, node) or "").replace("_", ""))
            return int(exact) if exact.denominator == 1 else number
        case ast.Constant(value=found):
            return found
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, values, text)
        case ast.UnaryOp(operand=inner):
            return _negated(_value(inner, values, text))
        case ast.BinOp(left=left, op=sign, right=right):
            one, other = _value(left, values, text), _value(right, values, text)
            return SIGNS[type(sign)](one, other)
        case ast.BoolOp(op=ast.And(), values=parts):
            return reduce(operator.and_, (_value(part, values, text) for part in parts))
        case ast.BoolOp(values=parts):
            return reduce(operator.or_, (_value(part, values, text) for part in parts))
        case ast.Compare(left=left, ops=relations, comparators=others):
            sides = [_value(side, values, text) for side in (left, *others)]
            return reduce(
                operator.and_,
                (
                    RELATIONS[type(relation)](one, other)
                    for relation, one, other in zip(relations, sides, sides[1:], strict=False)
                ),
            )
    raise AssertionError(ast.dump(node))  # _check has refused everything else


def _negated(found: Any) -> Any:
    return not found if isinstance(found, bool) else ~found
