"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler et al. 2018, "MobileNetV2: Inverted residuals and linear bottlenecks" (arXiv:1801.04381),
Table 2.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn, divisible


@architecture(
    "mobilenet-v2",
    input="224x224x3",
    source="Sandler et al. 2018 (arXiv:1801.04381), Table 2",
    aliases=("mobilenetv2",),
)
def mobilenet_v2(x: Handle, *, num_classes: int = 1000, multiplier: float = 1.0) -> Handle:
    """MobileNetV2: seventeen inverted residuals.

    ``multiplier`` is the width multiplier.
    """
    x = conv_bn(
        x, divisible(32 * multiplier), 3, stride=2, padding=1, activation=ops.relu6, name="conv1"
    )
    # Table 2: t, c, n, s of each row.
    x = stage(x, 1, divisible(16 * multiplier), 1, 1, name="conv2")
    x = stage(x, 6, divisible(24 * multiplier), 2, 2, name="conv3")
    x = stage(x, 6, divisible(32 * multiplier), 3, 2, name="conv4")
    x = stage(x, 6, divisible(64 * multiplier), 4, 2, name="conv5")
    x = stage(x, 6, divisible(96 * multiplier), 3, 1, name="conv6")
    x = stage(x, 6, divisible(160 * multiplier), 3, 2, name="conv7")
    x = stage(x, 6, divisible(320 * multiplier), 1, 1, name="conv8")
    # Section 4: multipliers below 1 do not change the last convolution.
    x = conv_bn(x, divisible(1280 * max(multiplier, 1.0)), 1, activation=ops.relu6, name="conv9")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    # The paper does not mention dropout; this is torchvision's.
    return ops.linear(ops.dropout(x, 0.2), num_classes, name="fc")


def stage(x: Handle, expansion: int, out: int, count: int, stride: int, *, name: str) -> Handle:
    """``count`` blocks; the first has the stride."""
    for index in range(1, count + 1):
        x = inverted(x, expansion, out, stride if index == 1 else 1, name=f"{name}_{index}")
    return x


def inverted(x: Handle, expansion: int, out: int, stride: int, *, name: str) -> Handle:
    """Table 1: a 1×1 to ``expansion`` times the channels, a depthwise 3×3, and a 1×1 without an
    activation. The input is added if the sizes agree."""
    with x.scope(name):
        y = x
        if expansion != 1:
            y = conv_bn(y, x.channels * expansion, 1, activation=ops.relu6, name="expand")
        y = conv_bn(
            y,
            y.channels,
            3,
            stride,
            padding=1,
            groups=y.channels,
            activation=ops.relu6,
            name="depthwise",
        )
        y = conv_bn(y, out, 1, act=False, name="project")
        return ops.add(x, y) if stride == 1 and x.channels == out else y
