"""Give each run its own random number generators.

A model's constructor and forward pass may draw random numbers or set a seed. They use generators
that belong to the run, so the process's generators do not change and need not be rewound. Another
thread that draws numbers during a trace never sees a number twice. Each run starts from the same
seed, so tracing is repeatable.
"""

from __future__ import annotations

import functools
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from archcalc.pytorch.trace.recorder import tensors_in

SEED = 0
DRAWS = torch.Tag.nondeterministic_seeded


class Generators:
    """The generators of one run, each created on first use."""

    def __init__(self) -> None:
        self.torch: dict[torch.device, torch.Generator] = {}

    @functools.cached_property
    def python(self) -> random.Random:
        return random.Random(SEED)

    @functools.cached_property
    def numpy(self) -> Any:
        return sys.modules["numpy"].random.RandomState(SEED)

    def of(self, device: torch.device) -> torch.Generator:
        """Return torch's generator on this device."""
        found = self.torch.get(device)
        if found is None:
            found = self.torch[device] = torch.Generator(device).manual_seed(SEED)
        return found


CPU = torch.device("cpu")

_running = threading.local()
_lock = threading.Lock()
_runs = 0
_patched: list[tuple[ModuleType, str, Any]] = []


@contextmanager
def own_random(*, draws: bool) -> Iterator[None]:
    """Redirect this thread's random draws to the run's own generators.

    With ``draws``, torch's operations draw from them too. A run on ``meta`` draws nothing and does
    not need this.
    """
    global _runs
    with _lock:
        if not _runs:
            _patch()
        _runs += 1
    before = getattr(_running, "generators", None)
    generators = _running.generators = before or Generators()
    try:
        with Draws(generators) if draws else nullcontext():
            yield
    finally:
        _running.generators = before
        with _lock:
            _runs -= 1
            if not _runs:
                while _patched:
                    setattr(*_patched.pop())


class Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Pass the run's generator to every operation that draws random numbers."""

    supports_higher_order_operators = True

    def __init__(self, generators: Generators) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.generators = generators

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload) or DRAWS not in func.tags:
            return func(*args, **kwargs)
        device = _device(args, kwargs)
        if device.type == "meta" or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        own = self.generators.of(device)
        drawing = _with_generator(func)
        if drawing is not None:
            return drawing(*args, **{**kwargs, "generator": own})
        fill = FILLS.get(func._schema.name)
        if fill is not None and all(isinstance(limit, int) for limit in args[1:]):
            like, *limits = args
            return fill(torch.empty_like(like, **kwargs), *limits, generator=own)
        if device != CPU:
            return func(*args, **kwargs)
        # This operation draws only from the process's generator: give that the run's state for the
        # duration of the call.
        shared = torch.default_generator
        with _lock:
            state = shared.get_state()
            shared.set_state(own.get_state())
            try:
                return func(*args, **kwargs)
            finally:
                own.set_state(shared.get_state())
                shared.set_state(state)


FILLS: dict[str, Callable[..., Tensor]] = {
    "aten::rand_like": Tensor.uniform_,
    "aten::randn_like": Tensor.normal_,
    "aten::randint_like": Tensor.random_,
}
"""In-place equivalents of operations whose overloads take no generator in torch 2.9.
``randint_like`` and ``random_`` take the same limits."""


def _device(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
    given = kwargs.get("device")
    if given is not None:
        return torch.device(given)
    tensor = next(iter(tensors_in((args, kwargs))), None)
    return tensor.device if isinstance(tensor, Tensor) else CPU


@functools.cache
def _with_generator(func: OpOverload) -> Any:
    """Return the overload of an operation that takes a generator, or None."""
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    name = func._schema.overload_name
    other = f"{name}_generator" if name else "generator"
    return getattr(func.overloadpacket, other, None)


# -- module-level functions that use the process's generators


def _patch() -> None:
    _redirect(random, _bound_to(random, getattr(random, "_inst")), _python)  # noqa: B009  # untyped
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        names = _bound_to(numpy.random, numpy.random.mtrand._rand)
        names |= {"seed": "seed", "sample": "random_sample", "ranf": "random_sample"}
        _redirect(numpy.random, names, _numpy)
    for module in (torch, torch.random):
        _redirect(module, TORCH_STATE, _torch)


def _python() -> random.Random:
    found: random.Random = _running.generators.python
    return found


def _numpy() -> Any:
    return _running.generators.numpy


def _torch() -> torch.Generator:
    found: torch.Generator = _running.generators.of(CPU)
    return found


TORCH_STATE = {
    "manual_seed": "manual_seed",
    "seed": "seed",
    "initial_seed": "initial_seed",
    "get_rng_state": "get_state",
    "set_rng_state": "set_state",
}
"""torch's functions on the process's random state, and the equivalent generator methods."""


def _bound_to(module: ModuleType, instance: Any) -> dict[str, str]:
    """Return the functions of a module that are bound methods of ``instance``, by name."""
    found = vars(module).items()
    return {name: value.__name__ for name, value in found if _owner(value) is instance}


def _owner(value: Any) -> Any:
    return getattr(value, "__self__", None)


def _redirect(module: ModuleType, names: dict[str, str], own: Callable[[], Any]) -> None:
    """Make functions of a module use the run's generator in a thread that traces."""
    for name, method in names.items():
        original = getattr(module, name)
        _patched.append((module, name, original))
        setattr(module, name, _redirected(original, method, own))


@functools.cache
def _redirected(original: Any, method: str, own: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if getattr(_running, "generators", None) is None:
            return original(*args, **kwargs)
        return getattr(own(), method)(*args, **kwargs)

    return call
