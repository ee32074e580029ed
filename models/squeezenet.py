"""SqueezeNet 1.0, as in the paper, and 1.1.

Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size" (arXiv:1602.07360), Table 1; 1.1 is in the authors' repository, forresti/SqueezeNet.
"""

from __future__ import annotations

from typing import Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_relu

Version = Literal["1.0", "1.1"]


@architecture(
    "squeezenet",
    input="224x224x3",
    source="Iandola et al. 2016 (arXiv:1602.07360), Table 1",
)
def squeezenet(x: Handle, *, num_classes: int = 1000, version: Version = "1.0") -> Handle:
    """SqueezeNet: eight fire modules and no fully connected layer.

    Version 1.1 has a smaller first convolution and pools earlier.
    """
    first = version == "1.0"
    x = conv_relu(x, 96, 7, stride=2, name="conv1") if first else early(x)
    x = pool(x, name="pool1")
    x = fire(x, 16, 64, 64, name="fire2")
    x = fire(x, 16, 64, 64, name="fire3")
    if not first:
        x = pool(x, name="pool3")
    x = fire(x, 32, 128, 128, name="fire4")
    if first:
        x = pool(x, name="pool4")
    x = fire(x, 32, 128, 128, name="fire5")
    if not first:
        x = pool(x, name="pool5")
    x = fire(x, 48, 192, 192, name="fire6")
    x = fire(x, 48, 192, 192, name="fire7")
    x = fire(x, 64, 256, 256, name="fire8")
    if first:
        x = pool(x, name="pool8")
    x = fire(x, 64, 256, 256, name="fire9")
    x = conv_relu(ops.dropout(x, 0.5), num_classes, 1, name="conv10")
    return ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))


def early(x: Handle) -> Handle:
    """The first convolution of 1.1."""
    return conv_relu(x, 64, 3, stride=2, name="conv1")


def pool(x: Handle, *, name: str) -> Handle:
    return ops.max_pool2d(x, 3, stride=2, ceil_mode=True, name=name)


def fire(x: Handle, squeeze: int, expand1: int, expand3: int, *, name: str) -> Handle:
    """Figure 1: a 1×1 convolution to few channels, then 1×1 and 3×3 in parallel."""
    with x.scope(name):
        x = conv_relu(x, squeeze, 1, name="squeeze")
        a = conv_relu(x, expand1, 1, name="expand1x1")
        b = conv_relu(x, expand3, 3, padding=1, name="expand3x3")
        return ops.concat([a, b])
