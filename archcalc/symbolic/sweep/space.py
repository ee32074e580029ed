"""The candidates of a sweep: every combination of some axes, or a sample of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from archcalc.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 1 << 18
"""Candidates per chunk: a few megabytes per figure."""

LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Axis:
    """A size or option that varies, and its values in order."""

    name: str
    values: Sequence[Any]

    @property
    def is_numeric(self) -> bool:
        return isinstance(self.values, range) or all(type(value) is int for value in self.values)


@dataclass(frozen=True)
class Space:
    """Every combination of the axes' values; the last axis varies fastest."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def grid(self, chunk: int = CHUNK) -> Iterator[list[NDArray[np.int64]]]:
        """The positions of all candidates in order, chunk by chunk, as one array per axis."""
        import numpy as np

        for start in range(0, self.size, chunk):
            yield self._positions(np.arange(start, min(start + chunk, self.size)))

    def sample(
        self, count: int, *, seed: int = 0, replacement: bool = False, chunk: int = CHUNK
    ) -> Iterator[list[NDArray[np.int64]]]:
        """The positions of ``count`` candidates drawn uniformly, each at most once unless
        ``replacement`` is set. The same seed draws the same candidates. Raises UsageError if there
        are too few candidates, or too many to draw without replacement."""
        import numpy as np

        if replacement:
            draw = np.random.default_rng(seed)
            for start in range(0, count, chunk):
                size = min(chunk, count - start)
                yield [draw.integers(len(axis.values), size=size) for axis in self.axes]
            return
        if count > self.size:
            raise UsageError(
                f"--sample {count:,} is more than the {self.size:,} candidates; sample fewer, or "
                "with replacement"
            )
        if self.size > LARGEST:
            raise UsageError(
                f"the space has {self.size:.3g} candidates, too many to draw each at most once; "
                "add --replacement"
            )
        drawn = np.array(random.Random(seed).sample(range(self.size), count), np.int64)
        for start in range(0, count, chunk):
            yield self._positions(drawn[start : start + chunk])

    def _positions(self, numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        positions = []
        for axis in reversed(self.axes):
            positions.append(numbers % len(axis.values))
            numbers = numbers // len(axis.values)
        return positions[::-1]

    def candidate(self, positions: Sequence[int]) -> dict[str, Any]:
        """The values at these positions, by axis name."""
        return {
            axis.name: axis.values[position]
            for axis, position in zip(self.axes, positions, strict=True)
        }


def parse_axis(text: str) -> Axis:
    """Parse ``c5_reduce=4:64:4``, ``num_classes=10,100`` or ``head=gap,fc``. A range includes its
    end.

    >>> parse_axis("c5_reduce=4:16:4").values
    range(4, 17, 4)
    >>> parse_axis("head=gap,fc").values
    ('gap', 'fc')

    Raises UsageError for anything else, and for an axis without values.
    """
    name, equals, listed = text.partition("=")
    hint = "write NAME=FIRST:LAST:STEP or NAME=VALUE,VALUE, such as c5_reduce=4:64:4"
    if not (name and equals and listed):
        raise UsageError(f"--over {text!r}: {hint}")
    if ":" in listed:
        return Axis(name, _range(text, listed, hint))
    values = tuple(_value(part.strip()) for part in listed.split(","))
    if "" in values:
        raise UsageError(f"--over {text!r} has an empty value: {hint}")
    if len(set(values)) < len(values):
        raise UsageError(f"--over {text!r} repeats a value")
    return Axis(name, values)


def _range(text: str, listed: str, hint: str) -> range:
    parts = listed.split(":")
    if len(parts) > 3 or not all(
        part.isascii() and part.isdigit() and len(part) < 19 for part in parts
    ):
        raise UsageError(f"--over {text!r}: {listed!r} is not a range of whole numbers; {hint}")
    first, last, step = (*map(int, parts), 1)[:3]
    if step < 1 or first < 1 or first > last:
        raise UsageError(
            f"--over {text!r} is empty: a range must start at 1 or more, end at or after its "
            "start, and have a step of 1 or more"
        )
    return range(first, last + 1, step)


def _value(text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


def parse_space(over: Sequence[str] | Mapping[str, Sequence[Any]]) -> Space:
    """The space of some axes, given as texts or as values by name. Raises UsageError."""
    if isinstance(over, Mapping):
        axes = []
        for name, values in over.items():
            kept = values if isinstance(values, range) else tuple(_plain(each) for each in values)
            axes.append(Axis(name, kept))
    else:
        axes = [parse_axis(text) for text in over]
    if not axes:
        raise UsageError("a sweep needs at least one axis: --over c5_reduce=4:64:4")
    for axis in axes:
        if not len(axis.values):
            raise UsageError(f"--over {axis.name} has no values")
        if [each.name for each in axes].count(axis.name) > 1:
            raise UsageError(f"--over {axis.name} is given twice")
    return Space(tuple(axes))


def _plain(value: Any) -> Any:
    """A NumPy number as a Python number."""
    return value.item() if hasattr(value, "item") else value
