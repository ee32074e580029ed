"""AlexNet, as the paper describes it and as torchvision builds it.

Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural
networks" (NIPS 2012), section 3. Krizhevsky 2014, "One weird trick for parallelizing convolutional
neural networks" (arXiv:1404.5997), has the network with one tower that torchvision follows.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_relu

PAPER = "Krizhevsky et al. 2012 (NIPS 2012)"


@architecture(
    "alexnet",
    input="227x227x3",
    source=f"{PAPER}, section 3.5",
    aliases=("alexnet-paper", "caffenet"),
)
def alexnet(x: Handle, *, num_classes: int = 1000, dropout: float = 0.5) -> Handle:
    """AlexNet as published: two groups in conv 2, 4 and 5 (one per GPU), LRN, input 227×227.

    The paper states 224×224, but its 55×55 maps after an 11×11 window with stride 4 need 227. At
    224, conv1 yields 54×54 and pool5 5×5, so that fc6 has 6,400 inputs instead of 9,216. This would
    be another network, with 11.5 million fewer parameters.
    """
    x = conv_relu(x, 96, 11, stride=4, name="conv1")
    x = ops.max_pool2d(lrn(x, name="lrn1"), 3, stride=2, name="pool1")
    x = conv_relu(x, 256, 5, padding=2, groups=2, name="conv2")
    x = ops.max_pool2d(lrn(x, name="lrn2"), 3, stride=2, name="pool2")
    x = conv_relu(x, 384, 3, padding=1, name="conv3")  # reads the maps of both GPUs
    x = conv_relu(x, 384, 3, padding=1, groups=2, name="conv4")
    x = conv_relu(x, 256, 3, padding=1, groups=2, name="conv5")
    x = ops.max_pool2d(x, 3, stride=2, name="pool5")

    x = ops.relu(ops.linear(ops.flatten(x), 4096, name="fc6"), name="relu6")
    x = ops.dropout(x, dropout, name="dropout6")
    x = ops.relu(ops.linear(x, 4096, name="fc7"), name="relu7")
    x = ops.dropout(x, dropout, name="dropout7")
    return ops.linear(x, num_classes, name="fc8")


@architecture(
    "alexnet-torchvision",
    input="224x224x3",
    source="torchvision's alexnet, after Krizhevsky 2014 (arXiv:1404.5997)",
    aliases=("alexnet-one-tower",),
)
def alexnet_torchvision(x: Handle, *, num_classes: int = 1000, dropout: float = 0.5) -> Handle:
    """AlexNet as in torchvision: one tower, other widths, no groups, no LRN."""
    x = conv_relu(x, 64, 11, stride=4, padding=2, name="conv1")
    x = ops.max_pool2d(x, 3, stride=2, name="pool1")
    x = conv_relu(x, 192, 5, padding=2, name="conv2")
    x = ops.max_pool2d(x, 3, stride=2, name="pool2")
    x = conv_relu(x, 384, 3, padding=1, name="conv3")
    x = conv_relu(x, 256, 3, padding=1, name="conv4")  # torchvision; arXiv:1404.5997 has 384
    x = conv_relu(x, 256, 3, padding=1, name="conv5")
    x = ops.max_pool2d(x, 3, stride=2, name="pool5")
    x = ops.adaptive_avg_pool2d(x, 6, name="avg_pool")  # torchvision; no effect at 224

    x = ops.dropout(ops.flatten(x), dropout, name="dropout6")  # torchvision: before each layer
    x = ops.relu(ops.linear(x, 4096, name="fc6"), name="relu6")
    x = ops.dropout(x, dropout, name="dropout7")
    x = ops.relu(ops.linear(x, 4096, name="fc7"), name="relu7")
    return ops.linear(x, num_classes, name="fc8")


def lrn(x: Handle, *, name: str) -> Handle:
    """Local response normalisation, section 3.3: n = 5, alpha = 1e-4, beta = 0.75, k = 2. torch
    divides alpha by n and the paper does not, hence 5e-4."""
    return ops.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0, name=name)
