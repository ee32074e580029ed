"""Integer expressions in a normal form: polynomials over variables, floors, maxima and minima.

    {(): 5, (0,): 2, (0, 1): 3}     5 + 2·a + 3·a·b, where a and b are atoms 0 and 1

A polynomial maps monomials to integer coefficients. A monomial is a sorted tuple of atoms, one per
factor. An atom is a variable, or the rounded quotient, maximum or minimum of polynomials. The
:class:`Space` numbers atoms: equal atoms have the same number, and a shared part is stored once.
Equal polynomials are equal dictionaries.

Everything is exact: quotients are Python's ``//``, which rounds down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from math import gcd, lcm
from typing import NamedTuple

Monomial = tuple[int, ...]
Polynomial = dict[Monomial, int]
Key = tuple[tuple[Monomial, int], ...]
"""A polynomial as a hashable value."""


class Variable(NamedTuple):
    """A size that varies. Sizes are at least 1."""

    name: str


class Quotient(NamedTuple):
    """``⌊numerator / denominator⌋``."""

    numerator: Key
    denominator: Key


class Extreme(NamedTuple):
    """The maximum or the minimum of some polynomials."""

    largest: bool
    of: tuple[Key, ...]


Atom = Variable | Quotient | Extreme

ONE: Monomial = ()

SMALL = 12
"""The most terms for which :meth:`Space.least` tries its slower methods. Guards are usually
shorter."""


def constant(value: int) -> Polynomial:
    return {ONE: value} if value else {}


def key(polynomial: Polynomial) -> Key:
    return tuple(sorted(polynomial.items()))


def is_constant(polynomial: Polynomial) -> bool:
    return not polynomial or (len(polynomial) == 1 and ONE in polynomial)


def add(left: Polynomial, right: Polynomial, times: int = 1) -> Polynomial:
    """``left + times · right``."""
    result = dict(left)
    for monomial, coefficient in right.items():
        total = result.get(monomial, 0) + times * coefficient
        if total:
            result[monomial] = total
        else:
            del result[monomial]
    return result


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(right) == 1 and ONE in right:
        factor = right[ONE]
        return {monomial: factor * coefficient for monomial, coefficient in left.items()}
    result: Polynomial = {}
    for one, a in left.items():
        for other, b in right.items():
            monomial = tuple(sorted(one + other)) if one and other else one or other
            total = result.get(monomial, 0) + a * b
            if total:
                result[monomial] = total
            else:
                del result[monomial]
    return result


class Space:
    """The atoms of one derivation."""

    def __init__(self) -> None:
        self.atoms: list[Atom] = []
        self._numbers: dict[Atom, int] = {}
        self._least: dict[int, int | None] = {}
        """Cached lower bounds of atoms; None if unknown."""
        self._at_least: dict[int, int] = {}
        """Lower bounds above 1 that guards give for variables."""

    def variable(self, name: str) -> Polynomial:
        return self._atom(Variable(name))

    def floor_divide(self, numerator: Polynomial, denominator: Polynomial) -> Polynomial:
        """``numerator // denominator``, with everything that divides exactly outside the floor."""
        if is_constant(denominator):
            return self._divide_by(numerator, denominator.get(ONE, 0))
        exact = _exact_quotient(numerator, denominator)
        if exact is not None:
            return exact
        return self._atom(Quotient(key(numerator), key(denominator)))

    def assume(self, polynomial: Polynomial) -> None:
        """Use ``polynomial ≥ 0`` from now on if it gives a lower bound of a variable."""
        rest = {monomial: count for monomial, count in polynomial.items() if monomial}
        ((monomial, count),) = rest.items() if len(rest) == 1 else ((ONE, 0),)
        if count != 1 or len(monomial) != 1 or not isinstance(self.atoms[monomial[0]], Variable):
            return
        least = -polynomial.get(ONE, 0)
        if least > self._at_least.get(monomial[0], 1):
            self._at_least[monomial[0]] = least
            self._least.clear()

    def primitive(self, polynomial: Polynomial) -> Polynomial:
        """A polynomial with the same sign everywhere, without the positive factors that all terms
        share: ``3·h·w − 3·w`` becomes ``h − 1``."""
        if is_constant(polynomial):
            return polynomial
        common = reduce(_shared, polynomial)
        positive = tuple(atom for atom in common if (self._least_of_atom(atom) or 0) >= 1)
        number = gcd(*polynomial.values())
        if not positive and number == 1:
            return polynomial
        return {
            _remaining(monomial, positive): coefficient // number
            for monomial, coefficient in polynomial.items()
        }

    def _divide_by(self, numerator: Polynomial, divisor: int) -> Polynomial:
        if divisor == 0:
            raise ZeroDivisionError("integer division or modulo by zero")
        if divisor < 0:
            return self._divide_by(multiply(numerator, constant(-1)), -divisor)
        leading = max((monomial for monomial in numerator if monomial), default=ONE)
        if numerator.get(leading, 0) < 0 and leading:
            # ⌊−p / d⌋ = −⌊(p + d − 1) / d⌋: a single form for division that rounds up.
            up = add(multiply(numerator, constant(-1)), constant(divisor - 1))
            return multiply(self._divide_by(up, divisor), constant(-1))
        whole = {m: c // divisor for m, c in numerator.items() if c // divisor}
        rest = {m: c % divisor for m, c in numerator.items() if c % divisor}
        if is_constant(rest):
            return whole
        common = reduce(gcd, (c for m, c in rest.items() if m), divisor)
        if common > 1:  # ⌊(g·p + r) / (g·d)⌋ = ⌊(p + ⌊r / g⌋) / d⌋
            rest = {m: c // common for m, c in rest.items() if c // common}
            return add(whole, self._divide_by(rest, divisor // common))
        inner = self._collapsed(rest, divisor)
        if inner is not None:
            return add(whole, inner)
        return add(whole, self._atom(Quotient(key(rest), key(constant(divisor)))))

    def _collapsed(self, numerator: Polynomial, divisor: int) -> Polynomial | None:
        """``⌊(⌊a / b⌋ + k) / d⌋`` as ``⌊(a + k·b) / (b·d)⌋``."""
        terms = [monomial for monomial in numerator if monomial]
        if len(terms) != 1 or len(terms[0]) != 1 or numerator[terms[0]] != 1:
            return None
        atom = self.atoms[terms[0][0]]
        if not isinstance(atom, Quotient) or not is_constant(dict(atom.denominator)):
            return None
        by = dict(atom.denominator)[ONE]
        shifted = add(dict(atom.numerator), constant(numerator.get(ONE, 0) * by))
        return self._divide_by(shifted, by * divisor)

    def extreme(self, polynomials: Sequence[Polynomial], *, largest: bool) -> Polynomial:
        """The maximum or minimum of some polynomials, without those that another one dominates
        everywhere."""
        kept: dict[Key, Polynomial] = {}
        for polynomial in polynomials:
            if any(self._dominates(other, polynomial, largest) for other in kept.values()):
                continue
            kept = {
                name: other
                for name, other in kept.items()
                if not self._dominates(polynomial, other, largest)
            }
            kept[key(polynomial)] = polynomial
        if len(kept) == 1:
            return next(iter(kept.values()))
        return self._atom(Extreme(largest, tuple(sorted(kept))))

    def _dominates(self, one: Polynomial, other: Polynomial, largest: bool) -> bool:
        least = self.least(add(one, other, -1) if largest else add(other, one, -1))
        return least is not None and least >= 0

    def least(self, polynomial: Polynomial) -> int | None:
        """A lower bound of a polynomial; None if none is known.

        It comes from the bounds of the atoms, or from ``(n − d + 1) / d ≤ ⌊n / d⌋ ≤ n / d``, which
        shows that ``⌊n / 2⌋ − 2·⌊n / 4⌋`` is never negative.
        """
        bound = self._least_of(polynomial)
        if bound is not None or len(polynomial) > SMALL:
            return bound
        relaxed, scale = self._relaxed(polynomial)
        bound = self._least_of(relaxed)
        return None if bound is None else -(-bound // scale)

    def _relaxed(self, polynomial: Polynomial) -> tuple[Polynomial, int]:
        """(result, scale), where the result is at most ``scale`` times the polynomial. It has no
        terms that consist of a quotient by a constant."""
        quotients = {
            monomial: atom
            for monomial in polynomial
            if len(monomial) == 1
            and isinstance(atom := self.atoms[monomial[0]], Quotient)
            and is_constant(dict(atom.denominator))
        }
        scale = lcm(*(dict(atom.denominator)[ONE] for atom in quotients.values()))
        result: Polynomial = {}
        for monomial, coefficient in polynomial.items():
            if monomial not in quotients:
                result = add(result, {monomial: coefficient * scale})
                continue
            by = dict(quotients[monomial].denominator)[ONE]
            bound = dict(quotients[monomial].numerator)
            if coefficient > 0:
                bound = add(bound, constant(1 - by))
            result = add(result, bound, coefficient * (scale // by))
        return result, scale

    def _least_of(self, polynomial: Polynomial) -> int | None:
        total = 0
        for monomial, coefficient in polynomial.items():
            product = coefficient
            for atom in monomial:
                least = self._least_of_atom(atom)
                if least is None or least < 0 or coefficient < 0:
                    return self._least_above(polynomial)
                product *= least
            total += product
        return total

    def _least_above(self, polynomial: Polynomial) -> int | None:
        """A lower bound of a polynomial with negative terms, such as ``(h − 4)·(w − 4)``. Each atom
        is replaced by its lower bound plus a nonnegative rest. If no remaining coefficient is
        negative, the constant is the bound."""
        degree = max(map(len, polynomial))
        if len(polynomial) > SMALL or degree < 2:
            return None
        if any(count < 0 for monomial, count in polynomial.items() if len(monomial) == degree):
            return None  # substitution does not change the terms of the highest degree
        shifted: Polynomial = {}
        for monomial, coefficient in polynomial.items():
            product = constant(coefficient)
            for atom in monomial:
                least = self._least_of_atom(atom)
                if least is None:
                    return None
                product = multiply(product, add({(atom,): 1}, constant(least)))
            shifted = add(shifted, product)
        if any(coefficient < 0 for monomial, coefficient in shifted.items() if monomial):
            return None
        return shifted.get(ONE, 0)

    def _least_of_atom(self, number: int) -> int | None:
        if number not in self._least:
            atom = self.atoms[number]
            if isinstance(atom, Variable):
                return self._at_least.get(number, 1)
            leasts = [self._least_of(dict(part)) for part in parts(atom)]
            known = [least for least in leasts if least is not None]
            found = None
            if isinstance(atom, Quotient):
                above, below = leasts
                if is_constant(dict(atom.denominator)):
                    found = None if above is None else above // dict(atom.denominator)[ONE]
                elif above is not None and above >= 0 and below is not None and below > 0:
                    found = 0
            elif known and (atom.largest or len(known) == len(leasts)):
                found = max(known) if atom.largest else min(known)
            self._least[number] = found
        return self._least[number]

    def variables(self, polynomial: Polynomial) -> set[str]:
        """The names of the variables that a polynomial depends on."""
        names: set[str] = set()
        for number in self.reached([polynomial]):
            atom = self.atoms[number]
            if isinstance(atom, Variable):
                names.add(atom.name)
        return names

    def reached(self, polynomials: Sequence[Polynomial]) -> list[int]:
        """All atoms that some polynomials need, in order of dependency."""
        found: set[int] = set()
        todo = [atom for polynomial in polynomials for monomial in polynomial for atom in monomial]
        while todo:
            number = todo.pop()
            if number not in found:
                found.add(number)
                todo += [
                    inner
                    for part in parts(self.atoms[number])
                    for monomial, _ in part
                    for inner in monomial
                ]
        return sorted(found)  # an atom has a higher number than its parts

    def value(self, polynomial: Polynomial, sizes: Mapping[str, int]) -> int:
        """The value of the polynomial at these sizes."""
        known: dict[int, int] = {}
        for number in self.reached([polynomial]):
            atom = self.atoms[number]
            if isinstance(atom, Variable):
                known[number] = sizes[atom.name]
                continue
            values = [_value(dict(part), known) for part in parts(atom)]
            if isinstance(atom, Quotient):
                known[number] = values[0] // values[1]
            else:
                known[number] = (max if atom.largest else min)(values)
        return _value(polynomial, known)

    def moved(self, space: Space, sizes: Mapping[str, int]) -> Callable[[Polynomial], Polynomial]:
        """A function that converts polynomials of this space to another one and replaces the
        variables in ``sizes`` by numbers."""
        known: dict[int, Polynomial] = {}

        def move(polynomial: Polynomial) -> Polynomial:
            for number in self.reached([polynomial]):
                if number not in known:
                    known[number] = self._moved_atom(self.atoms[number], space, sizes, written)
            return written(polynomial)

        def written(polynomial: Polynomial) -> Polynomial:
            result: Polynomial = {}
            for monomial, coefficient in polynomial.items():
                term = constant(coefficient)
                for atom in monomial:
                    term = multiply(term, known[atom])
                result = add(result, term)
            return result

        return move

    def _moved_atom(
        self,
        atom: Atom,
        space: Space,
        sizes: Mapping[str, int],
        written: Callable[[Polynomial], Polynomial],
    ) -> Polynomial:
        if isinstance(atom, Variable):
            if atom.name in sizes:
                return constant(sizes[atom.name])
            return space.variable(atom.name)
        inside = [written(dict(part)) for part in parts(atom)]
        if isinstance(atom, Quotient):
            return space.floor_divide(*inside)
        return space.extreme(inside, largest=atom.largest)

    def _atom(self, atom: Atom) -> Polynomial:
        number = self._numbers.get(atom)
        if number is None:
            number = self._numbers[atom] = len(self.atoms)
            self.atoms.append(atom)
        return {(number,): 1}


def parts(atom: Atom) -> Iterator[Key]:
    """The polynomials inside an atom."""
    if isinstance(atom, Quotient):
        yield from (atom.numerator, atom.denominator)
    elif isinstance(atom, Extreme):
        yield from atom.of


def _value(polynomial: Polynomial, known: Mapping[int, int]) -> int:
    total = 0
    for monomial, coefficient in polynomial.items():
        for atom in monomial:
            coefficient *= known[atom]
        total += coefficient
    return total


def _shared(one: Monomial, other: Monomial) -> Monomial:
    """The common factors of two monomials."""
    left, found = list(other), []
    for atom in one:
        if atom in left:
            left.remove(atom)
            found.append(atom)
    return tuple(found)


def _remaining(monomial: Monomial, factors: Monomial) -> Monomial:
    left = list(monomial)
    for atom in factors:
        left.remove(atom)
    return tuple(left)


def _exact_quotient(numerator: Polynomial, denominator: Polynomial) -> Polynomial | None:
    """The quotient if the division has no remainder, else None. The denominator is a single term,
    or a sum of which the numerator is a multiple by a single term.

    The denominator must not be 0. Division by a size records a guard for that.
    """
    if len(denominator) > 1:
        if len(numerator) != len(denominator):
            return None
        leading = dict([max(numerator.items())]), dict([max(denominator.items())])
        factor = _exact_quotient(*leading)
        exact = factor is not None and multiply(denominator, factor) == numerator
        return factor if exact else None
    ((below, divisor),) = denominator.items()
    result: Polynomial = {}
    for monomial, coefficient in numerator.items():
        if coefficient % divisor or len(_shared(monomial, below)) < len(below):
            return None
        result[_remaining(monomial, below)] = coefficient // divisor
    return result
