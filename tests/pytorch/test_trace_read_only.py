"""Tracing never changes a model, whatever it consists of and however it is traced."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archcalc.errors import DefinitionError
from archcalc.pytorch.trace import trace

WIDTH = 4


class Stubborn(nn.Module):
    """A module whose forward pass fails."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("on purpose")


class Counting(nn.Module):
    """A module that counts calls in a buffer and an attribute, and reads a value."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.looks = looks
        self.calls = 0
        self.register_buffer("total", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.total += 1
        self.eval()
        if self.looks and x.sum() > 1e9:
            return -x
        return x * torch.rand(()) + random.random()


def leaf(kind: str) -> nn.Module:
    return {
        "conv": lambda: nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        "depthwise": lambda: nn.Conv2d(WIDTH, WIDTH, 1, groups=WIDTH, bias=False),
        "norm": lambda: nn.BatchNorm2d(WIDTH),
        "spectral": lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(WIDTH, WIDTH, 1)),
        "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(WIDTH, WIDTH, 1)),
        "relu": lambda: nn.ReLU(inplace=True),
        "dropout": lambda: nn.Dropout(),
        "counting": lambda: Counting(looks=False),
        "looking": lambda: Counting(looks=True),
        "failing": Stubborn,
    }[kind]()


KINDS = st.sampled_from(
    [
        *("conv", "depthwise", "norm", "spectral", "weight norm", "relu", "dropout"),
        *("counting", "looking", "failing"),
    ]
)


@st.composite
def models(draw: st.DrawFn) -> nn.Module:
    """Draw a chain of layers, some used twice, with modes, hooks, frozen parameters, gradients."""
    layers = [leaf(kind) for kind in draw(st.lists(KINDS, min_size=1, max_size=6))]
    layers += [
        layers[index % len(layers)] for index in draw(st.lists(st.integers(0, 9), max_size=2))
    ]
    model = nn.Sequential(nn.Sequential(*layers[::2]), *layers[1::2])
    for module in model.modules():
        module.training = draw(st.booleans())
        if draw(st.booleans()):
            module.register_forward_hook(lambda module, args, out: None)
    for parameter in model.parameters():
        parameter.requires_grad_(draw(st.booleans()))
        if draw(st.booleans()):
            parameter.grad = torch.ones_like(parameter)
    return model


def bits(tensor: Tensor | None) -> bytes:
    return b"" if tensor is None else tensor.detach().numpy().tobytes()


def state(model: nn.Module) -> Any:
    """Return everything visible of a model, including the bits of every tensor."""
    return [
        (
            name,
            module.training,
            sorted(set(vars(module)) - {"parametrizations"}),
            getattr(module, "calls", None),
            [id(hook) for hook in module._forward_hooks.values()],
            [
                (key, id(value), str(value.device), value._version, bits(value), bits(value.grad))
                for tensors in (module._parameters, module._buffers)
                for key, value in tensors.items()
                if value is not None
            ],
        )
        for name, module in model.named_modules()
    ]


@given(
    model=models(),
    way=st.sampled_from(["fast", "exact", "dispatch", "real"]),
    train=st.sampled_from([False, True, None]),
    mode=st.sampled_from([torch.enable_grad, torch.no_grad, torch.inference_mode]),
)
@settings(max_examples=150, deadline=None)
def test_tracing_changes_nothing(model: nn.Module, way: Any, train: bool | None, mode: Any) -> None:
    x = torch.rand(2, WIDTH, 5, 5)
    before = state(model)
    kept = bits(x), random.getstate(), bits(torch.get_rng_state())
    with mode():
        try:
            graph = trace(model, x, way=way, train=train, optimizer="adam" if train else None)
        except DefinitionError as error:
            # Either error is right: two in-place layers in a row cannot be differentiated.
            assert re.search("on purpose|inplace operation", str(error))  # noqa: PT017
        else:
            total = sum(parameter.numel() for parameter in model.parameters())
            assert sum(weight.numel for weight in graph.weights) == total
    assert state(model) == before
    assert (bits(x), random.getstate(), bits(torch.get_rng_state())) == kept


def test_every_exception_of_a_forward_except_interruptions_is_a_model_error() -> None:
    class Raising(nn.Module):
        def __init__(self, error: BaseException) -> None:
            super().__init__()
            self.error = error

        def forward(self, x: Tensor) -> Tensor:
            raise self.error

    for error in (ValueError("a"), SystemExit(0), BaseException("b"), MemoryError()):
        with pytest.raises(DefinitionError, match="Raising"):
            trace(Raising(error), (1, 2))
    with pytest.raises(KeyboardInterrupt):
        trace(Raising(KeyboardInterrupt()), (1, 2))
