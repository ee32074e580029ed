"""An exponential moving average of a network's weights and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

EVERY = 5
"""Steps between two updates with lookahead."""


class Average:
    """The average after each step: ``decay`` × previous average + (1 − ``decay``) × weights.

    At first the decay is lower, ``(1 + steps) / (10 + steps)``, so that the initial weights fade
    quickly. Integers, such as the number of batches, are copied.

    With ``lookahead``, the average is updated every five steps, and the network continues from it.
    The decay of five steps is ``decay⁵ × progress³``, so that it hardly acts at first.
    """

    def __init__(self, network: nn.Module, decay: float, lookahead: bool = False) -> None:
        self.network = deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.lookahead = lookahead
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module, progress: float) -> None:
        """Take the network's weights into the average. ``progress`` is the finished fraction of the
        training."""
        self.steps += 1
        if not self.lookahead:
            self._take(network, min(self.decay, self.steps / (9 + self.steps)))
        elif self.steps % EVERY == 0:
            self._take(network, self.decay**EVERY * progress**3)
            network.load_state_dict(self.network.state_dict())

    def _take(self, network: nn.Module, decay: float) -> None:
        ours, theirs = self.network.state_dict(), network.state_dict()
        moving = [name for name, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [ours[name] for name in moving], [theirs[name] for name in moving], 1 - decay
        )
        for name in ours.keys() - set(moving):
            ours[name].copy_(theirs[name])

    def state(self) -> dict[str, Tensor]:
        """Return the tensors for a checkpoint."""
        return {**self.network.state_dict(), "steps": torch.tensor(self.steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.steps = int(state["steps"])
        self.network.load_state_dict({key: state[key] for key in state if key != "steps"})
