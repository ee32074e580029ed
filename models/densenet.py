"""DenseNet-121.

Huang, Liu, van der Maaten and Weinberger 2016, "Densely connected convolutional networks"
(arXiv:1608.06993), Table 1.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn


@architecture(
    "densenet121",
    input="224x224x3",
    source="Huang et al. 2016 (arXiv:1608.06993), Table 1",
    aliases=("densenet-121", "densenet"),
)
def densenet121(x: Handle, *, num_classes: int = 1000, growth: int = 32) -> Handle:
    """DenseNet-121: every layer of a block reads all preceding maps of the block.

    ``growth`` is the rate k.
    """
    x = conv_bn(x, 2 * growth, 7, stride=2, padding=3, name="conv1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")
    x = dense(x, 6, growth, name="dense1")
    x = transition(x, name="transition1")
    x = dense(x, 12, growth, name="dense2")
    x = transition(x, name="transition2")
    x = dense(x, 24, growth, name="dense3")
    x = transition(x, name="transition3")
    x = dense(x, 16, growth, name="dense4")
    x = ops.relu(ops.batch_norm(x, name="bn"))
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    return ops.linear(x, num_classes, name="fc")


def dense(x: Handle, count: int, growth: int, *, name: str) -> Handle:
    """A dense block of bottleneck layers (DenseNet-B): 1×1 to 4k channels, 3×3 to k."""
    for index in range(1, count + 1):
        with x.scope(f"{name}.layer{index}"):
            y = normalised_conv(x, 4 * growth, 1, name="reduce")
            y = normalised_conv(y, growth, 3, padding=1, name="conv3x3")
        x = ops.concat([x, y], name=f"{name}.concat{index}")
    return x


def transition(x: Handle, *, name: str) -> Handle:
    """Halve the channels (θ = 0.5), the height and the width."""
    with x.scope(name):
        x = normalised_conv(x, x.channels // 2, 1, name="reduce")
        return ops.avg_pool2d(x, 2, name="pool")


def normalised_conv(x: Handle, out: int, kernel: int, padding: int = 0, *, name: str) -> Handle:
    """Batch normalisation, ReLU, and a convolution."""
    with x.scope(name):
        x = ops.relu(ops.batch_norm(x, name="bn"))
        return ops.conv2d(x, out, kernel, padding=padding, bias=False)
