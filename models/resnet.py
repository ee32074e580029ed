"""The ResNets of Table 1, and the parts that ResNeXt-50, SE-ResNet-50 and SKNet-50 share with them.

He, Zhang, Ren and Sun 2015, "Deep residual learning for image recognition" (arXiv:1512.03385),
Table 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import adaptive_avg_pool2d, add, flatten, linear, max_pool2d, relu

from .blocks import conv_bn

StrideIn = Literal["1x1", "3x3"]

PAPER = "He et al. 2015 (arXiv:1512.03385)"

Block = Callable[..., Handle]
"""(x, width, out_channels, stride, name=...) -> the output of a residual block."""


@architecture("resnet18", input="224x224x3", source=f"{PAPER}, Table 1", aliases=("resnet-18",))
def resnet18(x: Handle, *, num_classes: int = 1000) -> Handle:
    """ResNet-18: eight blocks of two 3×3 convolutions."""
    return plain(x, (2, 2, 2, 2), num_classes)


@architecture("resnet34", input="224x224x3", source=f"{PAPER}, Table 1", aliases=("resnet-34",))
def resnet34(x: Handle, *, num_classes: int = 1000) -> Handle:
    """ResNet-34: sixteen blocks of two 3×3 convolutions."""
    return plain(x, (3, 4, 6, 3), num_classes)


@architecture(
    "resnet50",
    input="224x224x3",
    source=f"{PAPER}, Table 1",
    aliases=("resnet-50", "resnet"),
)
def resnet50(x: Handle, *, num_classes: int = 1000, stride_in: StrideIn = "1x1") -> Handle:
    """ResNet-50: sixteen bottleneck blocks with shortcuts.

    ``stride_in`` is the convolution with which a stage halves its map: the first 1×1 as in the
    paper, or the 3×3 as in torchvision, which needs 6 % more multiply-adds.
    """
    return deep(x, (3, 4, 6, 3), num_classes, stride_in)


@architecture("resnet101", input="224x224x3", source=f"{PAPER}, Table 1", aliases=("resnet-101",))
def resnet101(x: Handle, *, num_classes: int = 1000, stride_in: StrideIn = "1x1") -> Handle:
    """ResNet-101: thirty-three bottleneck blocks.

    ``stride_in`` is as in ResNet-50.
    """
    return deep(x, (3, 4, 23, 3), num_classes, stride_in)


@architecture("resnet152", input="224x224x3", source=f"{PAPER}, Table 1", aliases=("resnet-152",))
def resnet152(x: Handle, *, num_classes: int = 1000, stride_in: StrideIn = "1x1") -> Handle:
    """ResNet-152: fifty bottleneck blocks.

    ``stride_in`` is as in ResNet-50.
    """
    return deep(x, (3, 8, 36, 3), num_classes, stride_in)


def plain(x: Handle, counts: tuple[int, int, int, int], num_classes: int) -> Handle:
    """The columns of 18 and 34 layers."""
    x = stem(x)
    x = stage(x, basic, counts[0], 64, 64, name="conv2")
    x = stage(x, basic, counts[1], 128, 128, stride=2, name="conv3")
    x = stage(x, basic, counts[2], 256, 256, stride=2, name="conv4")
    x = stage(x, basic, counts[3], 512, 512, stride=2, name="conv5")
    return classifier(x, num_classes)


def deep(
    x: Handle, counts: tuple[int, int, int, int], num_classes: int, stride_in: StrideIn
) -> Handle:
    """The columns of 50, 101 and 152 layers."""
    block = partial(bottleneck, stride_in=stride_in)
    x = stem(x)
    x = stage(x, block, counts[0], 64, 256, name="conv2")
    x = stage(x, block, counts[1], 128, 512, stride=2, name="conv3")
    x = stage(x, block, counts[2], 256, 1024, stride=2, name="conv4")
    x = stage(x, block, counts[3], 512, 2048, stride=2, name="conv5")
    return classifier(x, num_classes)


def stem(x: Handle) -> Handle:
    """Rows conv1 and the pool of conv2_x."""
    x = conv_bn(x, 64, 7, stride=2, padding=3, name="conv1")
    # The paper gives no padding. torchvision pads by 1; the authors' Caffe network rounds up.
    return max_pool2d(x, 3, stride=2, padding=1, name="pool1")


def stage(
    x: Handle, block: Block, count: int, width: int, out: int, stride: int = 1, *, name: str
) -> Handle:
    """``count`` blocks; the first has the stride."""
    for index in range(1, count + 1):
        x = block(x, width, out, stride if index == 1 else 1, name=f"{name}_{index}")
    return x


def basic(x: Handle, width: int, out: int, stride: int, *, name: str) -> Handle:
    """Two 3×3 convolutions and the shortcut: figure 5, left."""
    with x.scope(name):
        y = conv_bn(x, width, 3, stride=stride, padding=1, name="first")
        y = conv_bn(y, out, 3, padding=1, act=False, name="second")
        return join(x, y, stride)


def bottleneck(
    x: Handle,
    width: int,
    out: int,
    stride: int,
    *,
    name: str,
    stride_in: StrideIn = "3x3",
    groups: int = 1,
    attend: Callable[[Handle], Handle] | None = None,
) -> Handle:
    """1×1, 3×3 and 1×1 convolutions, and the shortcut. ``attend`` is applied before the
    addition."""
    first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
    with x.scope(name):
        y = conv_bn(x, width, 1, stride=first, name="reduce")
        y = conv_bn(y, width, 3, stride=second, padding=1, groups=groups, name="conv3x3")
        y = conv_bn(y, out, 1, act=False, name="expand")
        if attend is not None:
            y = attend(y)
        return join(x, y, stride)


def join(x: Handle, y: Handle, stride: int) -> Handle:
    """y plus the shortcut from x: the identity if the sizes agree, else a 1×1 projection (option B
    of section 4.1)."""
    if stride != 1 or x.channels != y.channels:
        x = conv_bn(x, y.channels, 1, stride=stride, act=False, name="shortcut")
    return relu(add(y, x))


def classifier(x: Handle, num_classes: int) -> Handle:
    """The last row: average pool and one fully connected layer."""
    return linear(flatten(adaptive_avg_pool2d(x, name="avg_pool")), num_classes, name="fc")
