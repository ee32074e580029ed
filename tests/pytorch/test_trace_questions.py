"""Answers about masks are assumed if they change no count."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import archcalc
from archcalc.pytorch.trace import trace

PRODUCT = 4 * 4 * 4
"""Multiply-adds of (4, 4) times (4, 4)."""
MASK = archcalc.shape(2, 4, dtype="i64")


class Masked(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if mask.all():
            return x @ x
        return (x + 1) @ x


def test_the_note_says_what_the_other_answer_costs() -> None:
    graph = trace(Masked(), (4, 4), MASK)
    assert graph.profile().macs == PRODUCT
    (note,) = graph.notes
    assert note.startswith("a question about values at test_trace_questions.py:")
    assert note.endswith(
        "is taken to be true; the other answer has the same multiply-adds and "
        f"{4 * 4} more other operations"
    )


def test_an_answer_that_changes_a_count_is_not_assumed() -> None:
    def model(x: Tensor, mask: Tensor) -> Tensor:
        return x if (mask == 0).any() else x @ x

    ones, zeros = torch.ones(2, 4), torch.zeros(2, 4)
    for mask, expected in ((ones.long(), PRODUCT), (zeros.long(), 0)):
        graph = trace(model, (4, 4), mask)
        assert graph.profile().macs == expected
        assert "a count depends on values at test_trace_questions.py:" in graph.notes[0]


def test_a_check_that_fails_with_the_other_answer_is_allowed() -> None:
    def model(x: Tensor, ids: Tensor) -> Tensor:
        if (ids < 0).any():
            raise ValueError("negative")
        return x @ x

    assert trace(model, (4, 4), MASK).profile().macs == PRODUCT


def test_the_answer_of_a_search_for_padding_is_assumed() -> None:
    """transformers looks for padding in this way, to warn of a missing mask."""

    def model(x: Tensor, ids: Tensor) -> Tensor:
        return (x + 1) @ x if 0 in ids[:, [-1, 0]] else x @ x

    graph = trace(model, (4, 4), MASK)
    assert graph.profile().macs == PRODUCT
    (note,) = graph.notes
    assert "is taken to be false" in note


def test_overflow_is_assumed_not_to_happen() -> None:
    def model(x: Tensor) -> Tensor:
        y = x @ x
        if not y.isfinite().all() or torch.isinf(y).any() | torch.isnan(y).any():
            y = y.clamp(-1, 1)
        return y

    graph = trace(model, (4, 4))
    assert graph.profile().macs == PRODUCT
    assert "clamp" not in [node.op for node in graph]


def test_a_question_about_floating_point_values_needs_them() -> None:
    def model(x: Tensor) -> Tensor:
        return x @ x if (x > 0).all() else x + 1

    assert trace(model, torch.ones(4, 4)).notes[0].startswith("run on the CPU with real values")


def test_a_loop_that_waits_for_an_answer_ends() -> None:
    def model(x: Tensor, ids: Tensor) -> Tensor:
        while not (ids > 3).all():
            ids = ids + 1
        return x @ x

    assert trace(model, (4, 4), MASK).profile().macs == PRODUCT
