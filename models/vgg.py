"""VGG-16.

Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition"
(arXiv:1409.1556), Table 1, configuration D.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_relu


@architecture(
    "vgg16",
    input="224x224x3",
    source="Simonyan and Zisserman 2014 (arXiv:1409.1556), Table 1, configuration D",
    aliases=("vgg-16", "vgg"),
)
def vgg16(x: Handle, *, num_classes: int = 1000, dropout: float = 0.5) -> Handle:
    """VGG-16: thirteen 3×3 convolutions in five stages, three fully connected layers."""
    x = stage(x, 64, 64, name="conv1")
    x = stage(x, 128, 128, name="conv2")
    x = stage(x, 256, 256, 256, name="conv3")
    x = stage(x, 512, 512, 512, name="conv4")
    x = stage(x, 512, 512, 512, name="conv5")

    x = ops.relu(ops.linear(ops.flatten(x), 4096, name="fc6"), name="relu6")
    x = ops.dropout(x, dropout, name="dropout6")
    x = ops.relu(ops.linear(x, 4096, name="fc7"), name="relu7")
    x = ops.dropout(x, dropout, name="dropout7")
    return ops.linear(x, num_classes, name="fc8")


def stage(x: Handle, *widths: int, name: str) -> Handle:
    """3×3 convolutions, then a pool that halves the map: ``conv3_1``, ``conv3_2``, ``pool3``."""
    for index, width in enumerate(widths, start=1):
        x = conv_relu(x, width, 3, padding=1, name=f"{name}_{index}")
    return ops.max_pool2d(x, 2, name=name.replace("conv", "pool"))
