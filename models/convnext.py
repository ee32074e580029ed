"""ConvNeXt-T.

Liu et al. 2022, "A ConvNet for the 2020s" (arXiv:2201.03545), Table 9.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture


@architecture(
    "convnext-tiny",
    input="224x224x3",
    source="Liu et al. 2022 (arXiv:2201.03545), Table 9",
    aliases=("convnext", "convnext-t"),
)
def convnext_tiny(x: Handle, *, num_classes: int = 1000) -> Handle:
    """ConvNeXt-T: eighteen blocks of a depthwise 7×7 and two linear layers."""
    with x.scope("stem"):
        x = norm(ops.conv2d(x, 96, 4, stride=4))
    x = stage(x, 96, 3, name="res2")
    x = stage(down(x, 192, name="down3"), 192, 3, name="res3")
    x = stage(down(x, 384, name="down4"), 384, 9, name="res4")
    x = stage(down(x, 768, name="down5"), 768, 3, name="res5")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    x = ops.layer_norm(x, 768, eps=1e-6, name="norm")
    return ops.linear(x, num_classes, name="fc")


def stage(x: Handle, width: int, count: int, *, name: str) -> Handle:
    for index in range(1, count + 1):
        x = block(x, width, name=f"{name}_{index}")
    return x


def block(x: Handle, width: int, *, name: str) -> Handle:
    """Figure 4, and layer scale as in appendix A. Stochastic depth, which drops whole blocks in
    training, is omitted: it has no weights and no effect in evaluation."""
    with x.scope(name):
        y = ops.conv2d(x, width, 7, padding=3, groups=width, name="depthwise")
        y = ops.permute(y, (0, 2, 3, 1))  # channels last: the 1×1 convolutions are linear layers
        y = ops.layer_norm(y, width, eps=1e-6, name="norm")
        y = ops.gelu(ops.linear(y, 4 * width, name="fc1"))
        y = ops.permute(ops.linear(y, width, name="fc2"), (0, 3, 1, 2))
        scale = ops.parameter(y, (width, 1, 1), fill=1e-6, name="layer_scale")
        return ops.add(x, ops.mul(scale, y))


def down(x: Handle, out: int, *, name: str) -> Handle:
    """Section 2.6: a normalisation, and a 2×2 convolution with stride 2, between two stages."""
    with x.scope(name):
        return ops.conv2d(norm(x), out, 2, stride=2)


def norm(x: Handle) -> Handle:
    """Layer normalisation over the channels of each position."""
    y = ops.permute(x, (0, 2, 3, 1))
    y = ops.layer_norm(y, x.channels, eps=1e-6, name="norm")
    return ops.permute(y, (0, 3, 1, 2))
