"""An exponential moving average of a network's weights and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn


class Average:
    """The average after each step: ``decay`` × previous average + (1 − ``decay``) × weights.

    At first the decay is lower, ``(1 + steps) / (10 + steps)``, so that the initial weights fade
    quickly. Integers, such as the number of batches, are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
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
