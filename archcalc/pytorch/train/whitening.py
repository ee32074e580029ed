"""Initialise the first convolution to whiten the patches of the training images.

Neighbouring pixels of natural images are strongly correlated. Filters along the principal axes of
the patches, each divided by the standard deviation along its axis, remove the correlation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archcalc.errors import UsageError
from archcalc.pytorch.train.data import Images
from archcalc.pytorch.train.pixels import Pixels

IMAGES = 5_000
"""Images whose patches are sampled."""
LEAST_VARIANCE = 5e-4
"""Added to each variance, so that axes with little variance are not amplified (Jordan 2024)."""


def first_convolution(network: nn.Module, channels: int) -> tuple[str, nn.Conv2d]:
    """Return the convolution over the image itself, with its name. Raises UsageError."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            if layer.in_channels == channels and layer.groups == 1:
                return name, layer
            break
    raise UsageError(
        "whiten=true needs a network whose first layer is a convolution over the image's channels"
    )


@torch.no_grad()
def whiten(network: nn.Module, images: Images, pixels: Pixels) -> None:
    """Set the filters of the first convolution to whitening filters, as far as it has filters.

    With C input channels and a k×k window there are C·k·k of them. The next C·k·k filters are their
    negatives, because ReLU passes only one sign. Further filters keep their initial weights. Raises
    UsageError if there is no such convolution.
    """
    _, layer = first_convolution(network, images.shape[0])
    found = filters(images, pixels, (layer.kernel_size[0], layer.kernel_size[1]))
    both = torch.cat([found, -found])[: layer.out_channels]
    layer.weight[: len(both)] = both.to(layer.weight)
    if layer.bias is not None:
        layer.bias.zero_()


def filters(images: Images, pixels: Pixels, window: tuple[int, int]) -> Tensor:
    """Return the whitening filters (C·kH·kW, C, kH, kW), in order of decreasing variance."""
    step = max(1, len(images) // IMAGES)
    channels = images.shape[0]
    width = channels * window[0] * window[1]
    total, count = torch.zeros(width, width, dtype=torch.float64), 0
    for batch, _ in images.read(torch.split(torch.arange(0, len(images), step), 500)):
        patches = F.unfold(pixels(batch).cpu(), window).transpose(1, 2).reshape(-1, width)
        total += (patches.T @ patches).double()
        count += len(patches)
    variances, axes = torch.linalg.eigh(total / count)
    scaled: Tensor = axes / (variances + LEAST_VARIANCE).sqrt()
    return scaled.T.flip(0).reshape(-1, channels, *window).float()
