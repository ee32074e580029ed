"""The result for a tensor: the window of a position, or why it is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from archcalc.analysis.receptive_field.spans import Stride
from archcalc.graph import Shape
from archcalc.language import _
from archcalc.ops.window import Why


class Field(NamedTuple):
    """The window of one output position, a number for each spatial dimension."""

    size: Shape
    """The largest window; upsampled positions may see windows of different sizes."""
    stride: tuple[Stride, ...]
    """Input pixels between neighbouring output positions; a Fraction after upsampling."""
    offset: Shape
    """Where the window of the first position starts; negative numbers lie in the padding."""
    is_global: bool = False
    """Every output position sees the whole input; the three numbers then mean nothing."""

    def __str__(self) -> str:
        return _("global") if self.is_global else "×".join(map(str, self.size))


class Reach(NamedTuple):
    """The smallest and the largest field, which differ where branches of different windows meet."""

    smallest: Field
    largest: Field

    def __str__(self) -> str:
        if self.smallest == self.largest or str(self.smallest) == str(self.largest):
            return str(self.largest)
        return _("{low} to {high}", low=self.smallest, high=self.largest)


class Unknown(NamedTuple):
    """Why the field of a node is unknown."""

    why: Why
    node: str
    """The first node on the way to this one whose effect on positions is not known."""

    def __str__(self) -> str:
        return _("unknown")


def known(fields: Mapping[str, Reach | Unknown], name: str) -> Reach | None:
    """The field of a node where it is known."""
    found = fields.get(name)
    return found if isinstance(found, Reach) else None
