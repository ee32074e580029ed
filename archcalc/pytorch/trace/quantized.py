"""Map torch's quantized kernels to the operator table.

Each kernel is one operation of the table on integers, often with a fused activation. Its
parameters are packed into an object that is not a tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archcalc.graph import Weight
from archcalc.pytorch.trace.aten import Call
from archcalc.pytorch.trace.recorder import dtype_name


def _fused(op: str, name: str, *activations: str) -> dict[str, tuple[str, str]]:
    """Return the entries of a kernel and of its variants with an activation."""
    variants = {f"quantized::{name}_{each}": (op, each) for each in activations}
    return {f"quantized::{name}": (op, ""), **variants}


QUANTIZED: dict[str, tuple[str, str]] = {
    **_fused("conv1d", "conv1d", "relu"),
    **_fused("conv2d", "conv2d", "relu"),
    **_fused("conv3d", "conv3d", "relu"),
    **_fused("conv2d", "conv2d_dynamic"),
    **_fused("conv_transpose1d", "conv_transpose1d"),
    **_fused("conv_transpose2d", "conv_transpose2d"),
    **_fused("conv_transpose3d", "conv_transpose3d"),
    **_fused("linear", "linear", "relu", "leaky_relu", "tanh"),
    **_fused("linear", "linear_dynamic"),
    "quantized::linear_relu_dynamic": ("linear", "relu"),
    **_fused("add", "add", "relu"),
    **_fused("add", "add_scalar", "relu"),
    **_fused("mul", "mul", "relu"),
    **_fused("mul", "mul_scalar", "relu"),
    **_fused("concat", "cat", "relu"),
    **_fused("batch_norm", "batch_norm1d", "relu"),
    **_fused("batch_norm", "batch_norm2d", "relu"),
    **_fused("batch_norm", "batch_norm3d", "relu"),
    **_fused("matmul", "matmul"),
    **_fused("layer_norm", "layer_norm"),
    **_fused("hardswish", "hardswish"),
    **_fused("relu6", "relu6"),
    **_fused("leaky_relu", "leaky_relu"),
    **_fused("sigmoid", "sigmoid"),
    **_fused("softmax", "softmax"),
    **_fused("elu", "elu"),
}
"""The table's operation and the fused activation of each kernel."""


def unpacked(
    name: str, args: tuple[Any, ...], given: list[Tensor], settings: dict[str, Any], path: str
) -> Call:
    """Translate a call of a quantized kernel in the module at ``path``."""
    op, activation = QUANTIZED[name]
    weights: tuple[Weight, ...] = ()
    for packed in args:
        if isinstance(packed, torch.ScriptObject):
            weights, geometry = _parameters(op, packed, path)
            settings = {**settings, **geometry}
    if op == "batch_norm":
        settings = {**settings, "training": False}
        given = given[:3]  # without the running mean and variance
    return Call(op, given, settings, weights, activation)


def _parameters(op: str, packed: Any, path: str) -> tuple[tuple[Weight, ...], dict[str, Any]]:
    """Unpack weight, bias and, for a convolution, its geometry."""
    weight, bias = packed.unpack()
    shape, geometry = tuple(weight.shape), {}
    if hasattr(packed, "groups"):
        for key in ("stride", "padding", "dilation", "output_padding"):
            geometry[key] = tuple(getattr(packed, key)())
        if len(shape) == 4 and op in ("conv1d", "conv_transpose1d"):  # torch adds a height of 1
            shape = (*shape[:2], *shape[3:])
            geometry = {key: size[-1:] for key, size in geometry.items()}
        geometry["groups"] = packed.groups()
        if not packed.transpose():
            del geometry["output_padding"]
    prefix = f"{path}." if path else ""
    weights = [Weight(f"{prefix}weight", shape, dtype_name(weight))]
    if bias is not None:
        weights.append(Weight(f"{prefix}bias", tuple(bias.shape), dtype_name(bias)))
    return tuple(weights), geometry
