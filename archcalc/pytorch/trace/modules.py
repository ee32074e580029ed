"""The user's modules: where a call happens, and that everything is afterwards as it was before."""

from __future__ import annotations

import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from archcalc.graph import times
from archcalc.pytorch.trace.recorder import Recorder, Scope, tensors_in

CONTAINERS = (dict, OrderedDict, list, set)


class Modules:
    """Every module of the model under the path that torch gives it, and its state to go back to."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.paths: dict[int, tuple[str, bool]] = {}
        self.saved: list[tuple[nn.Module, dict[str, Any], dict[str, Any]]] = []
        self.buffers: list[tuple[Tensor, Tensor]] = []
        self.failed = ""
        """Where the model's forward raised: the innermost module and what it was given."""

    def add(self, module: nn.Module, path: str) -> None:
        """Enter a module and all below it. A module that is there already keeps its path."""
        if id(module) in self.paths:
            return
        state = module.__dict__
        scripted = isinstance(module, torch.jit.ScriptModule)
        if scripted:
            children = dict(module.named_children())
            parameters, buffers = module.named_parameters, module.named_buffers
            own = [(f"{path}.{name}", each) for name, each in parameters(recurse=False)]
            # A scripted module runs outside of Python's sight and may write to its buffers.
            for _, buffer in buffers(recurse=False):
                self.buffers.append((buffer, buffer.detach().clone()))
        else:
            children, own = state["_modules"], _named(state["_parameters"], path)
            if state["_buffers"]:
                self.recorder.add_buffers(_named(state["_buffers"], path))
        self.paths[id(module)] = path, not children and not scripted
        contents = {
            key: value.copy() for key, value in state.items() if type(value) in CONTAINERS and value
        }
        self.saved.append((module, state.copy(), contents))
        if own:
            self.recorder.add_parameters(own)
        for name, child in children.items():
            if child is not None:
                self.add(child, f"{path}.{name}" if path else name)

    def scope(self, module: nn.Module) -> Scope:
        """Where a call of this module happens."""
        found = self.paths.get(id(module))
        if found is None:
            # A module that the model keeps in a list or a closure, where torch does not look.
            name = type(module).__name__.lower()
            taken = {path for path, _ in self.paths.values()}
            number = 1
            while (path := name if number == 1 else f"{name}_{number}") in taken:
                number += 1
            self.add(module, path)
            found = self.paths[id(module)]
        return Scope(*found)

    def restore(self) -> None:
        """Put every attribute of every module back."""
        for module, before, contents in self.saved:
            state = module.__dict__
            if len(state) != len(before):
                for key in state.keys() - before.keys():
                    del state[key]
            for key, value in before.items():
                if state.get(key, state) is not value:
                    state[key] = value
                if type(value) in CONTAINERS:
                    _restore_container(value, contents.get(key))
        for buffer, value in self.buffers:
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)

    def fail(self, scope: Scope, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Note the innermost module that raised."""
        if not self.failed:
            given = " and ".join(times(tuple(each.shape)) for each in tensors_in(args))
            name = (
                f"{scope.path} ({type(module).__name__})" if scope.path else type(module).__name__
            )
            self.failed = f"{name} on {given}" if given else name


def _named(tensors: dict[str, Tensor | None], path: str) -> list[tuple[str, Tensor]]:
    return [
        (f"{path}.{name}" if path else name, tensor)
        for name, tensor in tensors.items()
        if tensor is not None
    ]


def _restore_container(now: Any, before: Any) -> None:
    if before is None:
        if now:
            now.clear()
    elif isinstance(now, list):
        if len(now) != len(before) or any(a is not b for a, b in zip(now, before, strict=True)):
            now[:] = before
    elif isinstance(now, set):
        if now != before:
            now.clear()
            now.update(before)
    elif len(now) != len(before) or any(now.get(key, now) is not before[key] for key in before):
        now.clear()
        now.update(before)


class Watcher(Protocol):
    """What the patched ``Module.__call__`` needs of a running trace."""

    recorder: Recorder
    modules: Modules


_watching = threading.local()
_patch_lock = threading.Lock()
_patches = 0
_original: Callable[..., Any] = nn.Module.__call__


def _call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    watcher: Watcher | None = getattr(_watching, "watcher", None)
    if watcher is None:
        return _original(module, *args, **kwargs)
    recorder, modules = watcher.recorder, watcher.modules
    outer = recorder.scope
    recorder.scope = scope = modules.scope(module)
    try:
        return _original(module, *args, **kwargs)
    except BaseException:
        modules.fail(scope, module, args)
        raise
    finally:
        recorder.scope = outer


@contextmanager
def watch_modules(watcher: Watcher) -> Iterator[None]:
    """Follow the calls of modules in this thread. torch's hooks would do it at thrice the price;
    torch.fx patches the same method for the same reason."""
    global _patches, _original
    with _patch_lock:
        if not _patches:
            _original = nn.Module.__call__
            nn.Module.__call__ = _call  # type: ignore[method-assign]
        _patches += 1
    before = getattr(_watching, "watcher", None)
    _watching.watcher = watcher
    try:
        yield
    finally:
        _watching.watcher = before
        with _patch_lock:
            _patches -= 1
            if not _patches:
                nn.Module.__call__ = _original  # type: ignore[method-assign]


@contextmanager
def same_random_state() -> Iterator[None]:
    """Leave the random generators of Python, numpy and torch as they are."""
    python, cpu = random.getstate(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy is not None else None
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        if numpy is not None:
            numpy.random.set_state(drawn)
