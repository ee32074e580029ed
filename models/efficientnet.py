"""EfficientNet-B0.

Tan and Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural networks"
(arXiv:1905.11946), Table 1.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn
from .senet import gated


@architecture(
    "efficientnet-b0",
    input="224x224x3",
    source="Tan and Le 2019 (arXiv:1905.11946), Table 1",
    aliases=("efficientnet",),
)
def efficientnet_b0(x: Handle, *, num_classes: int = 1000) -> Handle:
    """EfficientNet-B0: sixteen MBConv blocks, each with squeeze-and-excitation."""
    x = conv_bn(x, 32, 3, stride=2, padding=1, activation=ops.silu, name="conv1")
    # Table 1: expansion, kernel, channels, layers, and the stride from one resolution to the next.
    x = stage(x, 1, 3, 16, 1, 1, name="stage2")
    x = stage(x, 6, 3, 24, 2, 2, name="stage3")
    x = stage(x, 6, 5, 40, 2, 2, name="stage4")
    x = stage(x, 6, 3, 80, 3, 2, name="stage5")
    x = stage(x, 6, 5, 112, 3, 1, name="stage6")
    x = stage(x, 6, 5, 192, 4, 2, name="stage7")
    x = stage(x, 6, 3, 320, 1, 1, name="stage8")
    x = conv_bn(x, 1280, 1, activation=ops.silu, name="conv9")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    return ops.linear(ops.dropout(x, 0.2), num_classes, name="fc")


def stage(
    x: Handle, expansion: int, kernel: int, out: int, count: int, stride: int, *, name: str
) -> Handle:
    """``count`` blocks; the first has the stride."""
    for index in range(1, count + 1):
        first = index == 1
        x = mbconv(x, expansion, kernel, out, stride if first else 1, name=f"{name}_{index}")
    return x


def mbconv(x: Handle, expansion: int, kernel: int, out: int, stride: int, *, name: str) -> Handle:
    """MobileNetV2's block with squeeze-and-excitation to a quarter of the input channels.

    Stochastic depth, which drops whole blocks in training, is omitted: it has no weights and no
    effect in evaluation.
    """
    with x.scope(name):
        y, wide = x, x.channels * expansion
        if expansion != 1:
            y = conv_bn(y, wide, 1, activation=ops.silu, name="expand")
        y = conv_bn(
            y,
            wide,
            kernel,
            stride,
            padding=kernel // 2,
            groups=wide,
            activation=ops.silu,
            name="depthwise",
        )
        y = gated(y, max(x.channels // 4, 1), activation=ops.silu)
        y = conv_bn(y, out, 1, act=False, name="project")
        return ops.add(x, y) if stride == 1 and x.channels == out else y
