"""The selective-kernel unit and SKNet-50.

Li, Wang, Hu and Yang 2019, "Selective kernel networks" (arXiv:1903.06586), section 3.1 and Table 1.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn
from .resnet import classifier, join, stage, stem

PAPER = "Li et al. 2019 (arXiv:1903.06586)"

Branches = Literal[2, 3]


@architecture(
    "sk-unit",
    input="56x56x128",
    source=f"{PAPER}, figure 1, as in the first stage of SKNet-50",
    aliases=("sk-block", "sk-convolution"),
)
def unit(
    x: Handle,
    *,
    branches: Branches = 2,
    groups: int = 32,
    reduction: int = 16,
    least_width: int = 32,
) -> Handle:
    """The SK unit: 3×3 and dilated 3×3 in parallel, weighted by attention over the branches.

    The options are M, G, r and L of the paper.
    """
    return selective_kernel(
        x, x.channels, branches=branches, groups=groups, reduction=reduction, least=least_width
    )


@architecture(
    "sknet50",
    input="224x224x3",
    source=f"{PAPER}, Table 1",
    aliases=("sknet-50", "sknet"),
)
def sknet50(
    x: Handle,
    *,
    num_classes: int = 1000,
    branches: Branches = 2,
    groups: int = 32,
    reduction: int = 16,
    least_width: int = 32,
) -> Handle:
    """SKNet-50: ResNeXt-50 with an SK unit instead of each grouped 3×3.

    The options are M, G, r and L of the paper.
    """
    block = partial(
        sk_block, branches=branches, groups=groups, reduction=reduction, least=least_width
    )
    x = stem(x)
    x = stage(x, block, 3, 128, 256, name="conv2")
    x = stage(x, block, 4, 256, 512, stride=2, name="conv3")
    x = stage(x, block, 6, 512, 1024, stride=2, name="conv4")
    x = stage(x, block, 3, 1024, 2048, stride=2, name="conv5")
    return classifier(x, num_classes)


def sk_block(
    x: Handle,
    width: int,
    out: int,
    stride: int,
    *,
    branches: int,
    groups: int,
    reduction: int,
    least: int,
    name: str,
) -> Handle:
    """1×1, SK convolution, 1×1, and the shortcut. The SK convolution has the stride."""
    with x.scope(name):
        y = conv_bn(x, width, 1, name="reduce")
        with x.scope("sk"):
            y = selective_kernel(
                y, width, stride, branches=branches, groups=groups, reduction=reduction, least=least
            )
        y = conv_bn(y, out, 1, act=False, name="expand")
        return join(x, y, stride)


def selective_kernel(
    x: Handle,
    channels: int,
    stride: int = 1,
    *,
    branches: int,
    groups: int,
    reduction: int,
    least: int,
) -> Handle:
    """Split, fuse and select (section 3.1).

    The k×k branch is a 3×3 with dilation (k − 1)/2. The fully connected layers are W of equation 3,
    with batch normalisation, and A and B of equation 5; none of them has a bias.
    """
    maps = [
        conv_bn(
            x,
            channels,
            3,
            stride,
            padding=rate,
            dilation=rate,
            groups=groups,
            name=f"k{2 * rate + 1}",
        )
        for rate in range(1, branches + 1)
    ]
    s = ops.flatten(ops.adaptive_avg_pool2d(ops.add(*maps, name="fuse"), name="squeeze"))
    z = ops.linear(s, max(channels // reduction, least), bias=False, name="z.fc")
    z = ops.relu(ops.batch_norm(z, name="z.bn"), name="z.relu")
    scores = [
        ops.reshape(
            ops.linear(z, channels, bias=False, name=f"attention.k{2 * rate + 1}"),
            (-1, 1, channels),
            name="attention.reshape",
        )
        for rate in range(1, branches + 1)
    ]
    weights = ops.softmax(ops.concat(scores, name="attention.concat"), 1, name="attention.softmax")
    chosen = []
    for index, branch in enumerate(maps):
        weight = ops.slice(weights, 1, index, index + 1, name="select.slice")
        weight = ops.reshape(weight, (-1, channels, 1, 1), name="select.reshape")
        chosen.append(ops.mul(branch, weight, name="select.scale"))
    return ops.add(*chosen, name="select.sum")
