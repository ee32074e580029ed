"""U-Net.

Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional networks for biomedical image
segmentation" (arXiv:1505.04597), figure 1.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_relu


@architecture(
    "unet",
    input="572x572x1",
    source="Ronneberger et al. 2015 (arXiv:1505.04597), figure 1",
    aliases=("u-net",),
)
def unet(x: Handle, *, num_classes: int = 2, padded: bool = False) -> Handle:
    """U-Net: four levels down and four up, with skip connections between them.

    ``padded`` keeps the size of every map, as in most later versions. Without it, as in the paper,
    the maps shrink, and skip connections are cropped.
    """
    padding = 1 if padded else 0
    a = double(x, 64, padding, name="down1")
    b = double(ops.max_pool2d(a, 2, name="pool1"), 128, padding, name="down2")
    c = double(ops.max_pool2d(b, 2, name="pool2"), 256, padding, name="down3")
    d = double(ops.max_pool2d(c, 2, name="pool3"), 512, padding, name="down4")
    # Section 3.1 has dropout at the end of this path; the rates are from the authors' code.
    d = ops.dropout(d, 0.5, name="dropout4")
    x = double(ops.max_pool2d(d, 2, name="pool4"), 1024, padding, name="bottom")
    x = ops.dropout(x, 0.5, name="dropout5")

    x = up(x, d, 512, padding, name="up4")
    x = up(x, c, 256, padding, name="up3")
    x = up(x, b, 128, padding, name="up2")
    x = up(x, a, 64, padding, name="up1")
    return ops.conv2d(x, num_classes, 1, name="classifier")


def double(x: Handle, width: int, padding: int, *, name: str) -> Handle:
    """Two 3×3 convolutions, each with ReLU."""
    x = conv_relu(x, width, 3, padding=padding, name=f"{name}.conv1")
    return conv_relu(x, width, 3, padding=padding, name=f"{name}.conv2")


def up(x: Handle, skip: Handle, width: int, padding: int, *, name: str) -> Handle:
    """A 2×2 up-convolution, the skip connection, and two 3×3 convolutions."""
    x = ops.conv_transpose2d(x, width, 2, stride=2, name=f"{name}.upconv")
    x = ops.concat([crop(skip, x, name=f"{name}.crop"), x], name=f"{name}.concat")
    return double(x, width, padding, name=name)


def crop(x: Handle, like: Handle, *, name: str) -> Handle:
    """The centre of ``x``, with the height and width of ``like``."""
    for dim in (2, 3):
        size = like.shape[dim]
        start = (x.shape[dim] - size) // 2
        if x.shape[dim] != size:
            x = ops.slice(x, dim, start, start + size, name=name)
    return x
