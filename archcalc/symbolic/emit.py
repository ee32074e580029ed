"""Expressions as code in Python, NumPy and JavaScript, and as text and LaTeX.

The emitted code computes integers, so quotients round down in every language. It computes each
shared subexpression once. Terms are grouped by their most common factor (``h·w·(25·a + 9·b)``),
which is shorter and faster than a sum of products.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archcalc.symbolic.expression import (
    ONE,
    Extreme,
    Monomial,
    Polynomial,
    Quotient,
    Space,
    Variable,
    is_constant,
)
from archcalc.symbolic.size import Guard


@dataclass(frozen=True, slots=True)
class Dialect:
    """The notation of one language."""

    times: str
    quotient: Callable[[str, str], str]
    extreme: Callable[[bool, Sequence[str]], str]
    number: Callable[[int], str] = str
    nonzero: Callable[[str], str] = str
    """A divisor, or 1 instead of 0: guards are also evaluated for sizes that another guard
    excludes because the divisor is 0."""


def _numpy_extreme(largest: bool, of: Sequence[str]) -> str:
    name = "np.maximum" if largest else "np.minimum"
    text = of[0]
    for other in of[1:]:
        text = f"{name}({text}, {other})"
    return text


PYTHON = Dialect(
    " * ",
    lambda above, below: f"{above} // {below}",
    lambda largest, of: f"{'max' if largest else 'min'}({', '.join(of)})",
    nonzero=lambda below: f"({below} or 1)",
)
NUMPY = Dialect(
    " * ",
    PYTHON.quotient,
    _numpy_extreme,
    nonzero=lambda below: f"np.where({below} == 0, 1, {below})",
)
BIGINTS = Dialect(
    " * ",
    lambda above, below: f"quotient({above}, {below})",
    lambda largest, of: f"{'largest' if largest else 'smallest'}({', '.join(of)})",
    lambda value: f"{value}n",
    lambda below: f"({below} || 1n)",
)
NUMBERS = Dialect(" * ", BIGINTS.quotient, BIGINTS.extreme, nonzero=lambda below: f"({below} || 1)")
"""JavaScript with BigInts, and with ordinary numbers. The surrounding program defines ``quotient``,
``largest`` and ``smallest``."""
WORDS = Dialect(
    "·",
    lambda above, below: f"⌊{above} / {below}⌋",
    lambda largest, of: f"{'max' if largest else 'min'}({', '.join(of)})",
    lambda value: f"{value:,}",
)
LATEX = Dialect(
    r" \cdot ",
    lambda above, below: rf"\left\lfloor \frac{{{above}}}{{{below}}} \right\rfloor",
    lambda largest, of: rf"\{'max' if largest else 'min'}\left({', '.join(of)}\right)",
)


def latex_name(name: str) -> str:
    """The name of a size or figure in upright letters, as usual for names of several letters."""
    return r"\mathrm{" + name.replace("_", r"\_") + "}"


class Code:
    """The assignments that some polynomials need, in order. Calling it writes a polynomial."""

    def __init__(
        self,
        space: Space,
        polynomials: Sequence[Polynomial],
        dialect: Dialect,
        name: Callable[[str], str] = str,
    ) -> None:
        self.space = space
        self.dialect = dialect
        self.names: dict[int, str] = {}
        self.assignments: list[tuple[str, str]] = []
        for number in space.reached(polynomials):
            atom = space.atoms[number]
            if isinstance(atom, Variable):
                self.names[number] = name(atom.name)
                continue
            self.names[number] = f"t{len(self.assignments) + 1}"
            self.assignments.append((self.names[number], self._atom(atom)))

    def __call__(self, polynomial: Polynomial) -> str:
        """A polynomial as a sum over the assigned names."""
        return _sum(polynomial, self.names, self.dialect)

    def _atom(self, atom: Quotient | Extreme) -> str:
        return _atom(self.space, atom, self.names, self.dialect)


def inline(
    space: Space,
    polynomial: Polynomial,
    dialect: Dialect = WORDS,
    name: Callable[[str], str] = str,
) -> str:
    """A polynomial as one line, without assignments.

    >>> space = Space()
    >>> from archcalc.symbolic.expression import add, constant
    >>> half = space.floor_divide(add(space.variable("height"), constant(1)), constant(2))
    >>> inline(space, half)
    '⌊(height + 1) / 2⌋'
    """
    names: dict[int, str] = {}
    for number in space.reached([polynomial]):
        atom = space.atoms[number]
        if isinstance(atom, Variable):
            names[number] = name(atom.name)
        else:
            names[number] = _operand(_atom(space, atom, names, dialect), dialect)
    return _sum(polynomial, names, dialect)


def condition(guard: Guard, code: Callable[[Polynomial], str], signs: Mapping[str, str]) -> str:
    """A guard as a comparison, with its negative terms and its constant on the right side."""
    polynomial = dict(guard.polynomial)
    left = {m: c for m, c in polynomial.items() if m and c > 0}
    right = {m: -c for m, c in polynomial.items() if not m or c < 0}
    sign = signs[guard.relation]
    if not left:  # 5 − a ≥ 0 reads better as a ≤ 5
        left = {m: -c for m, c in polynomial.items() if m}
        right = {ONE: polynomial[ONE]} if ONE in polynomial else {}
        sign = signs["<="] if guard.relation == ">=" else sign
    return f"{code(left)} {sign} {code(right)}"


CODE_SIGNS = {">=": ">=", "<=": "<=", "==": "==", "!=": "!="}
LATEX_SIGNS = {">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne"}
WORD_SIGNS = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}


def in_words(space: Space, guard: Guard) -> str:
    """A guard as text: ``2·⌊(height − 1) / 2⌋ ≥ 5``."""
    return condition(guard, lambda polynomial: inline(space, polynomial), WORD_SIGNS)


def _atom(
    space: Space, atom: Quotient | Extreme, names: Mapping[int, str], dialect: Dialect
) -> str:
    if isinstance(atom, Extreme):
        return dialect.extreme(atom.largest, [_sum(dict(part), names, dialect) for part in atom.of])
    write = _sum if dialect is LATEX else _factor  # a fraction needs no brackets
    above, below = (write(dict(part), names, dialect) for part in atom)
    if not _is_positive(space, dict(atom.denominator)):
        below = dialect.nonzero(below)
    return dialect.quotient(above, below)


def _is_positive(space: Space, polynomial: Polynomial) -> bool:
    """Whether a divisor is certainly at least 1: no term is negative, and one is a product of
    sizes."""
    return all(count > 0 for count in polynomial.values()) and any(
        all(isinstance(space.atoms[number], Variable) for number in monomial)
        for monomial in polynomial
    )


def _operand(text: str, dialect: Dialect) -> str:
    """The text, in brackets if it is a quotient written with Python's operator."""
    return f"({text})" if " // " in text and dialect in (PYTHON, NUMPY) else text


def _factor(polynomial: Polynomial, names: Mapping[int, str], dialect: Dialect) -> str:
    """A polynomial as an operand, in brackets unless it is a single name or number."""
    text = _sum(polynomial, names, dialect)
    alone = is_constant(polynomial) or (
        len(polynomial) == 1 and next(iter(polynomial.items())) in [((a,), 1) for a in names]
    )
    return text if alone else f"({text})"


def _sum(polynomial: Polynomial, names: Mapping[int, str], dialect: Dialect) -> str:
    if not polynomial:
        return dialect.number(0)
    text = ""
    for factors, coefficient, inner in _groups(polynomial):
        sign = "-" if coefficient < 0 else "+"
        parts = [names[atom] for atom in factors]
        if inner is not None:
            parts.append(f"({_sum(inner, names, dialect)})")
        if abs(coefficient) != 1 or not parts:
            parts.insert(0, dialect.number(abs(coefficient)))
        term = dialect.times.join(parts)
        if text:
            text += f" {'−' if dialect is WORDS and sign == '-' else sign} {term}"
        else:
            text = term if sign == "+" else f"{'−' if dialect is WORDS else '-'}{term}"
    return text


def _groups(polynomial: Polynomial) -> list[tuple[Monomial, int, Polynomial | None]]:
    """Terms grouped by the factor that most of them share. Each group is (factors, coefficient,
    bracketed sum)."""
    groups: list[tuple[Monomial, int, Polynomial | None]] = []
    rest = dict(polynomial)
    while rest:
        counts = Counter(atom for monomial in rest for atom in set(monomial))
        atom, shared = max(counts.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
        if shared < 2:
            groups += [(m, c, None) for m, c in sorted(rest.items(), reverse=True)]
            break
        inside = {_without(m, atom): c for m, c in rest.items() if atom in m}
        rest = {m: c for m, c in rest.items() if atom not in m}
        factors: list[int] = [atom]
        while common := set.intersection(*(set(monomial) for monomial in inside)):
            factor = min(common)
            factors.append(factor)
            inside = {_without(m, factor): c for m, c in inside.items()}
        groups.append((tuple(factors), 1, inside))
    # Start with a positive term if there is one.
    return sorted(groups, key=lambda group: group[1] < 0 and group[2] is None)


def _without(monomial: Monomial, atom: int) -> Monomial:
    position = monomial.index(atom)
    return monomial[:position] + monomial[position + 1 :]
