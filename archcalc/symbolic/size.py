"""Sizes that carry their expressions and behave like integers.

Definitions, shape rules and formulas compute with them as with ordinary integers, and each result
carries its expression. A comparison uses the integer values and records a guard; the results are
valid wherever the guards hold. If a size becomes an ordinary integer (``range(size)``,
``int(size)``, a true division), the guard is that the size equals this number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import gcd
from typing import Any, Literal, NamedTuple

from archcalc.symbolic import expression as ex
from archcalc.symbolic.expression import Polynomial, Space

Relation = Literal[">=", "==", "!="]


class Guard(NamedTuple):
    """A condition: ``polynomial`` compared with 0."""

    polynomial: ex.Key
    relation: Relation


class Quoted(NamedTuple):
    """A size in a message, such as the 7 of "7×7 window"."""

    polynomial: ex.Key
    spec: str = ""
    """How it is formatted: ``","`` groups thousands."""


OPEN, CLOSE = "\ue000", "\ue001"
"""Private-use characters that enclose the number of a quoted size."""


class Recorder:
    """The expressions and guards of one derivation."""

    def __init__(self, *, quotes: bool = False) -> None:
        self.space = Space()
        self.guards: dict[Guard, None] = {}
        self.lines: dict[Guard, str] = {}
        """By guard, the source line that uses a size as an ordinary number."""
        self._asked: set[tuple[ex.Key, Relation]] = set()
        """The comparisons so far; a repeated one needs no further guard."""
        self.quoted: list[Quoted] | None = [] if quotes else None
        """With ``quotes``, every size that was formatted; see :meth:`pieces`."""

    def quote(self, quoted: Quoted) -> str:
        """A placeholder for a size in a text."""
        assert self.quoted is not None
        self.quoted.append(quoted)
        return f"{OPEN}{len(self.quoted) - 1}{CLOSE}"

    def pieces(self, text: str) -> tuple[str | Quoted, ...]:
        """The pieces of a text, with each placeholder replaced by its size."""
        found = re.split(f"{OPEN}([0-9]+){CLOSE}", text)
        sizes = self.quoted or []
        return tuple(
            sizes[int(piece)] if place % 2 else piece for place, piece in enumerate(found) if piece
        )

    def variable(self, name: str, value: int) -> Size:
        return Size(self, value, self.space.variable(name))

    def size(self, value: int, polynomial: Polynomial) -> int:
        """A Size, or an ordinary integer if the expression is constant."""
        if ex.is_constant(polynomial):
            return polynomial.get(ex.ONE, 0)
        return Size(self, value, polynomial)  # type: ignore[return-value]  # behaves like an int

    def largest(self, values: Sequence[int]) -> int:
        """The maximum as an expression. Python's ``max`` would record a guard per comparison."""
        if not any(_is_size(value) for value in values):
            return max(values, default=0)
        found = self.space.extreme([self.polynomial(value) for value in values], largest=True)
        return self.size(max(_value(value) for value in values), found)

    def polynomial(self, value: Any) -> Polynomial:
        if _is_size(value):
            found: Polynomial = value.polynomial
            return found
        return ex.constant(value)

    def note(self, polynomial: Polynomial, relation: Relation, holds: bool) -> bool:
        """Record a guard for whether ``polynomial relation 0`` holds, and return ``holds``."""
        asked = ex.key(polynomial), relation
        if asked not in self._asked:
            self._asked.add(asked)
            self._note(polynomial, relation, holds)
        return holds

    def _note(self, polynomial: Polynomial, relation: Relation, holds: bool) -> None:
        if relation == ">=" and not holds:
            polynomial = ex.add(ex.constant(-1), polynomial, -1)  # p < 0 is −p − 1 ≥ 0
        elif not holds:
            relation = "!=" if relation == "==" else "=="
        polynomial = self.space.primitive(polynomial)
        if relation == ">=":
            polynomial = self._simplified(polynomial)
        elif min(polynomial.items(), default=((), 0))[1] < 0:
            polynomial = ex.multiply(polynomial, ex.constant(-1))
        if not ex.is_constant(polynomial) and not self._always(polynomial, relation):
            self.guards[Guard(ex.key(polynomial), relation)] = None
            if relation == ">=":
                self.space.assume(polynomial)

    def _always(self, polynomial: Polynomial, relation: Relation) -> bool:
        least = self.space.least(polynomial)
        if relation == ">=":
            return least is not None and least >= 0
        if relation == "==":
            return False
        rest = [count for monomial, count in polynomial.items() if monomial]
        if polynomial.get(ex.ONE, 0) % gcd(*rest):
            return True  # 2·a + 4·b is never 3
        greatest = self.space.least(ex.multiply(polynomial, ex.constant(-1)))
        return any(bound is not None and bound > 0 for bound in (least, greatest))

    def _simplified(self, polynomial: Polynomial) -> Polynomial:
        """An equivalent of ``polynomial ≥ 0`` without a common factor. A single quotient is
        resolved: ``⌊(a + 1) / 2⌋ − 7 ≥ 0`` becomes ``a − 13 ≥ 0``."""
        rest = {monomial: count for monomial, count in polynomial.items() if monomial}
        common = gcd(*rest.values())
        if not rest or common == 0:
            return polynomial
        least = polynomial.get(ex.ONE, 0) // common
        rest = {monomial: count // common for monomial, count in rest.items()}
        ((monomial, sign),) = rest.items() if len(rest) == 1 else ((ex.ONE, 0),)
        atom = self.space.atoms[monomial[0]] if len(monomial) == 1 else None
        if not isinstance(atom, ex.Quotient) or not ex.is_constant(dict(atom.denominator)):
            return ex.add(rest, ex.constant(least))
        by = dict(atom.denominator)[ex.ONE]
        # ⌊n / d⌋ ≥ −k is n ≥ −k·d; ⌊n / d⌋ ≤ k is n ≤ k·d + d − 1.
        edge = least * by if sign > 0 else least * by + by - 1
        return self._simplified(ex.add(ex.constant(edge), dict(atom.numerator), sign))


class Size:
    """An integer with its expression.

    ``isinstance(size, int)`` is true, so that code for integers accepts it. It is not a subclass of
    int, because C code could then read its value without recording a guard.
    """

    __slots__ = ("polynomial", "recorder", "value")

    def __init__(self, recorder: Recorder, value: int, polynomial: Polynomial) -> None:
        self.recorder = recorder
        self.value = value
        self.polynomial = polynomial

    @property  # type: ignore[misc]  # writable in object, but never written
    def __class__(self) -> type:  # isinstance() uses it
        return int

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        recorder = self.recorder
        polynomial = ex.add(self.polynomial, recorder.polynomial(other))
        return recorder.size(self.value + _value(other), polynomial)

    __radd__ = __add__

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    @property
    def numerator(self) -> Any:
        """With ``denominator``, the interface that Fraction needs."""
        return self

    @property
    def denominator(self) -> int:
        return 1

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    def __sub__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        recorder = self.recorder
        polynomial = ex.add(self.polynomial, recorder.polynomial(other), -1)
        return recorder.size(self.value - _value(other), polynomial)

    def __rsub__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        recorder = self.recorder
        polynomial = ex.multiply(self.polynomial, recorder.polynomial(other))
        return recorder.size(self.value * _value(other), polynomial)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return _floor_divide(self.recorder, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _floor_divide(self.recorder, other, self)

    def __mod__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return self - other * (self // other)

    def __rmod__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        return other - self * (other // self)

    def __divmod__(self, other: Any) -> Any:
        quotient = self // other
        return quotient, self - other * quotient

    def __pow__(self, other: Any) -> Any:
        result: Any = 1
        for _ in range(other):
            result = result * self
        return result

    def __eq__(self, other: object) -> bool:
        return self._compare(other, "==", lambda a, b: a == b)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __ge__(self, other: Any) -> bool:
        return self._compare(other, ">=", lambda a, b: a >= b)

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __gt__(self, other: Any) -> bool:
        above: bool = self >= other + 1
        return above

    def __le__(self, other: Any) -> bool:
        return not self > other

    def _compare(self, other: Any, relation: Relation, decide: Callable[[int, int], bool]) -> bool:
        if isinstance(other, float):
            return decide(int(self), other)  # type: ignore[arg-type]  # int and float compare
        if not isinstance(other, int):
            undecided: bool = NotImplemented
            return undecided
        recorder = self.recorder
        difference = ex.add(self.polynomial, recorder.polynomial(other), -1)
        return recorder.note(difference, relation, decide(self.value, _value(other)))

    def __bool__(self) -> bool:
        return self != 0

    def __hash__(self) -> int:
        """The hash of the number. Sets and dictionaries find sizes with different hashes unequal
        without recording a guard. A definition that relies on this (``{a, b}``) must yield the same
        expression if they are equal, as broadcasting does."""
        return hash(self.value)

    def __index__(self) -> int:
        difference = ex.add(self.polynomial, ex.constant(self.value), -1)
        self.recorder.note(difference, "==", True)
        return self.value

    __int__ = __trunc__ = __floor__ = __ceil__ = __index__

    def __round__(self, digits: int | None = None) -> Any:
        return self if digits is None else round(int(self), digits)

    def __float__(self) -> float:
        return float(int(self))

    def __truediv__(self, other: Any) -> Any:
        return int(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / int(self)

    def bit_length(self) -> int:
        return int(self).bit_length()

    def __str__(self) -> str:
        return format(self)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        if self.recorder.quoted is not None:
            return self.recorder.quote(Quoted(ex.key(self.polynomial), spec))
        if spec not in ("", ","):
            return format(int(self), spec)  # other formats may be parsed as numbers again
        from archcalc.symbolic.emit import inline

        return inline(self.recorder.space, self.polynomial)


def _is_size(value: Any) -> bool:
    return type(value) is Size


def _value(size: Any) -> int:
    value: int = size.value if _is_size(size) else size
    return value


def _floor_divide(recorder: Recorder, left: Any, right: Any) -> Any:
    if not isinstance(left, int) or not isinstance(right, int):
        return NotImplemented
    value = _value(left) // _value(right)
    if _is_size(right):
        # The quotient is undefined if the divisor is 0.
        recorder.note(recorder.polynomial(right), "!=", True)
    polynomial = recorder.space.floor_divide(recorder.polynomial(left), recorder.polynomial(right))
    return recorder.size(value, polynomial)
