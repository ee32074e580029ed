"""Speed up training on a CPU without changing what is learned.

Apart from convolutions, two things are slow on a CPU: memory that the C library returns to the
system after every layer and requests again, page by page; and dropout's random numbers, which torch
draws one by one as floating-point numbers.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Options of glibc's mallopt (malloc.h), and the values that glibc itself chooses in a program that
# frees large blocks. Setting one option stops it from adjusting the others.
TRIM_THRESHOLD, TRIM_USUAL = -1, 64 * 2**20
MMAP_THRESHOLD, MMAP_USUAL = -3, 32 * 2**20
MMAP_MAX, MMAP_MAX_USUAL = -4, 65536
NEVER = -1


@contextmanager
def kept_memory(device: torch.device) -> Iterator[None]:
    """Keep freed memory in the process, so that the next layer can reuse its pages.

    By default glibc maps blocks over 32 MiB, such as a layer's activations, and unmaps them as soon
    as they are freed. Does nothing on a GPU or with another C library.
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
    """``nn.Dropout`` with 16 random bits per element, drawn four elements at a time.

    The probability is exact to 1/65536. Values and gradients are scaled as in ``nn.Dropout``.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        draws = torch.empty((input.numel() + 3) // 4, dtype=torch.int64)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: input.numel()]
        dropped = round(self.p * 2**16)
        mask = torch.empty_like(input)  # has the input's layout and is filled in memory order
        order = sorted(range(input.dim()), key=mask.stride().__getitem__, reverse=True)
        in_memory = mask.permute(order)
        torch.ge(bits.view(in_memory.shape), dropped - 2**15, out=in_memory)
        return input * mask.mul_(1 / (1 - dropped / 2**16))


def emulates_bf16(device: str) -> bool:
    """Whether runs on this device compute bfloat16 on a processor without its instructions.

    oneDNN then leaves it to torch's slower code: on an AMD EPYC with AVX2 only, networks train 8 to
    11 times slower than in float32.
    """
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return False
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and not supported()  # None without oneDNN


def speed_up(network: nn.Module, device: torch.device) -> None:
    """Replace the network's dropout layers by :class:`Dropout`; weights and names do not change."""
    if device.type != "cpu":
        return
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout and child.p < 1:
                setattr(module, name, Dropout(child.p).train(child.training))
