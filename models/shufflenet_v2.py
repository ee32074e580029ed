"""ShuffleNet v2.

Ma, Zhang, Zheng and Sun 2018, "ShuffleNet V2: Practical guidelines for efficient CNN architecture
design" (arXiv:1807.11164), Table 5.
"""

from __future__ import annotations

from typing import Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn

Multiplier = Literal["0.5", "1.0", "1.5", "2.0"]

CHANNELS: dict[str, tuple[int, int, int, int]] = {
    "0.5": (48, 96, 192, 1024),
    "1.0": (116, 232, 464, 1024),
    "1.5": (176, 352, 704, 1024),
    "2.0": (244, 488, 976, 2048),
}
"""The output channels of stages 2, 3, 4 and conv5 in Table 5."""


@architecture(
    "shufflenet-v2",
    input="224x224x3",
    source="Ma et al. 2018 (arXiv:1807.11164), Table 5",
    aliases=("shufflenet", "shufflenetv2"),
)
def shufflenet_v2(x: Handle, *, num_classes: int = 1000, multiplier: Multiplier = "1.0") -> Handle:
    """ShuffleNet v2: half of the channels bypass each unit, then all are shuffled."""
    stage2, stage3, stage4, last = CHANNELS[multiplier]
    x = conv_bn(x, 24, 3, stride=2, padding=1, name="conv1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")
    x = stage(x, stage2, 4, name="stage2")
    x = stage(x, stage3, 8, name="stage3")
    x = stage(x, stage4, 4, name="stage4")
    x = conv_bn(x, last, 1, name="conv5")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    return ops.linear(x, num_classes, name="fc")


def stage(x: Handle, out: int, repeat: int, *, name: str) -> Handle:
    """A unit that halves the map, then ``repeat`` − 1 units that keep its size."""
    x = down(x, out, name=f"{name}_1")
    for index in range(2, repeat + 1):
        x = unit(x, name=f"{name}_{index}")
    return x


def unit(x: Handle, *, name: str) -> Handle:
    """Figure 3 (c): half of the channels bypass the branch."""
    half = x.channels // 2
    with x.scope(name):
        kept, y = ops.split(x, (half, half))
        return ops.channel_shuffle(ops.concat([kept, branch(y, half, 1)]), 2)


def down(x: Handle, out: int, *, name: str) -> Handle:
    """Figure 3 (d): both halves are computed from the whole input."""
    with x.scope(name):
        y = conv_bn(x, x.channels, 3, 2, 1, groups=x.channels, act=False, name="short.depthwise")
        y = conv_bn(y, out // 2, 1, name="short.pointwise")
        return ops.channel_shuffle(ops.concat([y, branch(x, out // 2, 2)]), 2)


def branch(x: Handle, width: int, stride: int) -> Handle:
    """A 1×1, a depthwise 3×3, and a 1×1 convolution."""
    x = conv_bn(x, width, 1, name="reduce")
    x = conv_bn(x, width, 3, stride, 1, groups=width, act=False, name="depthwise")
    return conv_bn(x, width, 1, name="pointwise")
