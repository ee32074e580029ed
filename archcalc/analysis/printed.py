"""Numbers as people print them: ``1.2亿``, ``159K``, ``2 MiB``, ``28×28×256``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from archcalc.errors import UsageError

SCALES: Mapping[str, int] = {
    "": 1,
    "K": 10**3,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "B": 10**9,
    "T": 10**12,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "万": 10**4,
    "亿": 10**8,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
"""What may follow the digits."""

DIGITS = r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*"
"""A comma separates thousands and nothing else: 1,5 is not 15."""

PRINTED = re.compile(rf"([-−]?(?:{DIGITS})(?:\.[0-9]+)?(?:e-?[0-9]{{1,2}})?)\s*([^\W\d_]*)")
SHAPE = re.compile(r"[0-9]+(?:×[0-9]+)+")


LONGEST = 60
"""Characters of a printed number."""


class Quantity(NamedTuple):
    """A printed number."""

    value: int | Fraction
    half_a_digit: Fraction
    """How far the true value may be when it was rounded to these digits; 0 for a shape."""
    whole: bool = False
    """Printed in full, as 22 or 966,986: another count is false, however near."""


def quantity(printed: str, k: int = 1000, digits: int = 0) -> Quantity:
    """Digits as printed to a number; all of them count unless ``digits`` says how many. Raises
    UsageError.

    >>> quantity("1.2亿")
    Quantity(value=120000000, half_a_digit=Fraction(5000000, 1), whole=False)
    >>> quantity("2.7K", k=1024).half_a_digit
    Fraction(256, 5)
    """
    if len(printed) > LONGEST:
        raise UsageError(f"{printed[:LONGEST]!r}... is longer than any printed number")
    if SHAPE.fullmatch(printed):
        product = 1
        for size in printed.split("×"):
            product *= int(size)
        return Quantity(product, Fraction(0), whole=True)
    found = PRINTED.fullmatch(printed.strip())
    if not found or found[2] not in SCALES:
        raise UsageError(
            f"{printed!r} is not a printed number: write digits and one of "
            f"{', '.join(filter(None, SCALES))}, or a shape such as 28×28×256"
        )
    written = re.sub("[,_]", "", found[1]).replace("−", "-")
    mantissa, _, exponent = written.partition("e")
    scale = Fraction(k if found[2] in ("K", "k") else SCALES[found[2]])
    scale *= Fraction(10) ** int(exponent or 0)
    value = Fraction(mantissa) * scale
    half = scale / (2 * 10 ** len(mantissa.partition(".")[2]))
    if digits:
        half *= 10 ** max(len(mantissa.replace(".", "").lstrip("-0")) - digits, 0)
    whole = scale == 1 and "." not in mantissa and not digits
    return Quantity(int(value) if value == int(value) else value, half, whole)
