"""Count quantised weights that are packed into integers.

Formats of quantised models store several weights in one integer. Their number follows from the
shapes of other tensors in the file, so that the header is sufficient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archcalc.analysis.checkpoint import Tensor
from archcalc.graph import numel


def unpacked(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors, with the number and bits of the weights that packed ones contain."""
    by_name = {tensor.name: tensor for tensor in tensors}
    return tuple(_unpacked(tensor, by_name) for tensor in tensors)


def _unpacked(tensor: Tensor, by_name: Mapping[str, Tensor]) -> Tensor:
    for suffix, rule in RULES.items():
        if tensor.name.endswith(suffix) and tensor.dtype in SIZES:
            bits = rule(tensor, tensor.name.removesuffix(suffix), by_name)
            stored = SIZES[tensor.dtype]
            if bits in (1, 2, 3, 4, 5, 6, 8) and bits < stored:
                return tensor._replace(weights=numel(tensor.shape) * stored // bits, bits=bits)
    return tensor


def _gptq_or_awq(tensor: Tensor, stem: str, by_name: Mapping[str, Tensor]) -> int:
    """Bits per weight. GPTQ packs rows, and ``g_idx`` has one entry per row; AWQ packs columns."""
    scales = by_name.get(f"{stem}.scales")
    if scales is None or len(tensor.shape) != 2 or len(scales.shape) != 2:
        return 0
    rows, columns = tensor.shape
    if columns == scales.shape[1]:
        order = by_name.get(f"{stem}.g_idx")
        return _bits(32 * rows, order.shape[0]) if order is not None and order.shape else 0
    return _bits(32 * columns, scales.shape[1])


def _zero_points(tensor: Tensor, stem: str, by_name: Mapping[str, Tensor]) -> int:
    scales = by_name.get(f"{stem}.scales")
    if scales is None or len(tensor.shape) != 2 or len(scales.shape) != 2:
        return 0
    return _bits(32 * tensor.shape[1], scales.shape[1])


def _bitsandbytes(tensor: Tensor, stem: str, by_name: Mapping[str, Tensor]) -> int:
    """4 if the weight is NF4 or FP4, which have a tensor with their state, or NVFP4, which has one
    scale per 16 weights."""
    states = (f"{stem}.weight.quant_state.bitsandbytes__{kind}" for kind in ("nf4", "fp4"))
    if any(state in by_name for state in states):
        return 4
    scales = by_name.get(f"{stem}.weight_scale")
    blocks = scales is not None and scales.dtype == "float8_e4m3" and len(scales.shape) == 2
    if not blocks or scales is None or len(tensor.shape) != 2:
        return 0
    return 4 if tensor.shape[1] == 8 * scales.shape[1] else 0


def _microscaling(tensor: Tensor, stem: str, by_name: Mapping[str, Tensor]) -> int:
    """4 if the weight is MXFP4: blocks of 32 weights in 16 bytes, with one scale per block."""
    scales = by_name.get(f"{stem}_scales")
    fits = scales is not None and tensor.shape == (*scales.shape, 16)
    return 4 if fits else 0


def _bits(stored: int, weights: int) -> int:
    return stored // weights if weights and stored % weights == 0 else 0


RULES: Mapping[str, Callable[[Tensor, str, Mapping[str, Tensor]], int]] = {
    ".qweight": _gptq_or_awq,
    ".qzeros": _zero_points,
    ".weight": _bitsandbytes,
    "_blocks": _microscaling,
}
"""(tensor, name without the suffix, tensors by name) -> bits per weight, or 0 if it is not packed.
By the suffix of the name."""

SIZES: Mapping[str, int] = {"uint8": 8, "int8": 8, "int32": 32}
"""Bits of the integers that hold packed weights."""
