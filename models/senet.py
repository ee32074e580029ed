"""Squeeze-and-excitation on an Inception module and on ResNet-50.

Hu, Shen, Albanie, Sun and Wu 2017, "Squeeze-and-excitation networks" (arXiv:1709.01507), figures 2
and 3 and Table 1.
"""

from __future__ import annotations

from functools import partial

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import Activation
from .inception import inception
from .resnet import StrideIn, bottleneck, classifier, stage, stem

PAPER = "Hu et al. 2017 (arXiv:1709.01507)"


@architecture(
    "se-inception",
    input="28x28x192",
    source=f"{PAPER}, figure 2, on Szegedy et al. 2014 (arXiv:1409.4842), Table 1, row 3a",
    aliases=("se-inception-module",),
)
def se_inception(x: Handle, *, reduction: int = 16) -> Handle:
    """The reduced Inception module with an SE block on its 256 channels."""
    x = inception(x, 64, (96, 128), (16, 32), 32, name="inception")
    return squeeze_excite(x, reduction)


@architecture(
    "se-resnet50",
    input="224x224x3",
    source=f"{PAPER}, Table 1",
    aliases=("se-resnet-50", "seresnet50"),
)
def se_resnet50(
    x: Handle, *, num_classes: int = 1000, reduction: int = 16, stride_in: StrideIn = "1x1"
) -> Handle:
    """SE-ResNet-50: an SE block on every residual branch of ResNet-50, before the addition."""
    block = partial(
        bottleneck, stride_in=stride_in, attend=partial(squeeze_excite, reduction=reduction)
    )
    x = stem(x)
    x = stage(x, block, 3, 64, 256, name="conv2")
    x = stage(x, block, 4, 128, 512, stride=2, name="conv3")
    x = stage(x, block, 6, 256, 1024, stride=2, name="conv4")
    x = stage(x, block, 3, 512, 2048, stride=2, name="conv5")
    return classifier(x, num_classes)


def squeeze_excite(x: Handle, reduction: int, *, name: str = "se") -> Handle:
    """Average each map, FC to C/r, ReLU, FC to C, sigmoid, scale the maps by the result.

    The layers are fully connected as in section 3.2. The authors' Caffe code has equivalent 1×1
    convolutions over a 1×1 map, with biases, which equation 3 omits.
    """
    return gated(x, max(x.channels // reduction, 1), name=name)


def gated(
    x: Handle,
    inner: int,
    activation: Activation = ops.relu,
    gate: Activation = ops.sigmoid,
    *,
    name: str = "se",
) -> Handle:
    """:func:`squeeze_excite` with ``inner`` channels between the two layers, and with other
    functions, as in MobileNetV3 and EfficientNet."""
    with x.scope(name):
        s = ops.flatten(ops.adaptive_avg_pool2d(x, name="squeeze"))
        s = activation(ops.linear(s, inner, name="fc1"))
        s = gate(ops.linear(s, x.channels, name="fc2"))
        return ops.mul(x, ops.reshape(s, (-1, x.channels, 1, 1)), name="scale")
