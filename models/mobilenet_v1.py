"""MobileNet: depthwise separable convolutions.

Howard et al. 2017, "MobileNets: Efficient convolutional neural networks for mobile vision
applications" (arXiv:1704.04861), Table 1.
"""

from __future__ import annotations

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import adaptive_avg_pool2d, flatten, linear

from .blocks import conv_bn


@architecture(
    "mobilenet-v1",
    input="224x224x3",
    source="Howard et al. 2017 (arXiv:1704.04861), Table 1",
    aliases=("mobilenet", "mobilenetv1"),
)
def mobilenet_v1(x: Handle, *, num_classes: int = 1000, multiplier: float = 1.0) -> Handle:
    """MobileNet: thirteen depthwise separable convolutions.

    ``multiplier`` is the width multiplier α.
    """
    x = conv_bn(x, channels(32, multiplier), 3, stride=2, padding=1, name="conv1")
    x = separable(x, channels(64, multiplier), name="conv2")
    x = separable(x, channels(128, multiplier), stride=2, name="conv3")
    x = separable(x, channels(128, multiplier), name="conv4")
    x = separable(x, channels(256, multiplier), stride=2, name="conv5")
    x = separable(x, channels(256, multiplier), name="conv6")
    x = separable(x, channels(512, multiplier), stride=2, name="conv7")
    for index in range(8, 13):
        x = separable(x, channels(512, multiplier), name=f"conv{index}")
    x = separable(x, channels(1024, multiplier), stride=2, name="conv13")
    # The table says "s2", but continues with 7×7.
    x = separable(x, channels(1024, multiplier), name="conv14")
    return linear(flatten(adaptive_avg_pool2d(x, name="avg_pool")), num_classes, name="fc")


def separable(x: Handle, out: int, stride: int = 1, *, name: str) -> Handle:
    """Figure 3: a depthwise 3×3 convolution, then a 1×1 over all channels."""
    with x.scope(name):
        x = conv_bn(x, x.channels, 3, stride, padding=1, groups=x.channels, name="depthwise")
        return conv_bn(x, out, 1, name="pointwise")


def channels(count: int, multiplier: float) -> int:
    """α times ``count``, and at least 8 as in the authors' code."""
    return max(int(count * multiplier), 8)
