"""Interpret a model's inputs: tensors, shapes, text such as ``x=1,3,224,224:f32``, or any value."""

from __future__ import annotations

import copy
import inspect
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten_with_path, tree_map

from archcalc.errors import UsageError
from archcalc.guard import first_line
from archcalc.lookup.inputs import TensorShape, parse_tensor, shape
from archcalc.pytorch.trace.symbols import SIZES, has_size, plain
from archcalc.pytorch.trace.tracer import ValuesNeededError


def arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Interpret the shapes and texts among the arguments of a call.

    At the top level a plain tuple of integers is a shape and text (``"ids=1,128:i64"``) is a
    tensor, unless the parameter's annotation or default expects integers or text. Nothing inside
    an argument is interpreted. Text with a name becomes a keyword argument.
    """
    by_position, by_name = parameters(function, len(args))
    positional = []
    named = {key: interpreted(value, by_name(key)) for key, value in kwargs.items()}
    for value, parameter in zip(args, by_position, strict=True):
        if isinstance(value, str) and not wants(parameter, str):
            name, shape = parse_tensor(value)
            if name in named:
                raise UsageError(f"input {name!r} is given twice")
            if name:
                named[name] = shape
            else:
                positional.append(shape)
        else:
            positional.append(interpreted(value, parameter))
    return tuple(positional), named


def interpreted(value: Any, parameter: inspect.Parameter | None) -> Any:
    """Turn a plain tuple or text into a shape, if the parameter allows it."""
    if isinstance(value, str) and not wants(parameter, str):
        return parse_tensor(value)[1]
    if type(value) is torch.Size:
        return TensorShape(tuple(value))
    if type(value) is tuple and value and all(type(size) is int for size in value):
        return value if wants(parameter, int) else shape(*value)
    return value


Parameter = inspect.Parameter


def parameters(
    function: Callable[..., Any], count: int
) -> tuple[list[Parameter | None], Callable[[str], Parameter | None]]:
    """Return the parameters of ``count`` positional arguments, and a lookup by name.

    A parameter is None where the signature does not name it.
    """
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception:  # an annotation that cannot be evaluated here
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return [None] * count, lambda name: None  # a builtin
    found: list[Parameter | None] = []
    rest = keywords = None
    for each in signature.parameters.values():
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            found.append(each)
        elif each.kind is each.VAR_POSITIONAL:
            rest = each
        elif each.kind is each.VAR_KEYWORD:
            keywords = each
    found += [rest] * (count - len(found))
    return found[:count], lambda name: signature.parameters.get(name, keywords)


SEQUENCES = (tuple, list, abc.Sequence, abc.Iterable, abc.Collection, set, frozenset)


def wants(parameter: Parameter | None, kind: type) -> bool:
    """Whether a parameter's default or annotation expects plain values of ``int`` or ``str``."""
    if parameter is None:
        return False
    plain = (tuple, list, int, float) if kind is int else (str,)
    if isinstance(parameter.default, plain):
        return True
    return _annotated(parameter.annotation, kind)


def _annotated(annotation: Any, kind: type) -> bool:
    if isinstance(annotation, str):
        return kind.__name__ in annotation and "Tensor" not in annotation
    origin = typing.get_origin(annotation)
    inner = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        tensors = any(isinstance(each, type) and issubclass(each, Tensor) for each in inner)
        return not tensors and any(_annotated(each, kind) for each in inner)
    if origin is typing.Annotated:
        return _annotated(inner[0], kind)
    if origin is typing.Literal:
        return all(isinstance(each, kind) for each in inner)
    if origin in SEQUENCES:
        return any(_annotated(each, kind) for each in inner)
    bare = (*SEQUENCES, torch.Size) if kind is int else ()
    return annotation is kind or annotation in bare


def stand_in(value: Any, device: torch.device, real: bool) -> Any:
    """Replace every tensor and shape in the arguments by a new tensor.

    On ``meta`` it is empty. In a real run it is a copy of the caller's tensor. For a shape it holds
    random numbers, or zeros for integer dtypes, which are valid indices anywhere. Objects with
    state, such as a cache, are copied so that the run does not change the caller's.
    """

    def is_leaf(value: Any) -> bool:
        return isinstance(value, TensorShape) or has_state(value)

    def leaf(value: Any) -> Any:
        if isinstance(value, (Tensor, TensorShape)):
            return _tensor(value, device, real)
        return copied(value) if has_state(value) else value

    def convert(value: Any) -> Any:
        return tree_map(leaf, value, is_leaf=is_leaf)

    def copied(value: Any) -> Any:
        memo = {id(each): convert(each) for _, each in walk(value, "", objects=True)}
        memo |= {id(each): each for each in vars(value).values() if isinstance(each, nn.Module)}
        with suppress(Exception):  # it may hold an object that cannot be copied, such as a lock
            return copy.deepcopy(value, memo)
        return value

    try:
        return convert(value)
    except (RuntimeError, MemoryError) as error:
        raise UsageError(f"cannot allocate the input: {first_line(error)}") from error


def has_state(value: Any) -> bool:
    """Whether an argument is an object that a run can change, not code or a Python module."""
    code = callable(value) or isinstance(value, types.ModuleType)
    return hasattr(value, "__dict__") and not code


def _tensor(value: Tensor | TensorShape, device: torch.device, real: bool) -> Tensor:
    if isinstance(value, TensorShape) and has_size(value.sizes):
        made = torch.empty(plain(value.sizes), dtype=getattr(torch, value.dtype), device=device)
        setattr(made, SIZES, value.sizes)
        return made
    if isinstance(value, TensorShape):
        value = torch.empty(value.sizes, dtype=getattr(torch, value.dtype), device="meta")
    if not real and value.layout is not torch.strided:
        raise ValuesNeededError(
            f"a {str(value.layout)[6:]} tensor's work depends on its stored values"
        )
    if not real:
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)
    return _filled(value) if value.is_meta else value.detach().to(device, copy=True)


def _filled(like: Tensor) -> Tensor:
    if like.dtype.is_floating_point or like.dtype.is_complex:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(like.shape, dtype=like.dtype, generator=generator)
    return torch.zeros(like.shape, dtype=like.dtype)


def named_tensors(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor among the arguments under a dotted name that starts with its parameter."""
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
        yield from walk(value, name, objects=True)
    for name, value in kwargs.items():
        yield from walk(value, name, objects=True)


def walk(tree: Any, name: str, *, objects: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a nested structure under dotted names: ``hidden.0``, ``out.logits``.

    With ``objects``, include those in attributes: ``past_key_values.layers.0.keys``.
    """
    return _walk(tree, name, objects, set())


def _walk(tree: Any, name: str, objects: bool, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Tensor):
        yield name, tree
        return
    items = list(_children(tree, objects))
    if id(tree) in seen:
        return  # a structure that contains itself
    seen.add(id(tree))
    for key, item in items:
        yield from _walk(item, f"{name}.{key}" if name else str(key), objects, seen)
    seen.remove(id(tree))


def _children(tree: Any, objects: bool) -> Iterator[tuple[str, Any]]:
    """Yield one level of a structure by name: mappings, data classes, pytrees and attributes."""
    # Before pytree, which knows some of these classes, such as transformers' outputs, only by
    # position.
    if isinstance(tree, Mapping):
        yield from ((str(key), item) for key, item in tree.items())
        return
    if is_dataclass(tree):
        yield from ((each.name, getattr(tree, each.name)) for each in fields(tree))
        return
    # A list may contain itself; its copy does not.
    root = copy.copy(tree) if isinstance(tree, abc.MutableSequence) else tree
    inside, _ = tree_flatten_with_path(root, is_leaf=lambda each: each is not root)
    if all(path for path, _ in inside):  # the path of a leaf is empty
        for (key,), item in inside:
            yield str(getattr(key, "name", getattr(key, "idx", getattr(key, "key", "")))), item
    elif objects and has_state(tree):
        yield from vars(tree).items()
