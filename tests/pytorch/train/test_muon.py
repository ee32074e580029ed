"""Muon: its steps against torch's own for matrices, and what takes steps of SGD beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archcalc.errors import UsageError
from archcalc.pytorch.build import build
from archcalc.pytorch.train.muon import Muon, orthogonal
from archcalc.pytorch.train.network import optimizer
from archcalc.recipe import Recipe

RECIPE = Recipe(
    data="digits", optimizer="muon", lr=0.3, matrix_lr=0.1, momentum=0.9, batch=32, epochs=1
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_orthogonal_keeps_the_directions_and_evens_their_lengths(shape: tuple[int, int]) -> None:
    matrix = random(*shape)
    left, lengths, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonal(matrix) @ right.T  # in the matrix' own directions: diagonal
    assert lengths.max() / lengths.min() > 1.5
    assert found.diagonal().min() > 0.6
    assert found.diagonal().max() < 1.25
    assert (found - found.diagonal().diag()).abs().max() < 0.05


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_matrices_move_as_with_torchs_muon(shape: tuple[int, int], nesterov: bool) -> None:
    how: dict[str, Any] = {"lr": 0.1, "momentum": 0.8, "nesterov": nesterov, "weight_decay": 0.5}
    ours, theirs = (nn.Parameter(random(*shape)) for _ in range(2))
    our_steps = Muon([{"params": [ours], "orthogonal": True}], **how)
    their_steps = torch.optim.Muon([theirs], **how)
    for seed in range(1, 5):
        ours.grad, theirs.grad = random(*shape, seed=seed), random(*shape, seed=seed)
        our_steps.step()
        their_steps.step()
    moved = (theirs - random(*shape)).norm()
    # Both compute in bfloat16; torch's buffer is 1 - momentum times ours, and rounds otherwise.
    assert (ours - theirs).norm() < 0.02 * moved


def test_a_convolution_is_a_matrix_with_a_row_per_filter() -> None:
    grad = random(8, 3, 5, 5)
    convolution, matrix = nn.Parameter(torch.zeros(8, 3, 5, 5)), nn.Parameter(torch.zeros(8, 75))
    for parameter in (convolution, matrix):
        parameter.grad = grad.view_as(parameter).clone()
        Muon([{"params": [parameter], "orthogonal": True}], lr=1.0, momentum=0.9).step()
    assert torch.equal(convolution.flatten(1), matrix)


def test_biases_scales_and_the_last_layer_take_steps_of_sgd() -> None:
    network = build("nin,norm=batch")
    groups = optimizer(network, replace(RECIPE, bias_lr=2.0), 3).param_groups
    names = {id(value): name for name, value in network.named_parameters()}
    turned = {names[id(v)] for group in groups if group["orthogonal"] for v in group["params"]}
    convolutions = [n for n, v in network.named_parameters() if v.dim() == 4]
    assert turned == set(convolutions[:-1])
    assert {group["scale"] for group in groups if group["orthogonal"]} == {0.1}
    assert {group["scale"] for group in groups if not group["orthogonal"]} == {1.0, 2.0}


def test_matrices_decay_by_their_own_rate() -> None:
    recipe = replace(RECIPE, weight_decay=0.1, matrix_decay=0.02)
    groups = optimizer(build("nin,norm=batch"), recipe, 3).param_groups
    assert {group["weight_decay"] for group in groups if group["orthogonal"]} == {0.02}
    assert {group["weight_decay"] for group in groups if not group["orthogonal"]} == {0.1}
    with pytest.raises(UsageError, match="matrix_decay needs optimizer=muon"):
        replace(RECIPE, optimizer="sgd", matrix_lr=1.0, matrix_decay=0.1)


def test_other_parameters_move_as_with_torchs_sgd() -> None:
    ours, theirs = (nn.Parameter(random(5)) for _ in range(2))
    how: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
    our_steps = Muon([{"params": [ours], "orthogonal": False}], **how)
    their_steps = torch.optim.SGD([theirs], **how)
    for seed in range(1, 4):
        ours.grad, theirs.grad = random(5, seed=seed), random(5, seed=seed)
        our_steps.step()
        their_steps.step()
    assert torch.equal(ours, theirs)
