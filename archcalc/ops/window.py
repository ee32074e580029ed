"""How many windows fit: torch's arithmetic for convolutions and pools, to the last window."""

from __future__ import annotations

from archcalc.errors import ShapeError
from archcalc.graph import Shape, times

Size = int | tuple[int, ...]
"""One number for every dimension, or one each."""

Padding = Size | str
"""As torch's convolutions take it: numbers, ``"valid"`` or ``"same"``."""


def each(size: Size, dims: int) -> tuple[int, ...]:
    """``3`` as ``(3, 3)``. Raises ShapeError when a tuple has another length."""
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
    """Output positions of a convolution over ``size`` (the spatial dimensions alone).

    ``torch.nn.Conv2d``: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.

    >>> conv_positions((224, 224), (7, 7), (2, 2), (3, 3), (1, 1))
    (112, 112)
    """
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ShapeError(f"padding 'same' needs stride 1, got {times(stride)}")
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
    """Output positions of a pool. With ``ceil_mode`` the division rounds up, and the last window is
    dropped when it would start in the right padding or beyond (torch, ``pooling_output_shape``).

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
    """Output positions of a transposed convolution (``torch.nn.ConvTranspose2d``)."""
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
            raise ShapeError(f"padding {times(padding)} leaves nothing of the output")
        result.append(count)
    return tuple(result)


def adaptive_window(size: int, count: int) -> int:
    """The lengths of all windows of an adaptive pool along one dimension, added up.

    Window i runs from ⌊i·size/count⌋ to ⌈(i+1)·size/count⌉; where count divides size they tile it.

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
