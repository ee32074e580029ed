"""The Muon optimizer: momentum steps that are orthogonalised, for weights that are matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration: they bring singular values near 1 fast rather than exactly."""


class Muon(torch.optim.SGD):
    """Stochastic gradient descent with Nesterov momentum, and Muon for the groups with
    ``orthogonal=True``.

    Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the step of a
    matrix by the nearest orthogonal matrix, so that no direction of the gradient prevails. A
    convolution is a matrix with a row per filter. Weight decay of these groups is decoupled
    (Loshchilov and Hutter 2019, arXiv:1711.05101). ``torch.optim.Muon`` takes neither convolutions
    nor other parameters beside them.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["orthogonal"]:
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._turn(weight, weight.grad, group)
                        weight.grad = None  # nothing is left for SGD
        super().step()
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Take the step of one matrix."""
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        step = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        if group["nesterov"]:
            step = gradient.add(step, alpha=group["momentum"])
        matrix = orthogonal(step.flatten(1))
        rows, columns = matrix.shape
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(matrix.view_as(step), alpha=-group["lr"] * sqrt(max(1.0, rows / columns)))


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Approximately the orthogonal factor ``U Vᵀ`` of a matrix ``U S Vᵀ``, by Newton-Schulz
    iterations in bfloat16. Singular values end up between about 0.7 and 1.2.

    >>> found = orthogonal(torch.diag(torch.tensor([3.0, 2.0, 1.0])))
    >>> bool(torch.linalg.svdvals(found).sub(1).abs().max() < 0.4)
    True
    """
    tall = matrix.shape[0] > matrix.shape[1]
    found: Tensor = matrix.bfloat16()
    found = found.T if tall else found
    found = found / (found.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(steps):
        square = found @ found.T
        found = a * found + (b * square + c * square @ square) @ found
    return (found.T if tall else found).to(matrix.dtype)
