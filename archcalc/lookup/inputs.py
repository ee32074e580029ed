"""Parse inputs: images as H×W×C or C×H×W, and tensors of a torch model."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from archcalc.errors import UsageError
from archcalc.graph import Shape, times
from archcalc.guard import shortened
from archcalc.language import _

EXAMPLE = "write H×W×C such as 224x224x3, or chw:3x224x224"

DTYPES = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u8": "uint8",
    "bool": "bool",
    "c64": "complex64",
    "c128": "complex128",
}
"""Full names of dtypes by short name; :func:`shape` accepts both."""

DIGITS = 18
"""The most digits of a size. Larger sizes are not addressable, and Python does not parse thousands
of digits."""

ADDRESSABLE = 2**63
"""torch cannot create a tensor with this many bytes, not even on the meta device."""


@dataclass(frozen=True, slots=True)
class TensorShape:
    """The shape of an input, in torch's order, and its dtype."""

    sizes: Shape
    dtype: str = "float32"


def shape(*sizes: int, dtype: str = "f32") -> TensorShape:
    """An input of this shape for :func:`archcalc.trace`, at any position among the arguments.

    ``dtype`` is a short name such as ``"i64"`` or a full one such as ``"int64"``. Raises UsageError
    for an unknown dtype or invalid sizes.

    >>> shape(1, 3, 224, 224)
    TensorShape(sizes=(1, 3, 224, 224), dtype='float32')
    """
    found = DTYPES.get(dtype, dtype)
    if found not in DTYPES.values():
        raise UsageError(f"dtype {shortened(dtype)!r}: choose one of {', '.join(DTYPES)}")
    for size in sizes:
        if type(size) is not int or size < 0:
            raise UsageError(f"{shortened(size)} is not a size; write shape(1, 3, 224, 224)")
    if prod(sizes) >= ADDRESSABLE // 16:
        text = shortened(times(sizes)) if max(sizes) < 10**DIGITS else "of such sizes"
        raise UsageError(f"an input {text} is larger than torch can address")
    return TensorShape(sizes, found)


def parse_tensor(text: str, batch: int = 1) -> tuple[str, TensorShape]:
    """Parse an input as the name of an argument, which may be empty, and its shape.

    ``left=105x105x1`` is a batch of images, as H×W×C or with ``chw:``. ``ids=1,128:i64`` is a
    tensor in torch's order, including the batch; the default dtype is f32. Raises UsageError.

    >>> parse_tensor("x=1,3,224,224:f16")
    ('x', TensorShape(sizes=(1, 3, 224, 224), dtype='float16'))
    >>> parse_tensor("left=105x105x1", batch=2)
    ('left', TensorShape(sizes=(2, 1, 105, 105), dtype='float32'))
    """
    name, equals, rest = text.rpartition("=")
    sizes, _, kind = rest.partition(":")
    shown = shortened(text)
    image = _is_image(rest)
    hint = "write sizes in torch's order, such as x=1,3,224,224:f32 or ids=1,128:i64"
    if equals and not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"input {shown!r}: {shortened(name)!r} is not an argument's name; {hint}")
    if image:
        return name, shape(batch, *parse_input(rest))
    if batch != 1:
        raise UsageError(f"input {shown!r} includes the batch; omit --batch")
    if kind and kind not in DTYPES:
        raise UsageError(
            f"input {shown!r}: {shortened(kind)!r} is not a dtype; choose one of "
            f"{', '.join(DTYPES)}"
        )
    parts = [part.strip() for part in sizes.split(",")] if sizes else []
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"input {shown!r}: {shortened(sizes)!r} is not a list of sizes; {hint}")
    digits = max(map(len, parts), default=0)
    if digits > DIGITS:
        raise UsageError(f"input {text[:DIGITS]!r}...: no size has {digits} digits; {hint}")
    return name, shape(*map(int, parts), dtype=kind or "f32")


def _is_image(text: str) -> bool:
    """Whether a text has the sizes of an image, joined by ``x`` or after the name of a layout."""
    order, colon, _ = text.rpartition(":")
    sizes = text.partition(":")[0].lower().replace("×", "x")
    return (bool(colon) and order in ("chw", "hwc")) or ("x" in sizes and "," not in sizes)


def parse_input(text: str) -> Shape:
    """Parse ``"28x28x192"`` or ``"chw:192x28x28"`` as (C, H, W).

    Raises UsageError, also for sizes that look like C×H×W without ``hwc:`` or ``chw:`` in front.

    >>> parse_input("28x28x192"), parse_input("chw:192x28x28")
    ((192, 28, 28), (192, 28, 28))
    """
    order, _, sizes = text.rpartition(":")
    if order not in ("", "hwc", "chw"):
        raise UsageError(f"input {text!r}: {order!r} is not a layout; {EXAMPLE}")
    parts = sizes.lower().replace("×", "x").split("x")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"input {text!r} is not a shape of positive whole numbers; {EXAMPLE}")
    digits = max(map(len, parts))
    if digits > DIGITS:
        raise UsageError(f"input {text[:DIGITS]!r}...: no size has {digits} digits; {EXAMPLE}")
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
    """(N, C, H, W) as ``H×W×C = 28×28×192``, with the batch if it is not 1. Other shapes are in
    torch's order.

    >>> describe_input((1, 192, 28, 28)), describe_input((8, 3, 32, 32)), describe_input((1, 128))
    ('H×W×C = 28×28×192', 'H×W×C = 32×32×3, batch 8', '1×128')
    """
    if len(shape) != 4:
        return times(shape)
    n, channels, height, width = shape
    image = f"H×W×C = {height}×{width}×{channels}"
    return image if n == 1 else _("{image}, batch {count}", image=image, count=n)
