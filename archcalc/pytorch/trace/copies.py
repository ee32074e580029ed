"""Copy a model's modules, but not their tensors, so that a run has its own state.

A forward pass may write to its modules: counters, modes, caches, replaced buffers. These writes go
to the copies. Other threads can use the model at the same time, and their own writes are kept.
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
    """Copies modules and the plain containers in their attributes. Everything else is shared,
    tensors included."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}
        """Copies by the ``id()`` of the original, which ``kept`` keeps alive."""
        self.kept: list[Any] = []
        self.modules: dict[int, nn.Module] = {}
        """The original of each copied module, by the ``id()`` of the copy."""
        self.lazy = False
        """Whether a lazy layer was found: its first input decides its sizes."""

    def of(self, value: Any) -> Any:
        """Return the copy of a module, or a value with its modules replaced by copies."""
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
            # A shortcut: most containers of most modules are empty.
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
        return self.remember(items, items.copy())  # modules in it are found when they are called

    def method(self, method: Any) -> Any:
        owner = self.of(method.__self__)
        return method if owner is method.__self__ else MethodType(method.__func__, owner)

    def bound(self, call: Any) -> Any:
        function, args, keywords = self.of((call.func, call.args, call.keywords))
        return partial(function, *args, **keywords)

    def handle(self, handle: Any) -> Any:
        """Copy a handle so that it removes its hook from the copied module."""
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
        """Replace a lazy layer's parameter or buffer, which gets its size in place."""
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
"""A cache of ``copier_of``."""


def copier_of(kind: Any) -> Copier | None:
    """Return the function that copies values of a type, or None for types that are shared.

    A scripted module lives outside Python and cannot be copied.
    """
    if kind not in _copiers:
        is_module = issubclass(kind, nn.Module) and not issubclass(kind, torch.jit.ScriptModule)
        _copiers[kind] = Copies.module if is_module else COPIERS.get(kind)
    return _copiers[kind]


def settle_sizes(model: Any, args: Any, kwargs: Any, name: str) -> None:
    """Run lazy layers once on ``meta``, so that they get their sizes. Raises UsageError."""
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    except Exception as error:  # the model's own code can fail in any way
        raise UsageError(
            f"the lazy layers of {name} cannot infer their sizes from this input: "
            f"{first_line(error)}; call the model once on a valid input before tracing it"
        ) from error
