"""Inception v3.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2015, "Rethinking the Inception architecture for
computer vision" (arXiv:1512.00567), Table 1. The paper gives no widths inside the modules; they are
from the network that the authors released, as in torchvision.
"""

from __future__ import annotations

from functools import partial

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from . import blocks

conv_bn = partial(blocks.conv_bn, eps=1e-3)


@architecture(
    "inception-v3",
    input="299x299x3",
    source="Szegedy et al. 2015 (arXiv:1512.00567), Table 1",
    aliases=("inceptionv3",),
)
def inception_v3(x: Handle, *, num_classes: int = 1000, aux: bool = True) -> dict[str, Handle]:
    """Inception v3: eleven modules of factorised convolutions, an auxiliary head in training."""
    x = conv_bn(x, 32, 3, stride=2, name="conv1")
    x = conv_bn(x, 32, 3, name="conv2")
    x = conv_bn(x, 64, 3, padding=1, name="conv3")
    x = ops.max_pool2d(x, 3, stride=2, name="pool1")
    # The table ends the stem with convolutions of 80, 192 (stride 2) and 288 channels. The released
    # network has 80, 192 and a pool. Both yield 35×35.
    x = conv_bn(x, 80, 1, name="conv4")
    x = conv_bn(x, 192, 3, name="conv5")
    x = ops.max_pool2d(x, 3, stride=2, name="pool2")

    x = inception_a(x, 32, name="inception_a1")
    x = inception_a(x, 64, name="inception_a2")
    x = inception_a(x, 64, name="inception_a3")
    x = reduction_a(x, name="reduction_a")
    x = inception_b(x, 128, name="inception_b1")
    x = inception_b(x, 160, name="inception_b2")
    x = inception_b(x, 160, name="inception_b3")
    x = b = inception_b(x, 192, name="inception_b4")
    x = reduction_b(x, name="reduction_b")
    x = inception_c(x, name="inception_c1")
    x = inception_c(x, name="inception_c2")
    x = ops.dropout(ops.adaptive_avg_pool2d(x, name="avg_pool"), 0.5)
    outputs = {"output": ops.linear(ops.flatten(x), num_classes, name="fc")}
    if aux:
        outputs["aux"] = auxiliary(b, num_classes)
    return outputs


def inception_a(x: Handle, pool: int, *, name: str) -> Handle:
    """Figure 5, over the 35×35 grid. The first tower has a 5×5 in the released network."""
    with x.scope(name):
        b1 = conv_bn(x, 64, 1, name="b1")
        b5 = conv_bn(x, 48, 1, name="b5.reduce")
        b5 = conv_bn(b5, 64, 5, padding=2, name="b5.conv5x5")
        b3 = conv_bn(x, 64, 1, name="b3.reduce")
        b3 = conv_bn(b3, 96, 3, padding=1, name="b3.first")
        b3 = conv_bn(b3, 96, 3, padding=1, name="b3.second")
        return ops.concat([b1, b5, b3, pooled(x, pool)])


def reduction_a(x: Handle, *, name: str) -> Handle:
    """Figure 10: from 35×35 to 17×17."""
    with x.scope(name):
        b3 = conv_bn(x, 384, 3, stride=2, name="b3")
        d3 = conv_bn(x, 64, 1, name="d3.reduce")
        d3 = conv_bn(d3, 96, 3, padding=1, name="d3.first")
        d3 = conv_bn(d3, 96, 3, stride=2, name="d3.second")
        return ops.concat([b3, d3, ops.max_pool2d(x, 3, stride=2, name="pool")])


def inception_b(x: Handle, width: int, *, name: str) -> Handle:
    """Figure 6 with n = 7, over the 17×17 grid."""
    with x.scope(name):
        b1 = conv_bn(x, 192, 1, name="b1")
        b7 = conv_bn(x, width, 1, name="b7.reduce")
        b7 = row(b7, width, name="b7.conv1x7")
        b7 = column(b7, 192, name="b7.conv7x1")
        d7 = conv_bn(x, width, 1, name="d7.reduce")
        d7 = column(d7, width, name="d7.conv7x1_1")
        d7 = row(d7, width, name="d7.conv1x7_1")
        d7 = column(d7, width, name="d7.conv7x1_2")
        d7 = row(d7, 192, name="d7.conv1x7_2")
        return ops.concat([b1, b7, d7, pooled(x, 192)])


def reduction_b(x: Handle, *, name: str) -> Handle:
    """Figure 10 again: from 17×17 to 8×8."""
    with x.scope(name):
        b3 = conv_bn(x, 192, 1, name="b3.reduce")
        b3 = conv_bn(b3, 320, 3, stride=2, name="b3.conv3x3")
        b7 = conv_bn(x, 192, 1, name="b7.reduce")
        b7 = row(b7, 192, name="b7.conv1x7")
        b7 = column(b7, 192, name="b7.conv7x1")
        b7 = conv_bn(b7, 192, 3, stride=2, name="b7.conv3x3")
        return ops.concat([b3, b7, ops.max_pool2d(x, 3, stride=2, name="pool")])


def inception_c(x: Handle, *, name: str) -> Handle:
    """Figure 7, over the 8×8 grid, with towers that fork."""
    with x.scope(name):
        b1 = conv_bn(x, 320, 1, name="b1")
        b3 = conv_bn(x, 384, 1, name="b3.reduce")
        d3 = conv_bn(x, 448, 1, name="d3.reduce")
        d3 = conv_bn(d3, 384, 3, padding=1, name="d3.conv3x3")
        forks = [
            conv_bn(tower, 384, kernel, padding=padding, name=f"{stem}.{fork}")
            for tower, stem in ((b3, "b3"), (d3, "d3"))
            for fork, kernel, padding in (
                ("conv1x3", (1, 3), (0, 1)),
                ("conv3x1", (3, 1), (1, 0)),
            )
        ]
        return ops.concat([b1, *forks, pooled(x, 192)])


def pooled(x: Handle, out: int) -> Handle:
    """The pooling branch of every module."""
    x = ops.avg_pool2d(x, 3, stride=1, padding=1, name="pool")
    return conv_bn(x, out, 1, name="pool_proj")


def row(x: Handle, out: int, *, name: str) -> Handle:
    return conv_bn(x, out, (1, 7), padding=(0, 3), name=name)


def column(x: Handle, out: int, *, name: str) -> Handle:
    return conv_bn(x, out, (7, 1), padding=(3, 0), name=name)


def auxiliary(x: Handle, num_classes: int) -> Handle:
    """Figure 8: a classifier on the last 17×17 map that runs only in training."""
    x = x.in_training_only()
    with x.scope("aux"):
        x = ops.avg_pool2d(x, 5, stride=3)
        x = conv_bn(x, 128, 1, name="reduce")
        x = conv_bn(x, 768, 5, name="conv5x5")
        x = ops.flatten(ops.adaptive_avg_pool2d(x, name="global_pool"))
        return ops.linear(x, num_classes, name="fc")
