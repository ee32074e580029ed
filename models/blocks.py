"""Blocks that several networks use: a convolution, its normalisation and its activation."""

from __future__ import annotations

from collections.abc import Callable

from archcalc.graph import Handle
from archcalc.ops import batch_norm, conv2d, relu
from archcalc.ops.window import Padding, Size

Activation = Callable[[Handle], Handle]


def conv_relu(
    x: Handle,
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Padding = 0,
    groups: int = 1,
    *,
    name: str,
) -> Handle:
    """A convolution with a bias, and ReLU, as in AlexNet, VGG, NiN and GoogLeNet. With an empty
    ``name``, both nodes are in the caller's scope."""
    with x.scope(name):
        return relu(conv2d(x, out_channels, kernel_size, stride, padding, groups=groups))


def conv_bn(
    x: Handle,
    out_channels: int,
    kernel_size: Size,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    bias: bool = False,
    act: bool = True,
    eps: float = 1e-5,
    activation: Activation = relu,
    *,
    name: str,
) -> Handle:
    """A convolution, by default without a bias, batch normalisation, and ``activation`` if ``act``
    is true. ResNet and later networks use it."""
    with x.scope(name):
        x = conv2d(x, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        x = batch_norm(x, eps, name="bn")
        return activation(x) if act else x


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of ``by`` that is at least 90 % of ``channels``: how the authors of
    MobileNet round widths.

    >>> divisible(32 * 0.35), divisible(24 * 0.75), divisible(72 / 4)
    (16, 24, 24)
    """
    nearest = max(by, int(channels + by / 2) // by * by)
    return nearest + by if nearest < 0.9 * channels else nearest
