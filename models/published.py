"""A number as a paper prints it. Each file of papers keeps its own beside its definitions."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple

THOUSAND, MILLION, BILLION = 10**3, 10**6, 10**9


class Published(NamedTuple):
    """``Published("vgg16", "params", "138.36", MILLION, "...")``: printed as 138.36 million."""

    model: str
    field: Literal["params", "params_executed", "macs"]
    printed: str
    """The digits as they stand, because the last of them says how exact the figure is."""
    unit: int
    source: str
    difference: str = ""
    """Why the definition counts to something else, where it does."""

    def agrees_with(self, count: int) -> bool:
        """Whether ``count``, rounded to as many digits, is the printed figure.

        >>> Published("vgg16", "params", "138.36", MILLION, "").agrees_with(138_357_544)
        True
        """
        half_a_digit = Fraction(1, 2 * 10 ** len(self.printed.partition(".")[2]))
        return abs(Fraction(count, self.unit) - Fraction(self.printed)) <= half_a_digit
