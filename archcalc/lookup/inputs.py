"""Input shapes as people write them: H×W×C as in the papers, or C×H×W when they say so."""

from __future__ import annotations

from archcalc.errors import UsageError
from archcalc.graph import Shape, times

EXAMPLE = "write H×W×C such as 224x224x3, or chw:3x224x224"


def parse_input(text: str) -> Shape:
    """``"28x28x192"`` or ``"chw:192x28x28"`` to (C, H, W).

    A shape that reads like the other order is refused; ``hwc:`` in front insists. Raises
    UsageError.

    >>> parse_input("28x28x192"), parse_input("chw:192x28x28")
    ((192, 28, 28), (192, 28, 28))
    """
    order, _, sizes = text.rpartition(":")
    if order not in ("", "hwc", "chw"):
        raise UsageError(f"input {text!r}: {order!r} is no layout; {EXAMPLE}")
    parts = sizes.lower().replace("×", "x").split("x")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"input {text!r} is not a shape of positive whole numbers; {EXAMPLE}")
    digits = max(map(len, parts))
    if digits > 18:  # beyond what an address holds, and Python refuses to read thousands of them
        raise UsageError(f"input {text[:18]!r}...: no size has {digits} digits; {EXAMPLE}")
    shape = tuple(map(int, parts))
    if len(shape) != 3:
        raise UsageError(
            f"input {text!r} has {len(shape)} size{'s' * (len(shape) != 1)}, not three; {EXAMPLE}"
        )
    if 0 in shape:
        raise UsageError(f"input {text!r} is empty: every size must be at least 1; {EXAMPLE}")
    if order == "chw":
        return shape
    height, width, channels = shape
    if not order and height != width == channels:
        raise UsageError(
            f"input {text!r} reads as height {height}, width {width} and {channels} channels, "
            f"which looks like C×H×W; write {width}x{channels}x{height} or chw:{sizes} for "
            f"{height} channels, hwc:{sizes} if you mean it"
        )
    return channels, height, width


def describe_input(shape: Shape) -> str:
    """(N, C, H, W) as ``H×W×C = 28×28×192``, the batch named where it is not 1; anything but an
    image in torch's own order.

    >>> describe_input((1, 192, 28, 28)), describe_input((8, 3, 32, 32)), describe_input((1, 128))
    ('H×W×C = 28×28×192', 'H×W×C = 32×32×3, batch 8', '1×128')
    """
    if len(shape) != 4:
        return times(shape)
    n, channels, height, width = shape
    return f"H×W×C = {height}×{width}×{channels}" + (f", batch {n}" if n != 1 else "")
