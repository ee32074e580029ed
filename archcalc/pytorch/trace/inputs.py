"""What a model is given: tensors, shapes, or text such as ``x=1,3,224,224:f32``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.pytorch.trace.tracer import ValuesNeededError

DTYPES = {
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f64": torch.float64,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
    "c64": torch.complex64,
    "c128": torch.complex128,
}
"""The names that a tensor's text can end with."""


def parse_tensor_spec(text: str) -> tuple[str, Shape, torch.dtype]:
    """``"ids=1,128:i64"`` as (``"ids"``, (1, 128), torch.int64); the name may be missing, and the
    dtype is f32 unless said. Raises UsageError.

    >>> parse_tensor_spec("x=1,3,224,224:f16")
    ('x', (1, 3, 224, 224), torch.float16)
    """
    name, equals, rest = text.rpartition("=")
    sizes, _, kind = rest.partition(":")
    hint = "write sizes in torch's order, such as x=1,3,224,224:f32 or ids=1,128:i64"
    if equals and not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"input {text!r}: {name!r} is no argument's name; {hint}")
    if kind and kind not in DTYPES:
        raise UsageError(f"input {text!r}: {kind!r} is none of {', '.join(DTYPES)}")
    parts = [part.strip() for part in sizes.split(",")] if sizes else []
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"input {text!r}: {sizes!r} is no list of sizes; {hint}")
    return name, tuple(map(int, parts)), DTYPES[kind or "f32"]


def is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list, torch.Size)) and all(type(size) is int for size in value)


def stand_in(value: Any, device: torch.device, real: bool) -> Any:
    """The tensor that the run gets: empty on ``meta``, or in a real run a copy of the caller's
    own, or for a shape, random numbers (zeros where they are whole: valid indices anywhere)."""
    if isinstance(value, Tensor):
        if real:
            return (
                value.detach().to(device, copy=True) if value.is_meta is False else _filled(value)
            )
        if value.layout is not torch.strided:
            raise ValuesNeededError(
                f"a {str(value.layout)[6:]} tensor's work depends on what it stores"
            )
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)
    if isinstance(value, str):
        _, shape, dtype = parse_tensor_spec(value)
        empty = torch.empty(shape, dtype=dtype, device="meta")
        return _filled(empty) if real else empty
    if is_shape(value) and value:
        empty = torch.empty(tuple(value), device="meta")
        return _filled(empty) if real else empty
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[stand_in(item, device, real) for item in value])
    if type(value) in (tuple, list):
        return type(value)([stand_in(item, device, real) for item in value])
    if type(value) is dict:
        return {key: stand_in(item, device, real) for key, item in value.items()}
    return value


def _filled(like: Tensor) -> Tensor:
    if like.dtype.is_floating_point or like.dtype.is_complex:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(like.shape, dtype=like.dtype, generator=generator)
    return torch.zeros(like.shape, dtype=like.dtype)


def arguments(
    inputs: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Texts with a name (``"ids=1,128:i64"``) become keyword arguments of that name."""
    positional = []
    named = dict(kwargs)
    for value in inputs:
        name = parse_tensor_spec(value)[0] if isinstance(value, str) else ""
        if name:
            if name in named:
                raise UsageError(f"input {name!r} is given twice")
            named[name] = value
        else:
            positional.append(value)
    return tuple(positional), named


def named_tensors(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor among the arguments, under the parameter's name and the way inside it."""
    names = []
    try:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                names.append(parameter.name)
            elif parameter.kind is parameter.VAR_POSITIONAL:
                names += [f"{parameter.name}.{i}" for i in range(len(args))]
    except (TypeError, ValueError):
        pass  # a builtin without a signature
    names += [f"input_{i + 1}" for i in range(len(names), len(args))]
    for name, value in zip(names, args, strict=False):
        yield from walk(value, name)
    for name, value in kwargs.items():
        yield from walk(value, name)


def walk(tree: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a nested structure under dotted names: ``hidden.0``, ``out.logits``."""
    if isinstance(tree, Tensor):
        yield name, tree
        return
    if isinstance(tree, Mapping):
        items = list(tree.items())
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        items = list(zip(tree._fields, tree, strict=True))
    elif isinstance(tree, (list, tuple)):
        items = [(str(index), item) for index, item in enumerate(tree)]
    elif hasattr(tree, "__dataclass_fields__"):
        items = [(key, getattr(tree, key)) for key in tree.__dataclass_fields__]
    else:
        return
    for key, item in items:
        yield from walk(item, f"{name}.{key}" if name else str(key))
