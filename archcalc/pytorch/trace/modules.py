"""Find the module that makes each call, and restore every module's state after the run."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import eq, is_
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from archcalc.graph import Maker, times
from archcalc.language import Message, mark
from archcalc.pytorch.trace.recorder import Recorder, Scope, tensors_in

CONTAINERS = frozenset((dict, OrderedDict, list, set))


class Modules:
    """Every module of the model with its path and its state before the run."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.paths: dict[int, tuple[str, bool, Maker | None]] = {}
        self.modules: list[nn.Module] = []
        self.states: list[dict[str, Any]] = []
        self.before: list[dict[str, Any]] = []
        """A copy of each of ``states``, made before the run."""
        self.containers: list[Any] = []
        """The dicts, lists and sets in ``states``: hooks, parameters, children, user attributes."""
        self.contents: list[tuple[Any, Any]] = []
        """Each container that was not empty, with a copy of its contents."""
        self.kept = 0
        self.buffers: list[tuple[Tensor, Tensor]] = []
        self.mode: bool | None = None
        """Whether every module runs in training mode; None leaves each in its own mode."""
        self.fixed = False
        """Whether the model is an exported program, whose mode cannot change."""
        self.scripted_modes: list[tuple[nn.Module, bool]] = []
        """Modes of scripted modules, which are not in their attributes."""
        self.originals: dict[int, nn.Module] = {}
        """Each copied module by the ``id()`` of the copy that runs in its place."""
        self.shadows: dict[int, str] = {}
        """The paths of modules whose copies run. A closure may still call the original."""
        self.failed = ""
        """The innermost module whose forward raised, and its input shapes."""

    def add(self, module: nn.Module, path: str) -> None:
        """Add a module and its descendants. A module that is already present keeps its path."""
        if id(module) in self.paths:
            return
        prefix = f"{path}." if path else ""
        state = module.__dict__
        self.modules.append(module)
        original = self.originals.get(id(module))
        if original is None:  # not a copy: restored after the run
            self.states.append(state)
            self.before.append(state.copy())
            self.containers += [value for value in state.values() if type(value) in CONTAINERS]
        else:
            self.shadows[id(original)] = path
        if state.get("_compiled_call_impl") is not None:
            # Set by module.compile(), and bypassed during the run.
            state["_compiled_call_impl"] = None
        if isinstance(module, torch.jit.ScriptModule):
            self.add_scripted(module, path, prefix)
            return
        children = state["_modules"]
        self.paths[id(module)] = path, not children, maker(type(module))
        if state["_parameters"]:
            self.recorder.add_parameters(state["_parameters"], prefix)
        if state["_buffers"]:
            self.recorder.add_buffers(state["_buffers"], prefix)
        for name, child in children.items():
            if child is not None:
                self.add(child, prefix + name)

    def add_scripted(self, module: torch.jit.ScriptModule, path: str, prefix: str) -> None:
        """Add a scripted module. It runs on its own tensors and may write to its buffers, so their
        values are saved."""
        self.paths[id(module)] = path, False, None
        self.scripted_modes.append((module, module.training))
        self.recorder.add_parameters(dict(module.named_parameters(recurse=False)), prefix)
        for buffer in module.buffers(recurse=False):
            self.buffers.append((buffer, buffer.detach().clone()))
        for name, child in module.named_children():
            self.add(child, prefix + name)

    def keep(self) -> None:
        """Copy the contents of the containers added since the last call."""
        fresh = self.containers[self.kept :]
        self.contents += [(each, each.copy()) for each in fresh if each]
        self.kept = len(self.containers)

    def scope(self, module: nn.Module) -> Scope:
        """Return the scope of a call of this module."""
        found = self.paths.get(id(module))
        if found is None:
            # The model keeps it in a list or a closure, where torch does not find it.
            self.add(module, self.shadows.get(id(module)) or self.free_path(module))
            self.keep()
            self.switch(module)
            found = self.paths[id(module)]
        return Scope(*found)

    def free_path(self, module: nn.Module) -> str:
        """Return an unused path for a module that torch does not find in the model."""
        name = type(module).__name__.lower()
        taken = {path for path, *_ in self.paths.values()}
        number = 1
        while (path := name if number == 1 else f"{name}_{number}") in taken:
            number += 1
        return path

    def set_mode(self, mode: bool | None, root: Any) -> None:
        """Set training mode (True), evaluation mode (False), or each module's own mode (None)."""
        self.mode = mode
        if isinstance(root, nn.Module):
            self.switch(root)

    def switch(self, module: nn.Module) -> None:
        """Set a module to the mode of the run by its own ``train()``, which may keep layers
        frozen."""
        if self.mode is None:
            return
        try:
            module.train(self.mode)
        except NotImplementedError:  # raised by programs of torch.export
            self.fixed = True

    def modes(self) -> Message:
        """Return a note about the modes of the modules."""
        training = sum(module.training for module in self.modules)
        if training in (0, len(self.modules)):
            mode = mark("training") if training else mark("evaluation")
            return Message("in the module's own mode: {mode}", mode=Message(mode))
        return Message(
            "in the modules' own modes: {training} of {all} modules in training mode",
            training=training,
            all=len(self.modules),
        )

    def restore(self) -> None:
        """Restore every attribute of every module."""
        # First check whether anything changed, without a Python step per attribute.
        if not same(map(len, self.states), map(len, self.before)) or not all(
            map(is_, values_of(self.states), values_of(self.before))
        ):
            for state, before in zip(self.states, self.before, strict=True):
                _restore_dict(state, before)
        if sum(map(bool, self.containers)) != len(self.contents):
            full = {id(now) for now, _ in self.contents}
            for container in self.containers:
                if id(container) not in full:
                    container.clear()
        for now, before in self.contents:
            if isinstance(now, dict):
                _restore_dict(now, before)
            elif len(now) != len(before) or not all(map(is_, now, before)):
                now.clear()
                now.extend(before) if isinstance(now, list) else now.update(before)
        for module, training in self.scripted_modes:
            if module.training != training:
                module.training = training
        for buffer, value in self.buffers:
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)

    def fail(self, scope: Scope, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Record the innermost module that raised."""
        if not self.failed:
            given = " and ".join(times(tuple(each.shape)) for each in tensors_in(args))
            name = (
                f"{scope.path} ({type(module).__name__})" if scope.path else type(module).__name__
            )
            self.failed = f"{name} on {given}" if given else name


LAYERS = "torch.nn.modules."
DEFORMABLE = "torchvision.ops.deform_conv"
"""Defines the only layer outside torch.nn that another counter supports."""


MAKERS: dict[type[nn.Module], Maker | None] = {}
"""A cache of ``maker``."""


def maker(kind: type[nn.Module]) -> Maker | None:
    """Return the layer of torch.nn that a class is or derives from. Containers are not layers."""
    if kind not in MAKERS:
        MAKERS[kind] = _maker(kind)
    return MAKERS[kind]


def _maker(kind: type[nn.Module]) -> Maker | None:
    for each in kind.__mro__:
        place = each.__module__
        if place == DEFORMABLE:
            return Maker("conv", each is kind)
        if place.startswith(LAYERS) and place not in (f"{LAYERS}module", f"{LAYERS}container"):
            return Maker(place.removeprefix(LAYERS), getattr(nn, kind.__name__, None) is kind)
    return None


def values_of(states: list[dict[str, Any]]) -> Iterator[Any]:
    return chain.from_iterable(map(dict.values, states))


def same(a: Iterable[int], b: Iterable[int]) -> bool:
    return all(map(eq, a, b))


def _restore_dict(now: dict[str, Any], before: dict[str, Any]) -> None:
    if len(now) != len(before) or not all(map(is_, now.values(), before.values())):
        now.clear()
        now.update(before)


class Watcher(Protocol):
    """The part of a running trace that the patched module call uses."""

    recorder: Recorder
    modules: Modules

    def scripted(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run compiled torch.jit code, which only the dispatcher sees."""

    def own(self, tree: Any) -> Any:
        """Replace the model's tensors in the arguments by their twins."""


_watching = threading.local()
_patch_lock = threading.Lock()
_patches = 0
_original: Callable[..., Any] = nn.Module._call_impl
_original_script: Callable[..., Any] = torch.jit.ScriptFunction.__call__
_original_apply: Any = inspect.getattr_static(torch.autograd.Function, "apply")


def _call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    watcher: Watcher | None = getattr(_watching, "watcher", None)
    if watcher is None:
        return _original(module, *args, **kwargs)
    recorder, modules = watcher.recorder, watcher.modules
    outer = recorder.scope
    recorder.scope = scope = modules.scope(module)
    try:
        if isinstance(module, torch.jit.ScriptModule):
            return watcher.scripted(_original, module, *args, **kwargs)
        return _original(module, *args, **kwargs)
    except BaseException:
        modules.fail(scope, module, args)
        raise
    finally:
        recorder.scope = outer


def _call_script(function: Any, *args: Any, **kwargs: Any) -> Any:
    watcher: Watcher | None = getattr(_watching, "watcher", None)
    if watcher is None:
        return _original_script(function, *args, **kwargs)
    return watcher.scripted(_original_script, function, *args, **kwargs)


def _apply(function: type[torch.autograd.Function], *args: Any, **kwargs: Any) -> Any:
    watcher: Watcher | None = getattr(_watching, "watcher", None)
    if watcher is not None:
        # Autograd compares the gradients' devices with those of the function's arguments.
        args, kwargs = watcher.own(args), watcher.own(kwargs)
    return _original_apply.__get__(None, function)(*args, **kwargs)


def _patch(call: Any, call_script: Any, apply: Any) -> None:
    # setattr, because a type checker rejects assigning to a method.
    setattr(nn.Module, "_call_impl", call)  # noqa: B010
    setattr(torch.jit.ScriptFunction, "__call__", call_script)  # noqa: B010
    setattr(torch.autograd.Function, "apply", apply)  # noqa: B010


@contextmanager
def watch_modules(watcher: Watcher) -> Iterator[None]:
    """Follow the calls of modules in this thread.

    torch's global hooks would triple the cost of a call. Patching ``__call__``, as torch.fx does,
    would walk over every class of modules.
    """
    global _patches, _original
    with _patch_lock:
        if not _patches:
            _original = nn.Module._call_impl
            _patch(_call, _call_script, classmethod(_apply))
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
                _patch(_original, _original_script, _original_apply)


FRAMES_PER_LEVEL = 6
"""Python frames for each level of nested modules."""
MAX_FRAMES = 18_000
"""Frames that fit on a thread's default stack."""


@contextmanager
def deep_enough(model: Any) -> Iterator[None]:
    """Raise Python's recursion limit as far as the nesting of the modules requires."""
    limit = sys.getrecursionlimit()
    needed = min(limit + FRAMES_PER_LEVEL * _depth(model), MAX_FRAMES)
    if needed < limit + FRAMES_PER_LEVEL * USUAL_DEPTH:
        yield
        return
    sys.setrecursionlimit(needed)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


USUAL_DEPTH = 30
"""Levels of modules that fit in the usual recursion limit."""


def _depth(model: Any) -> int:
    depth = 0
    level = [model] if isinstance(model, nn.Module) else []
    seen: set[int] = set()
    while level:
        depth += 1
        seen.update(map(id, level))
        inside = {id(each): each for module in level for each in module._modules.values()}
        level = [each for key, each in inside.items() if each is not None and key not in seen]
    return depth


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the garbage collector.

    A run on ``meta`` makes thousands of small records and no garbage. Scanning all of torch's
    objects would take longer than the run.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
