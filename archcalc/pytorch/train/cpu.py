"""What makes training on a CPU faster and changes nothing that is learned.

Beside the convolutions, two things take a CPU's time: memory that the C library gives back to the
system after every layer and asks for again, page by page, and dropout's random numbers, which torch
draws one after another as floating-point numbers.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Options of glibc's mallopt (malloc.h), and the values that it arrives at by itself in a program
# that frees large blocks: to set one option ends its own choice of the others.
TRIM_THRESHOLD, TRIM_USUAL = -1, 64 * 2**20
MMAP_THRESHOLD, MMAP_USUAL = -3, 32 * 2**20
MMAP_MAX, MMAP_MAX_USUAL = -4, 65536
NEVER = -1


@contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Freed memory stays with the process, so that the next layer finds its pages in place.

    glibc takes blocks over 32 MiB from the system and gives them back at once, whatever it has
    learned about the program; a layer's activations are such blocks. Does nothing for a GPU, or
    where the C library is another.
    """
    library: Any = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if device.type != "cpu" or not hasattr(library, "mallopt"):  # musl has none
        yield
        return
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        library.mallopt(MMAP_MAX, MMAP_MAX_USUAL)
        library.mallopt(MMAP_THRESHOLD, MMAP_USUAL)
        library.mallopt(TRIM_THRESHOLD, TRIM_USUAL)
        library.malloc_trim(0)


class Dropout(nn.Dropout):
    """``nn.Dropout`` whose random numbers are drawn 16 bits an element, four in one draw.

    The probability is that of ``nn.Dropout`` to within 1/65536. Values and gradients are scaled
    by the kept part, as there.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        draws = torch.empty((input.numel() + 3) // 4, dtype=torch.int64)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: input.numel()]
        dropped = round(self.p * 2**16)
        mask = torch.empty_like(input)  # in the input's own layout, and filled in memory's order
        order = sorted(range(input.dim()), key=mask.stride().__getitem__, reverse=True)
        in_memory = mask.permute(order)
        torch.ge(bits.view(in_memory.shape), dropped - 2**15, out=in_memory)
        return input * mask.mul_(1 / (1 - dropped / 2**16))


def quicken(network: nn.Module, device: torch.device) -> None:
    """Give the network the dropout above. Its weights and their names stay as they are."""
    if device.type != "cpu":
        return
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout and child.p < 1:
                setattr(module, name, Dropout(child.p).train(child.training))
