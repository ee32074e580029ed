"""Derivatives inside a model's forward pass, with each of torch's interfaces for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archcalc.analysis.profile import profile
from archcalc.pytorch.trace import trace
from archcalc.pytorch.trace.tracer import Way

FORWARD = 4 * 6
"""Multiply-adds of one product of the 4×6 matrix with a vector."""
MATRIX = torch.rand(4, 6)


def layer(x: Tensor) -> Tensor:
    return (x @ MATRIX.T).relu()


def loss(x: Tensor) -> Tensor:
    return (layer(x) ** 2).sum()


def func_vjp(x: Tensor) -> Any:
    out, pull = torch.func.vjp(layer, x)
    return pull(torch.ones_like(out))


def func_linearize(x: Tensor) -> Any:
    _, push = torch.func.linearize(layer, x)
    return push(torch.ones_like(x))


def dual_numbers(x: Tensor) -> Any:
    with forward_ad.dual_level():
        out = layer(forward_ad.make_dual(x, torch.ones_like(x)))
        return forward_ad.unpack_dual(out).tangent


def own_backward(x: Tensor) -> Any:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        layer(x).sum().backward()
    return x.grad


def own_grad(x: Tensor) -> Any:
    with torch.enable_grad():
        x = x.detach()
        x.requires_grad = True
        return torch.autograd.grad(layer(x).sum(), x)


class OfParameters(nn.Module):
    """The gradient with respect to a module's parameters, by torch.func."""

    def __init__(self, pull: bool) -> None:
        super().__init__()
        self.line = nn.Linear(6, 4)
        self.pull = pull

    def forward(self, x: Tensor) -> Any:
        parameters = dict(self.line.named_parameters())

        def run(parameters: dict[str, Tensor]) -> Tensor:
            out: Tensor = torch.func.functional_call(self.line, parameters, (x,))
            return out

        if not self.pull:
            ones = {name: torch.ones_like(each) for name, each in parameters.items()}
            return torch.func.jvp(run, (parameters,), (ones,))[1]
        out, pull = torch.func.vjp(run, parameters)
        return pull(torch.ones_like(out))


CALLS: dict[str, Callable[[Tensor], Any]] = {
    "func.vjp": func_vjp,
    "func.jvp": lambda x: torch.func.jvp(layer, (x,), (torch.ones_like(x),)),
    "func.linearize": func_linearize,
    "func.grad": torch.func.grad(loss),
    "func.jacrev": torch.func.jacrev(layer),
    "func.jacfwd": torch.func.jacfwd(layer),
    "func.hessian": torch.func.hessian(loss),
    "func.vmap": torch.func.vmap(layer),
    "functional.vjp": lambda x: torch.autograd.functional.vjp(layer, x, torch.ones(1, 4)),
    "functional.jvp": lambda x: torch.autograd.functional.jvp(layer, x, torch.ones_like(x)),
    "functional.hvp": lambda x: torch.autograd.functional.hvp(loss, x, torch.ones_like(x)),
    "functional.vhp": lambda x: torch.autograd.functional.vhp(loss, x, torch.ones_like(x)),
    "functional.jacobian": lambda x: torch.autograd.functional.jacobian(layer, x),
    "functional.hessian": lambda x: torch.autograd.functional.hessian(loss, x),
    "forward_ad": dual_numbers,
    "backward": own_backward,
    "grad": own_grad,
    "vjp of parameters": OfParameters(pull=True),
    "jvp of parameters": OfParameters(pull=False),
}
WAYS: tuple[Way, ...] = ("fast", "exact", "dispatch", "real")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_every_derivative_is_counted_as_torchs_own_counter_counts_it(name: str, way: Way) -> None:
    x = torch.rand(1, 6)
    with FlopCounterMode(display=False) as counter:
        CALLS[name](x.clone())
    found = profile(trace(CALLS[name], x, way=way))
    assert 2 * found.macs == counter.get_total_flops()
    assert found.not_counted == ()


@pytest.mark.parametrize(
    ("name", "passes"),
    [("func.vmap", 1), ("func.vjp", 2), ("backward", 2), ("functional.vjp", 2)],
)
def test_a_backward_pass_to_the_input_is_one_more_product(name: str, passes: int) -> None:
    assert profile(trace(CALLS[name], torch.rand(1, 6))).macs == passes * FORWARD


def test_a_model_that_only_marks_its_input_is_counted_once() -> None:
    def model(x: Tensor) -> Tensor:
        return layer(x.requires_grad_())

    assert profile(trace(model, torch.rand(1, 6))).macs == FORWARD


class Between(nn.Module):
    """Two linear layers with a function in between."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.between = between
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.between(self.first(x)))
        return out


@pytest.mark.parametrize("way", ["fast", "exact", "dispatch", "real"])
@pytest.mark.parametrize(
    "between",
    [
        lambda x: x[...],
        lambda x: x[:, :, :],
        lambda x: x[:, slice(0, None), :],  # as in a language model that keeps all logits
        torch.ops.aten.alias.default,
    ],
)
def test_the_gradient_goes_through_another_name_of_a_tensor(
    between: Callable[[Tensor], Tensor], way: Way
) -> None:
    graph = trace(Between(between), (1, 5, 4), train=True, way=way)
    product = 5 * 4 * 4
    # Two products forward; backward, one for each weight and one for the last layer's input.
    assert [phase.macs for phase in graph.profile().by_phase] == [2 * product, 3 * product]


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_each_gradient_of_a_grouped_convolution_costs_what_its_forward_pass_does(
    groups: int,
) -> None:
    """``FlopCounterMode`` counts the weight's gradient as for one group."""
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=groups))
    graph = trace(net, (1, 3, 8, 8), train=True)
    first, grouped = 8 * 8 * 8 * 3, 6 * 6 * 8 * (3 * 3 * 8 // groups)
    assert [phase.macs for phase in graph.profile().by_phase] == [
        first + grouped,
        first + 2 * grouped,  # the network's input needs no gradient
    ]
