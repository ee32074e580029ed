"""Which pixels each position along one dimension sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import NamedTuple

from archcalc.ops.window import Sampling, Why, Window

Stride = int | Fraction
LONGEST_PERIOD = 4096
"""Positions after which a pattern of windows must repeat; beyond that the stride is unknown."""


class LostError(Exception):
    """What happens to positions here is not followed."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


class Spans(NamedTuple):
    """The first and the last pixel that each position along one dimension sees, None for nothing.

    Position ``i + len(spans)`` sees what ``i`` sees, ``shift`` pixels further on.
    """

    spans: tuple[tuple[int, int] | None, ...]
    shift: int

    @property
    def stride(self) -> Stride:
        if len(self.spans) == 1:
            return self.shift
        step = Fraction(self.shift, len(self.spans))
        return int(step) if step.denominator == 1 else step

    @property
    def size(self) -> int:
        return max((span[1] - span[0] + 1 for span in self.spans if span), default=0)

    @property
    def offset(self) -> int:
        """The start of the first window that is not empty."""
        return next((span[0] for span in self.spans if span), 0)

    def at(self, position: int) -> tuple[int, int] | None:
        turns, phase = divmod(position, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + turns * self.shift, span[1] + turns * self.shift)

    def over(self, positions: Iterable[int]) -> tuple[int, int] | None:
        """From the first to the last pixel that any of the positions sees."""
        return _hull([self.at(position) for position in positions])

    def first(self, count: int) -> tuple[int, int] | None:
        """From the first to the last pixel that the first ``count`` positions see."""
        if len(self.spans) == 1 and self.spans[0] is not None:
            (start, end) = self.spans[0]
            return start, end + (count - 1) * self.shift
        return self.over(range(count))

    def slid(self, window: Window) -> Spans:
        """What each position of a sliding window sees. Sizes may carry their expressions: this is
        arithmetic on whole numbers (Araujo et al., equation 2)."""
        if len(self.spans) != 1 or self.spans[0] is None:
            return self.then(window.sampling())
        (start, end) = self.spans[0]
        start -= window.padding * self.shift
        end += (window.span - 1 - window.padding) * self.shift
        return Spans(((start, end),), self.shift * window.stride)

    def then(self, sampling: Sampling) -> Spans:
        """What each position sees that reads these in this pattern."""
        period = len(self.spans)
        turns = period // gcd(period, sampling.shift) if sampling.shift else 1
        count = turns * len(sampling.reads)
        if count > LONGEST_PERIOD:
            raise LostError("strides")
        spans = [self.over(sampling(position)) for position in range(count)]
        shift = sampling.shift * turns * self.shift // period
        return _shortest(tuple(spans), shift)

    def union(self, other: Spans) -> Spans:
        """What a position sees that reads both."""
        if self == other:
            return self
        if self.stride != other.stride:
            raise LostError("strides")
        count = lcm(len(self.spans), len(other.spans))
        if count > LONGEST_PERIOD:
            raise LostError("strides")
        spans = tuple([_hull([self.at(i), other.at(i)]) for i in range(count)])
        return _shortest(spans, self.shift * count // len(self.spans))


def _hull(spans: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    seen = [span for span in spans if span]
    if not seen:
        return None
    return min(span[0] for span in seen), max(span[1] for span in seen)


def _shortest(spans: tuple[tuple[int, int] | None, ...], shift: int) -> Spans:
    """The same windows with the shortest period."""
    count = len(spans)
    for period in range(1, count // 2 + 1):
        if count % period or shift * period % count:
            continue
        step = Spans(spans[:period], shift * period // count)
        if all(step.at(position) == span for position, span in enumerate(spans)):
            return step
    return Spans(spans, shift)
