"""Network in Network on CIFAR-10.

Lin, Chen and Yan 2013, "Network In Network" (arXiv:1312.4400). The paper prints no widths; these
are of the authors' cuda-convnet definition, ``cifar-10_def``.
"""

from __future__ import annotations

from typing import Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.registry import architecture

from .blocks import conv_relu


@architecture(
    "nin",
    input="32x32x3",
    source="Lin et al. 2013 (arXiv:1312.4400), CIFAR-10",
    aliases=("nin-cifar10", "network-in-network"),
)
def nin(
    x: Handle,
    *,
    num_classes: int = 10,
    dropout: float = 0.5,
    head: Literal["gap", "fc"] = "gap",
    mlp: bool = True,
) -> Handle:
    """Network in Network for CIFAR-10: three mlpconv layers, then global average pooling.

    ``head=fc`` puts a fully connected layer in the pooling's place, as Table 5 does to compare the
    two; ``mlp=false`` leaves out the 1×1 layers, and a plain convolutional network remains.
    """
    x = mlpconv(x, 192, 5, (160, 96), mlp, name="mlpconv1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")  # authors: pad 0, rounding up
    x = ops.dropout(x, dropout, name="dropout1")

    x = mlpconv(x, 192, 5, (192, 192), mlp, name="mlpconv2")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool2")  # the same
    x = ops.dropout(x, dropout, name="dropout2")

    if mlp:
        x = mlpconv(x, 192, 3, (192, num_classes), name="mlpconv3")
    else:  # one map a class comes straight from the last linear convolution
        x = mlpconv(x, num_classes, 3, (), name="mlpconv3")
    if head == "gap":
        return ops.flatten(ops.adaptive_avg_pool2d(x, name="gap"))
    return ops.linear(ops.flatten(x), num_classes, name="fc")  # Table 5: all else stays


def mlpconv(
    x: Handle,
    channels: int,
    kernel: int,
    hidden: tuple[int, ...],
    mlp: bool = True,
    *,
    name: str,
) -> Handle:
    """A convolution, then a small perceptron over the channels: 1×1 convolutions (section 3.1),
    called cascaded cross-channel parametric pooling too. Without ``mlp``, the convolution alone."""
    with x.scope(name):
        x = conv_relu(x, channels, kernel, padding=kernel // 2, name="")
        for index, width in enumerate(hidden if mlp else (), start=1):
            x = conv_relu(x, width, 1, name=f"cccp{index}")
        return x
