"""Sliding windows: how many fit, by torch's arithmetic, and which positions each one reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd
from operator import index
from typing import Literal, NamedTuple

from archcalc.errors import ShapeError
from archcalc.graph import Node, Shape, times

Size = int | tuple[int, ...]
"""One number for all spatial dimensions, or one per dimension."""

Padding = Size | str
"""Padding as in torch's convolutions: numbers, ``"valid"`` or ``"same"``."""


def each(size: Size, dims: int) -> tuple[int, ...]:
    """``3`` as ``(3, 3)`` for 2 dimensions. Raises ShapeError if a tuple has another length."""
    if isinstance(size, int):
        return (size,) * dims
    if len(size) != dims:
        raise ShapeError(f"expected {dims} numbers, got {size}")
    return tuple(size)


def conv_positions(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape | str,
    dilation: Shape,
) -> Shape:
    """Output positions of a convolution, in each spatial dimension.

    As in ``torch.nn.Conv2d``: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1. Raises
    ShapeError if the window is larger than the padded input.

    >>> conv_positions((224, 224), (7, 7), (2, 2), (3, 3), (1, 1))
    (112, 112)
    """
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ShapeError(f"padding 'same' needs stride 1; got {times(stride)}")
        return size
    pads = (0,) * len(size) if isinstance(padding, str) else padding
    result = []
    for axis in range(len(size)):
        if kernel[axis] < 1 or stride[axis] < 1 or dilation[axis] < 1 or pads[axis] < 0:
            raise _no_window(kernel, stride, pads, dilation)
        span = dilation[axis] * (kernel[axis] - 1) + 1
        room = size[axis] + 2 * pads[axis]
        if span > room:
            raise _too_large(size, kernel, pads, dilation)
        result.append((room - span) // stride[axis] + 1)
    return tuple(result)


def pool_positions(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    ceil_mode: bool,
) -> Shape:
    """Output positions of a pool, in each spatial dimension. With ``ceil_mode``, the division
    rounds up, and the last window is dropped if it would start in the right padding or beyond
    (torch's ``pooling_output_shape``). Raises ShapeError if no window fits.

    >>> pool_positions((112, 112), (3, 3), (2, 2), (0, 0), (1, 1), ceil_mode=True)
    (56, 56)
    """
    result = []
    for axis in range(len(size)):
        if kernel[axis] < 1 or stride[axis] < 1 or dilation[axis] < 1 or padding[axis] < 0:
            raise _no_window(kernel, stride, padding, dilation)
        if 2 * padding[axis] > kernel[axis]:
            raise ShapeError(
                f"padding {times(padding)} is more than half of the {times(kernel)} window"
            )
        span = dilation[axis] * (kernel[axis] - 1) + 1
        room = size[axis] + 2 * padding[axis] - span
        step = stride[axis]
        count = (-(-room // step) if ceil_mode else room // step) + 1
        if ceil_mode and (count - 1) * step >= size[axis] + padding[axis]:
            count -= 1
        if count < 1:
            raise _too_large(size, kernel, padding, dilation)
        result.append(count)
    return tuple(result)


def transposed_positions(
    size: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    output_padding: Shape,
    dilation: Shape,
) -> Shape:
    """Output positions of a transposed convolution, as in ``torch.nn.ConvTranspose2d``:
    (size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1. Raises ShapeError if
    there are none."""
    result = []
    for axis in range(len(size)):
        if kernel[axis] < 1 or stride[axis] < 1 or dilation[axis] < 1 or padding[axis] < 0:
            raise _no_window(kernel, stride, padding, dilation)
        if output_padding[axis] >= max(stride[axis], dilation[axis]):
            raise ShapeError(
                f"output_padding {times(output_padding)} must be smaller than the stride "
                f"{times(stride)} or the dilation {times(dilation)}"
            )
        count = (size[axis] - 1) * stride[axis] - 2 * padding[axis]
        count += dilation[axis] * (kernel[axis] - 1) + output_padding[axis] + 1
        if count < 1:
            raise ShapeError(f"padding {times(padding)} removes the whole output")
        result.append(count)
    return tuple(result)


def adaptive_window(size: int, count: int) -> int:
    """The sum of the lengths of all windows of an adaptive pool along one dimension.

    Window i runs from ⌊i·size/count⌋ to ⌈(i+1)·size/count⌉. If count divides size, they do not
    overlap.

    >>> adaptive_window(7, 1), adaptive_window(7, 7), adaptive_window(10, 4)
    (7, 7, 12)
    """
    if size % count == 0:
        return size
    return sum(-(-(i + 1) * size // count) - i * size // count for i in range(count))


def _no_window(kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> ShapeError:
    return ShapeError(
        f"kernel {times(kernel)}, stride {times(stride)} and dilation {times(dilation)} must be at "
        f"least 1, and padding {times(padding)} at least 0"
    )


def _too_large(size: Shape, kernel: Shape, padding: Shape, dilation: Shape) -> ShapeError:
    pad = padding[0] if len(set(padding)) == 1 else times(padding)
    note = f"padding {pad}"
    if any(step != 1 for step in dilation):
        note += f", dilation {dilation[0] if len(set(dilation)) == 1 else times(dilation)}"
    return ShapeError(f"{times(kernel)} window is larger than its {times(size)} input ({note})")


@dataclass(frozen=True, slots=True)
class Sampling:
    """The input positions that each output position reads, along one dimension.

    Output position i reads ``reads[i]``. Position ``i + len(reads)`` reads the same positions plus
    ``shift``. Positions outside the input are padding.
    """

    reads: tuple[Sequence[int], ...]
    shift: int

    def __call__(self, position: int) -> list[int]:
        """The input positions that this output position reads.

        >>> window = Window(3, stride=2, padding=1).sampling()
        >>> window(0), window(5)
        ([-1, 0, 1], [9, 10, 11])
        """
        turns, phase = divmod(position, len(self.reads))
        return [read + turns * self.shift for read in self.reads[phase]]

    def covers(self, size: int) -> bool:
        """Whether the first output position reads all ``size`` input positions."""
        return set(self(0)).issuperset(range(size))


class Window(NamedTuple):
    """A window that slides along one dimension."""

    kernel: int
    stride: int = 1
    padding: int = 0
    """Padding before the first position."""
    dilation: int = 1

    @property
    def span(self) -> int:
        """The distance from the first to the last position read, both included."""
        return self.dilation * (self.kernel - 1) + 1

    def covers(self, size: int) -> bool:
        """Whether the first window reads all ``size`` positions."""
        if self.dilation == 1:
            return self.kernel - self.padding >= size
        return self.sampling().covers(size)

    def sampling(self) -> Sampling:
        reads = range(-self.padding, self.span - self.padding, self.dilation)
        return Sampling((reads,), self.stride)


def transposed_sampling(kernel: int, stride: int, padding: int, dilation: int) -> Sampling:
    """Tap t of input position i contributes to output position stride·i + dilation·t − padding.

    >>> transposed_sampling(2, 2, 0, 1).reads
    ((0,), (0,))
    """
    reads = []
    for position in range(stride):
        places = [position + padding - dilation * tap for tap in range(kernel)]
        reads.append(tuple(sorted(place // stride for place in places if place % stride == 0)))
    return Sampling(tuple(reads), 1)


def adaptive_sampling(size: int, count: int) -> Sampling:
    """Window i of an adaptive pool runs from ⌊i·size/count⌋ to ⌈(i+1)·size/count⌉.

    >>> [list(window) for window in adaptive_sampling(10, 4).reads]
    [[0, 1, 2], [2, 3, 4]]
    """
    common = gcd(size, count)
    reads = [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count // common)]
    return Sampling(tuple(reads), size // common)


def resized_step(
    size: int, count: int, align_corners: bool = False, scale: float | None = None
) -> Fraction:
    """The distance between neighbouring output positions, in input positions."""
    size, count = index(size), index(count)  # a Fraction needs integers, not symbolic sizes
    if align_corners:
        return _ratio(size - 1, count - 1) if count > 1 else Fraction(0)
    return 1 / Fraction(scale).limit_denominator(10_000) if scale else _ratio(size, count)


def _ratio(above: int, below: int) -> Fraction:
    """``above / below``. If one divides the other, the quotient is computed by integer division. A
    formula then knows that, for example, twice a size over that size is 2 for every size."""
    if above and below % above == 0:
        return Fraction(1, int(below // above))
    if above % below == 0:
        return Fraction(int(above // below))
    return Fraction(int(above), int(below))


def resized_sampling(
    size: int, count: int, taps: int, align_corners: bool, scale: float | None = None
) -> Sampling:
    """The positions that interpolation from ``size`` to ``count`` positions reads: the ``taps``
    nearest to the output position, or only one if the output position coincides with it.

    ``scale`` is the factor that the caller passed, which torch uses instead of count / size.

    >>> resized_sampling(4, 8, taps=2, align_corners=False).reads
    (range(-1, 1), range(0, 2))
    """
    step = resized_step(size, count, align_corners, scale)
    first = Fraction(0) if align_corners else (step - 1) / 2
    reads = []
    for position in range(step.denominator):
        place = first + position * step
        left = floor(place)
        if place == left:
            reads.append(range(left, left + 1))
        else:
            reads.append(range(left - taps // 2 + 1, left + taps // 2 + 1))
    return Sampling(tuple(reads), step.numerator)


def antialiased_sampling(
    size: int, count: int, taps: int, align_corners: bool, scale: float | None = None
) -> Sampling:
    """The positions that antialiased interpolation reads. When it shrinks, its support of ``taps``
    positions grows with the step. The filter is zero at its ends; without shrinking, it is also
    zero at all pixels but one if its centre coincides with that one. torch puts the centre at
    step·(i + ½) even if corners are aligned.

    >>> antialiased_sampling(8, 4, taps=2, align_corners=False).reads
    (range(-1, 3),)
    """
    step = resized_step(size, count, align_corners, scale)
    reads = []
    for position in range(step.denominator):
        centre = step * (2 * position + 1) / 2 - Fraction(1, 2)
        on_a_pixel = step <= 1 and centre.denominator == 1
        support = Fraction(1) if on_a_pixel else max(step, Fraction(1)) * taps / 2
        reads.append(range(floor(centre - support) + 1, ceil(centre + support)))
    return Sampling(tuple(reads), step.numerator)


def nearest_sampling(
    size: int, count: int, exact: bool = False, scale: float | None = None
) -> Sampling:
    """Nearest interpolation reads ⌊i·size/count⌋; torch's "nearest-exact" reads half a step
    further.

    >>> nearest_sampling(4, 8).reads
    (range(0, 1), range(0, 1))
    """
    step = resized_step(size, count, scale=scale)
    half = step / 2 if exact else Fraction(0)
    places = [floor(i * step + half) for i in range(step.denominator)]
    return Sampling(tuple([range(place, place + 1) for place in places]), step.numerator)


# How an operator moves and mixes positions.

Why = Literal[
    "unlisted",
    "values",
    "wraps",
    "order",
    "windows",
    "sequence",
    "transform",
    "layout",
    "strides",
    "inputs",
    "bare",
]
"""Why the window is unknown. In order: the operation is not in the table; the positions that it
reads depend on values; it wraps around the border; it reverses positions; it extracts overlapping
windows; it runs along a sequence; every result mixes positions without a window; it rearranges
dimensions in an unsupported way; branches with different strides meet; the inputs are not images;
it depends on no input."""


class Slides(NamedTuple):
    """Each output position reads a window of input positions. ``windows(node)`` has one element for
    each of the last dimensions."""

    windows: Callable[[Node], tuple[Window | Sampling, ...]]
    over_channels: bool = False
    """Whether every output channel reads every input channel of its group."""
    pools: bool = False
    """Whether it pools. With a single output position, it is global pooling."""


class Mixes(NamedTuple):
    """Every result reads some dimensions of the first input in full."""

    dims: Callable[[Node], tuple[int, ...] | None]
    """These dimensions; None if the node does not state them."""
    keeps: bool = False
    """Whether results keep their positions, as in softmax. Otherwise these dimensions are removed,
    become 1, or are new."""


class Untold(NamedTuple):
    """The operator moves or mixes positions in a way that is not a window."""

    why: Why


Positions = (
    Literal[
        "source",
        "pointwise",
        "matmul",
        "attention",
        "einsum",
        "reshape",
        "permute",
        "slice",
        "split",
        "unbind",
        "pad",
        "concat",
        "stack",
        "expand",
        "channel_shuffle",
        "pixel_shuffle",
        "pixel_unshuffle",
    ]
    | Slides
    | Mixes
    | Untold
)
"""How an operator moves and mixes positions: it slides a window, mixes whole dimensions, works
point by point, rearranges, or does something else (:class:`Untold`)."""
