"""Build a module on ``meta``: its parameters take no memory and are not initialised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archcalc.pytorch.trace.modules import deep_enough, no_collection
from archcalc.pytorch.trace.own_random import own_random
from archcalc.pytorch.trace.recorder import tensors_in
from archcalc.pytorch.trace.tracer import META

MEMORY = frozenset(
    [
        *(torch.empty, torch.empty_strided, torch.rand, torch.randn),
        *(torch.zeros, torch.ones, torch.full),
    ]
)
"""Functions that allocate parameters. The rest (``linspace``, ``arange``, ``tensor``) keep their
values while the model is built, because some models compute settings from them."""

INITIALISERS = frozenset(
    function for name, function in vars(nn.init).items() if name.endswith("_") and name[0] != "_"
) | frozenset(
    [
        *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.bernoulli_),
        *(Tensor.copy_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_),
    ]
)
"""Functions that only change values, and do nothing on ``meta``."""


def build_on_meta(factory: Callable[[], nn.Module]) -> nn.Module:
    """Call ``factory`` with its parameters on ``meta``, or with real ones if it needs values.

    The process's random state is unchanged.
    """
    with own_random(draws=True), no_collection():
        try:
            with BuildMode():
                module = factory()
        except (RuntimeError, NotImplementedError) as error:
            if "meta" not in str(error).lower():
                raise
            return factory()
    if not isinstance(module, nn.Module):
        return module  # the factory returned a plain function
    with deep_enough(module):  # torch's walk over modules recurses once per level
        modules = list(module.modules())
    for each in modules:
        for name, parameter in each._parameters.items():
            if parameter is not None and not parameter.is_meta:
                moved = nn.Parameter(parameter.detach().to(META), parameter.requires_grad)
                each._parameters[name] = moved
        for name, buffer in each._buffers.items():
            if buffer is not None and not buffer.is_meta:
                each._buffers[name] = buffer.to(META)
    return module


class BuildMode(TorchFunctionMode):
    """Send parameters to ``meta`` and skip their initialisers."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in MEMORY:
            return _empty(func, args, {**kwargs, "device": META})
        if func in INITIALISERS:
            target = args[0] if args else next(iter(tensors_in(kwargs)), None)
            if isinstance(target, Tensor) and target.is_meta:
                return target
        elif len(args) > 1:
            given = tensors_in(args)
            if len(given) > 1 and any(each.is_meta for each in given):
                args = _on_meta(args)
        return func(*args, **kwargs)


def _empty(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a tensor on ``meta``. If its size in bytes overflows, expand a single element instead:
    only the shape is traced."""
    try:
        return func(*args, **kwargs)
    except RuntimeError as error:
        if "overflow" not in str(error).lower() or func is torch.empty_strided:
            raise
        sizes = args[0] if args and not isinstance(args[0], int) else args
        return torch.empty(1, dtype=kwargs.get("dtype"), device=META).expand(sizes)


def _on_meta(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree if tree.is_meta else tree.to(META)
    if type(tree) in (list, tuple):
        return type(tree)([_on_meta(item) for item in tree])
    return tree
