"""A model's modules copied without their tensors, so that a run has a state of its own.

What a forward pass writes to its modules (counters, modes, caches, buffers that are replaced) goes
to the copies. Other threads that use the model at the same time are not disturbed, and what they
write is not lost.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from archcalc.errors import UsageError
from archcalc.guard import first_line


class Copies:
    """Copies of modules and of the plain containers in their attributes; everything else, tensors
    above all, is shared."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}
        """By the identity of the original, which ``kept`` keeps alive."""
        self.kept: list[Any] = []
        self.modules: dict[int, nn.Module] = {}
        """The original of each copied module, by the identity of the copy."""
        self.lazy = False
        """A layer was met whose sizes its first input decides."""

    def of(self, value: Any) -> Any:
        """The copy of a module, or a value with copies in the place of modules."""
        copier = copier_of(type(value))
        if copier is None:
            return value
        found = self.made.get(id(value))
        return copier(self, value) if found is None else found

    def module(self, module: nn.Module) -> nn.Module:
        copy: nn.Module = object.__new__(type(module))
        self.remember(module, copy)
        self.modules[id(copy)] = module
        state = copy.__dict__
        state.update(module.__dict__)
        for name, value in state.items():
            kind = type(value)
            copier = copier_of(kind)
            if copier is None:
                continue
            # Most of the containers of most modules are empty.
            empty = (kind is dict or kind is OrderedDict) and not value
            state[name] = self.remember(value, kind()) if empty else self.of(value)
        return copy

    def table(self, table: Any) -> Any:
        copy = self.remember(table, type(table)())
        for key, item in table.items():
            copy[key] = item if copier_of(type(item)) is None else self.of(item)
        return copy

    def sequence(self, items: Any) -> Any:
        copy: Any = self.remember(items, [])
        copy.extend(map(self.of, items))
        return copy

    def record(self, items: Any) -> Any:
        copies = tuple(map(self.of, items))
        changed = any(copy is not item for copy, item in zip(copies, items, strict=True))
        return copies if changed else items

    def members(self, items: Any) -> Any:
        return self.remember(items, items.copy())  # modules in it are met as a closure's are

    def method(self, method: Any) -> Any:
        owner = self.of(method.__self__)
        return method if owner is method.__self__ else MethodType(method.__func__, owner)

    def bound(self, call: Any) -> Any:
        function, args, keywords = self.of((call.func, call.args, call.keywords))
        return partial(function, *args, **keywords)

    def handle(self, handle: Any) -> Any:
        """A handle that removes its hook from the copies of what it would remove it from."""
        copy: Any = self.remember(handle, RemovableHandle.__new__(RemovableHandle))
        copy.__dict__.update(handle.__dict__)
        hooks = handle.hooks_dict_ref()
        if hooks is not None:
            copy.hooks_dict_ref = weakref.ref(self.of(hooks))
        copy.extra_dict_ref = tuple(
            weakref.ref(self.of(found)) for each in handle.extra_dict_ref if (found := each())
        )
        return copy

    def unsized(self, tensor: Any) -> Any:
        """A lazy layer's parameter or buffer, which takes its size in place: another one."""
        self.lazy = True
        make: Any = type(tensor)
        fresh = make(requires_grad=tensor.requires_grad, device="meta", dtype=tensor.dtype)
        return self.remember(tensor, fresh)

    def remember(self, value: Any, copy: Any) -> Any:
        self.made[id(value)] = copy
        self.kept.append(value)
        return copy


Copier = Callable[[Copies, Any], Any]

COPIERS: dict[type, Copier] = {
    dict: Copies.table,
    OrderedDict: Copies.table,
    list: Copies.sequence,
    tuple: Copies.record,
    set: Copies.members,
    MethodType: Copies.method,
    partial: Copies.bound,
    RemovableHandle: Copies.handle,
    nn.UninitializedParameter: Copies.unsized,
    nn.UninitializedBuffer: Copies.unsized,
}


_copiers: dict[Any, Copier | None] = {}
"""Of the types met so far."""


def copier_of(kind: Any) -> Copier | None:
    """How values of a type are copied; None for those that are shared. A scripted module lives
    outside of Python, where it cannot be copied."""
    if kind not in _copiers:
        is_module = issubclass(kind, nn.Module) and not issubclass(kind, torch.jit.ScriptModule)
        _copiers[kind] = Copies.module if is_module else COPIERS.get(kind)
    return _copiers[kind]


def settle_sizes(model: Any, args: Any, kwargs: Any, name: str) -> None:
    """Let lazy layers take their sizes from the inputs, on meta. Raises UsageError."""
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as error:  # the model's own code can fail in any way
        raise UsageError(
            f"{name} has lazy layers that cannot take their sizes from this input: "
            f"{first_line(error)}; call the model once on an input and trace it then"
        ) from error
