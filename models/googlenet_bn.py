"""GoogLeNet as in torchvision, which differs from Table 1 of the paper.

``torchvision/models/googlenet.py`` was ported from TensorFlow-Slim. It has batch normalisation, no
convolution biases, and 3×3 instead of 5×5 convolutions.
"""

from __future__ import annotations

from functools import partial

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import (
    adaptive_avg_pool2d,
    concat,
    dropout,
    flatten,
    linear,
    max_pool2d,
    relu,
)

from . import blocks

conv_bn = partial(blocks.conv_bn, eps=1e-3)


@architecture(
    "googlenet-bn",
    input="224x224x3",
    source="torchvision's googlenet, after Szegedy et al. 2014 (arXiv:1409.4842), Table 1",
    aliases=("googlenet-torchvision", "inception-v1-bn"),
)
def googlenet_bn(x: Handle, *, num_classes: int = 1000, aux: bool = True) -> dict[str, Handle]:
    """GoogLeNet as in torchvision: BN, no LRN, 3×3 instead of 5×5."""
    x = conv_bn(x, 64, 7, stride=2, padding=3, name="conv1")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool1")
    x = conv_bn(x, 64, 1, name="conv2.reduce")
    x = conv_bn(x, 192, 3, padding=1, name="conv2")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool2")

    x = inception(x, 64, (96, 128), (16, 32), 32, name="inception_3a")
    x = inception(x, 128, (128, 192), (32, 96), 64, name="inception_3b")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool3")

    a = inception(x, 192, (96, 208), (16, 48), 64, name="inception_4a")
    x = inception(a, 160, (112, 224), (24, 64), 64, name="inception_4b")
    x = inception(x, 128, (128, 256), (24, 64), 64, name="inception_4c")
    d = inception(x, 112, (144, 288), (32, 64), 64, name="inception_4d")
    x = inception(d, 256, (160, 320), (32, 128), 128, name="inception_4e")
    x = max_pool2d(x, 2, stride=2, ceil_mode=True, name="pool4")  # torchvision; the paper: 3×3

    x = inception(x, 256, (160, 320), (32, 128), 128, name="inception_5a")
    x = inception(x, 384, (192, 384), (48, 128), 128, name="inception_5b")
    x = adaptive_avg_pool2d(x, name="avg_pool")
    x = dropout(flatten(x), 0.2)  # torchvision; the paper: 0.4
    outputs = {"output": linear(x, num_classes)}
    if aux:
        outputs["aux1"] = auxiliary(a, num_classes, name="aux1")
        outputs["aux2"] = auxiliary(d, num_classes, name="aux2")
    return outputs


def inception(
    x: Handle,
    c1: int,
    c3: tuple[int, int],
    c5: tuple[int, int],
    pool: int,
    *,
    name: str,
) -> Handle:
    """The reduced module. ``c5`` has the name and widths of the paper, but its window is 3×3."""
    with x.scope(name):
        b1 = conv_bn(x, c1, 1, name="b1")
        b3 = conv_bn(x, c3[0], 1, name="b3.reduce")
        b3 = conv_bn(b3, c3[1], 3, padding=1, name="b3")
        b5 = conv_bn(x, c5[0], 1, name="b5.reduce")
        b5 = conv_bn(b5, c5[1], 3, padding=1, name="b5")  # torchvision issue 906: not 5×5
        bp = max_pool2d(x, 3, stride=1, padding=1, ceil_mode=True, name="pool.max_pool")
        bp = conv_bn(bp, pool, 1, name="pool.proj")
        return concat([b1, b3, b5, bp])


def auxiliary(x: Handle, num_classes: int, *, name: str) -> Handle:
    """A classifier that runs only in training. It averages to 4×4 for any input; the paper's 5×5
    pool with stride 3 yields 4×4 at 224."""
    x = x.in_training_only()
    with x.scope(name):
        x = conv_bn(adaptive_avg_pool2d(x, 4), 128, 1, name="reduce")
        x = relu(linear(flatten(x), 1024, name="fc1"))
        return linear(dropout(x, 0.7), num_classes, name="fc2")
