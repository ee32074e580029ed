"""Handlers for operations that reshape, join and split tensors.

Views depend only on shapes: a fast run's tensors have no values and no layout, so a ``view`` that
the real strides forbid is not detected.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from archcalc.graph import Attributes, Shape, Value
from archcalc.ops import TABLE
from archcalc.ops.movement import axis
from archcalc.pytorch.trace.layers import answers
from archcalc.pytorch.trace.recorder import INPLACE, tensors_in
from archcalc.pytorch.trace.tracer import CALLS, Tracer, UnusualCallError
from archcalc.symbolic.size import Size


def whole(sizes: tuple[Any, ...]) -> Shape:
    """Return (2, 3) for both ``f(2, 3)`` and ``f((2, 3))``."""
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes
    result = tuple(given)
    if not all(isinstance(size, int) for size in result):
        raise UnusualCallError
    return result


def emit_view(t: Tracer, op: str, x: Value, out: Shape, **attrs: Any) -> Tensor:
    return t.emit(op, (x,), out, x.dtype, Attributes(attrs))


@answers("reshape", "view")
def reshape(t: Tracer, input: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
    if kwargs or not sizes:
        sizes = (kwargs.get("shape", kwargs.get("size")),)
    if isinstance(sizes[0], torch.dtype) or sizes[0] is None:
        raise UnusualCallError
    x, wanted = t.value(input), whole(sizes)
    known = prod(size for size in wanted if size != -1)
    if wanted.count(-1) == 1 and known and prod(x.shape) % known == 0:
        shape = tuple([prod(x.shape) // known if size == -1 else size for size in wanted])
    elif known == prod(x.shape) and -1 not in wanted:
        shape = wanted
    else:
        raise UnusualCallError
    return emit_view(t, "reshape", x, shape, shape=wanted)


@answers("view_as", "reshape_as")
def reshape_as(t: Tracer, input: Tensor, other: Tensor) -> Tensor:
    x, shape = t.value(input), t.value(other).shape
    return emit_view(t, "reshape", x, shape, shape=shape)


@answers("flatten")
def flatten(t: Tracer, input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    x = t.value(input)
    if isinstance(start_dim, str) or not x.shape:
        raise UnusualCallError
    attrs = Attributes(start_dim=start_dim, end_dim=end_dim)
    shape = TABLE["flatten"].shape((x.shape,), {}, attrs)
    return t.emit("flatten", (x,), shape, x.dtype, attrs)


@answers("unflatten")
def unflatten(t: Tracer, input: Tensor, dim: Any, sizes: Any) -> Tensor:
    x = t.value(input)
    if not isinstance(dim, int) or -1 in sizes:
        raise UnusualCallError
    at = axis(dim, len(x.shape))
    shape = (*x.shape[:at], *sizes, *x.shape[at + 1 :])
    return emit_view(t, "reshape", x, shape, shape=shape)


@answers("squeeze")
def squeeze(t: Tracer, input: Tensor, dim: Any = None) -> Tensor:
    x = t.value(input)
    rank = len(x.shape)
    dims = range(rank) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {axis(each, rank) for each in dims} if rank else set()
    shape = tuple([size for at, size in enumerate(x.shape) if at not in gone or size != 1])
    return emit_view(t, "reshape", x, shape, shape=shape)


@answers("unsqueeze")
def unsqueeze(t: Tracer, input: Tensor, dim: int) -> Tensor:
    x = t.value(input)
    at = axis(dim, len(x.shape) + 1)
    shape = (*x.shape[:at], 1, *x.shape[at:])
    return emit_view(t, "reshape", x, shape, shape=shape)


@answers("permute")
def permute(t: Tracer, input: Tensor, *dims: Any, **kwargs: Any) -> Tensor:
    x = t.value(input)
    order = whole(dims or (kwargs["dims"],))
    attrs = Attributes(dims=order)
    return t.emit("permute", (x,), TABLE["permute"].shape((x.shape,), {}, attrs), x.dtype, attrs)


@answers("transpose", "swapaxes", "swapdims")
def transpose(t: Tracer, input: Tensor, dim0: Any, dim1: Any) -> Tensor:
    x = t.value(input)
    if not isinstance(dim0, int) or not isinstance(dim1, int):
        raise UnusualCallError
    return emit_swapped(t, x, axis(dim0, len(x.shape)), axis(dim1, len(x.shape)))


@answers("t")
def transposed(t: Tracer, input: Tensor) -> Tensor:
    x = t.value(input)
    if len(x.shape) != 2 or x.dtype.startswith("complex"):
        raise UnusualCallError
    return emit_swapped(t, x, 0, 1)


def last_two(t: Tracer, input: Tensor, *args: Any) -> Tensor:
    x = t.value(input)
    rank = len(x.shape)
    if rank < 2 or (rank > 2 and t.call[0] == Tensor.T.__get__):  # type: ignore[attr-defined]
        raise UnusualCallError
    return emit_swapped(t, x, rank - 2, rank - 1)


CALLS[Tensor.T.__get__] = CALLS[Tensor.mT.__get__] = last_two  # type: ignore[attr-defined]


def emit_swapped(t: Tracer, x: Value, a: int, b: int) -> Tensor:
    dims = list(range(len(x.shape)))
    dims[a], dims[b] = dims[b], dims[a]
    return emit_view(t, "permute", x, tuple([x.shape[dim] for dim in dims]), dims=tuple(dims))


@answers("expand")
def expand(t: Tracer, input: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
    if kwargs:
        raise UnusualCallError
    x, wanted = t.value(input), whole(sizes)
    old = (1,) * (len(wanted) - len(x.shape)) + x.shape
    if len(old) != len(wanted):
        raise UnusualCallError
    shape = tuple([have if want == -1 else want for have, want in zip(old, wanted, strict=True)])
    if any(have not in (1, want) for have, want in zip(old, shape, strict=True)):
        raise UnusualCallError
    return emit_view(t, "expand", x, shape, shape=wanted)


@answers("repeat")
def repeat(t: Tracer, input: Tensor, *sizes: Any, **kwargs: Any) -> Tensor:
    if kwargs:
        raise UnusualCallError
    x, repeats = t.value(input), whole(sizes)
    old = (1,) * (len(repeats) - len(x.shape)) + x.shape
    if len(old) != len(repeats):
        raise UnusualCallError
    shape = tuple([size * times for size, times in zip(old, repeats, strict=True)])
    return emit_view(t, "repeat", x, shape, repeats=repeats)


@answers("expand_as")
def expand_as(t: Tracer, input: Tensor, other: Tensor) -> Tensor:
    t.call = (Tensor.expand, (input, *t.value(other).shape), {})
    out: Tensor = expand(t, *t.call[1])
    return out


@answers("narrow")
def narrow(t: Tracer, input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    x = t.value(input)
    if not isinstance(start, int) or start < 0:
        raise UnusualCallError
    attrs = Attributes(dim=dim, start=start, stop=start + length)
    return t.emit("slice", (x,), TABLE["slice"].shape((x.shape,), {}, attrs), x.dtype, attrs)


@answers("select")
def select(t: Tracer, input: Tensor, dim: Any, index: Any) -> Tensor:
    x = t.value(input)
    if not isinstance(dim, int) or not isinstance(index, int):
        raise UnusualCallError
    at = axis(dim, len(x.shape))
    axis(index, x.shape[at])
    steps = tuple([index if place == at else (0, 1, size) for place, size in enumerate(x.shape)])
    return emit_view(t, "slice", x, (*x.shape[:at], *x.shape[at + 1 :]), index=steps)


@answers("__getitem__")
def getitem(t: Tracer, input: Tensor, index: Any) -> Tensor:
    """Handle integers, slices, None, an ellipsis, or slices with one index tensor. torch runs every
    other form."""
    x = t.value(input)
    parts = index if isinstance(index, tuple) else (index,)
    rest = list(x.shape)
    shape: list[int] = []
    steps: list[int | tuple[int, int, int] | None] = []
    """Per dimension: (start, step, count), one index, or None for a new dimension."""
    picked: tuple[Value, ...] = ()
    left = sum([part is not None and part is not ... for part in parts])
    for part in parts:
        kind = type(part)
        if part is None:
            shape.append(1)
            steps.append(None)
            continue
        if part is ...:
            keep = len(rest) - left
            if keep < 0:
                raise UnusualCallError
            shape += rest[:keep]
            steps += [(0, 1, size) for size in rest[:keep]]
            del rest[:keep]
            continue
        if not rest:
            raise UnusualCallError
        size = rest.pop(0)
        left -= 1
        if kind is slice and _plain(part.start) and _plain(part.stop) and _plain(part.step):
            taken = sliced(part, size)
            shape.append(taken[2])
            steps.append(taken)
        elif (kind is int or kind is Size) and -size <= part < size and not picked:
            steps.append(part % size)
            continue
        elif isinstance(part, Tensor) and not picked and int not in map(type, parts):
            picked = (t.value(part),)
            if not picked[0].dtype.startswith("int"):
                raise UnusualCallError
            shape += picked[0].shape
        else:
            raise UnusualCallError
    if picked:
        return t.emit("index", (x, *picked), (*shape, *rest), x.dtype)
    steps += [(0, 1, size) for size in rest]
    return emit_view(t, "slice", x, (*shape, *rest), index=tuple(steps))


def _plain(bound: Any) -> bool:
    return bound is None or type(bound) is int or type(bound) is Size


def sliced(part: slice, size: int) -> tuple[int, int, int]:
    """Return (start, step, count) of a slice."""
    bounds = (part.start, part.stop, part.step, size)
    if not any(type(bound) is Size for bound in bounds):
        taken = range(*part.indices(size))
        return taken.start, taken.step, len(taken)
    step = 1 if part.step is None else part.step
    if step < 1:
        raise UnusualCallError

    def place(bound: int | None, otherwise: int) -> int:
        if bound is None:
            return otherwise
        bound = bound + size if bound < 0 else bound
        return 0 if bound < 0 else size if bound > size else bound

    start, stop = place(part.start, 0), place(part.stop, size)
    return start, step, -(-(stop - start) // step) if stop > start else 0


@answers("pad")
def pad(t: Tracer, input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    x = t.value(input)
    sizes = tuple(pad)
    if len(sizes) % 2 or len(sizes) > 2 * len(x.shape):
        raise UnusualCallError
    shape = list(x.shape)
    for pair in range(len(sizes) // 2):
        shape[-1 - pair] += sizes[2 * pair] + sizes[2 * pair + 1]
    if min(shape) < 0:
        raise UnusualCallError
    return t.emit("pad", (x,), tuple(shape), x.dtype, Attributes(pad=sizes, mode=mode))


@answers("__setitem__")
def setitem(t: Tracer, input: Tensor, index: Any, value: Any) -> None:
    """Record a write into part of a tensor, which becomes the call's output."""
    given = tuple(t.value(each) for each in tensors_in((index, value)))
    x = t.value(input)
    if t.exact:
        t.run()
    out = t.recorder.append("setitem", "setitem", (x, *given), ((x.shape, x.dtype),), (), INPLACE)[
        0
    ]
    t.recorder.bind(input, out)


@answers("split", "split_with_sizes")
def split(t: Tracer, input: Tensor, size: Any = None, dim: int = 0, **kwargs: Any) -> Any:
    size = kwargs.get("split_size", kwargs.get("split_sizes", size))
    x = t.value(input)
    at = axis(dim, len(x.shape))
    if isinstance(size, int) and size > 0:
        whole_parts, rest = divmod(x.shape[at], size)
        sizes = [size] * whole_parts + [rest] * bool(rest)
    elif isinstance(size, (list, tuple)) and sum(size) == x.shape[at]:
        sizes = list(size)
    else:
        raise UnusualCallError
    return emit_parts(t, x, at, sizes)


@answers("chunk")
def chunk(t: Tracer, input: Tensor, chunks: int, dim: int = 0) -> Any:
    x = t.value(input)
    at = axis(dim, len(x.shape))
    size = -(-x.shape[at] // chunks)
    if not size:
        raise UnusualCallError
    whole_parts, rest = divmod(x.shape[at], size)
    return emit_parts(t, x, at, [size] * whole_parts + [rest] * bool(rest))


def emit_parts(t: Tracer, x: Value, at: int, sizes: list[int]) -> tuple[Tensor, ...]:
    outputs = [((*x.shape[:at], size, *x.shape[at + 1 :]), x.dtype) for size in sizes]
    return t.emit_many("split", (x,), outputs, Attributes(dim=at, sizes=tuple(sizes)))


@answers("unbind")
def unbind(t: Tracer, input: Tensor, dim: int = 0) -> Any:
    x = t.value(input)
    at = axis(dim, len(x.shape))
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    return t.emit_many("unbind", (x,), [(shape, x.dtype)] * x.shape[at], Attributes(dim=at))


@answers("cat", "concat", "concatenate")
def concat(t: Tracer, tensors: Any, dim: Any = 0, **kwargs: Any) -> Tensor:
    dim = kwargs.get("axis", dim)
    inputs = tuple([t.value(tensor) for tensor in tensors])
    if not inputs or not isinstance(dim, int):
        raise UnusualCallError
    if len({value.dtype for value in inputs}) > 1 or not all(value.shape for value in inputs):
        raise UnusualCallError
    attrs = Attributes(dim=dim)
    shape = TABLE["concat"].shape(tuple([value.shape for value in inputs]), {}, attrs)
    return t.emit("concat", inputs, shape, inputs[0].dtype, attrs)


@answers("stack")
def stack(t: Tracer, tensors: Any, dim: int = 0) -> Tensor:
    inputs = tuple([t.value(tensor) for tensor in tensors])
    if len({(value.shape, value.dtype) for value in inputs}) != 1:
        raise UnusualCallError
    shape = inputs[0].shape
    at = axis(dim, len(shape) + 1)
    out = (*shape[:at], len(inputs), *shape[at:])
    return t.emit("stack", inputs, out, inputs[0].dtype, Attributes(dim=dim))
