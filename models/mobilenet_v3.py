"""MobileNetV3, large and small.

Howard et al. 2019, "Searching for MobileNetV3" (arXiv:1905.02244), Tables 1 and 2.
"""

from __future__ import annotations

from functools import partial

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import Activation, conv_bn, divisible
from .senet import gated

PAPER = "Howard et al. 2019 (arXiv:1905.02244)"
EPS = 1e-3  # as in the authors' code

RE, HS = ops.relu, ops.hardswish


@architecture(
    "mobilenet-v3-large",
    input="224x224x3",
    source=f"{PAPER}, Table 1",
    aliases=("mobilenet-v3", "mobilenetv3-large"),
)
def large(x: Handle, *, num_classes: int = 1000, multiplier: float = 1.0) -> Handle:
    """MobileNetV3-Large: fifteen inverted residuals, eight of them with squeeze-and-excitation."""
    block = partial(bottleneck, multiplier=multiplier)
    x = stem(x, multiplier)
    # Table 1: kernel, exp size, #out, SE, NL, s of each row.
    x = block(x, 3, 16, 16, False, RE, 1, name="bneck1")
    x = block(x, 3, 64, 24, False, RE, 2, name="bneck2")
    x = block(x, 3, 72, 24, False, RE, 1, name="bneck3")
    x = block(x, 5, 72, 40, True, RE, 2, name="bneck4")
    x = block(x, 5, 120, 40, True, RE, 1, name="bneck5")
    x = block(x, 5, 120, 40, True, RE, 1, name="bneck6")
    x = block(x, 3, 240, 80, False, HS, 2, name="bneck7")
    x = block(x, 3, 200, 80, False, HS, 1, name="bneck8")
    x = block(x, 3, 184, 80, False, HS, 1, name="bneck9")
    x = block(x, 3, 184, 80, False, HS, 1, name="bneck10")
    x = block(x, 3, 480, 112, True, HS, 1, name="bneck11")
    x = block(x, 3, 672, 112, True, HS, 1, name="bneck12")
    x = block(x, 5, 672, 160, True, HS, 2, name="bneck13")
    x = block(x, 5, 960, 160, True, HS, 1, name="bneck14")
    x = block(x, 5, 960, 160, True, HS, 1, name="bneck15")
    return head(x, 6 * x.channels, divisible(1280 * multiplier), num_classes)


@architecture(
    "mobilenet-v3-small",
    input="224x224x3",
    source=f"{PAPER}, Table 2",
    aliases=("mobilenetv3-small",),
)
def small(x: Handle, *, num_classes: int = 1000, multiplier: float = 1.0) -> Handle:
    """MobileNetV3-Small: eleven inverted residuals, nine of them with squeeze-and-excitation."""
    block = partial(bottleneck, multiplier=multiplier)
    x = stem(x, multiplier)
    # Table 2: kernel, exp size, #out, SE, NL, s of each row.
    x = block(x, 3, 16, 16, True, RE, 2, name="bneck1")
    x = block(x, 3, 72, 24, False, RE, 2, name="bneck2")
    x = block(x, 3, 88, 24, False, RE, 1, name="bneck3")
    x = block(x, 5, 96, 40, True, HS, 2, name="bneck4")
    x = block(x, 5, 240, 40, True, HS, 1, name="bneck5")
    x = block(x, 5, 240, 40, True, HS, 1, name="bneck6")
    x = block(x, 5, 120, 48, True, HS, 1, name="bneck7")
    x = block(x, 5, 144, 48, True, HS, 1, name="bneck8")
    x = block(x, 5, 288, 96, True, HS, 2, name="bneck9")
    x = block(x, 5, 576, 96, True, HS, 1, name="bneck10")
    x = block(x, 5, 576, 96, True, HS, 1, name="bneck11")
    return head(x, 6 * x.channels, divisible(1024 * multiplier), num_classes)


def stem(x: Handle, multiplier: float) -> Handle:
    """The first row of both tables."""
    return conv_bn(
        x, divisible(16 * multiplier), 3, stride=2, padding=1, eps=EPS, activation=HS, name="conv1"
    )


def bottleneck(
    x: Handle,
    kernel: int,
    exp_size: int,
    out: int,
    excited: bool,
    activation: Activation,
    stride: int,
    *,
    multiplier: float,
    name: str,
) -> Handle:
    """Figure 4: MobileNetV2's block with squeeze-and-excitation after the depthwise convolution,
    to a quarter of its channels (section 5.3)."""
    expanded, out = divisible(exp_size * multiplier), divisible(out * multiplier)
    with x.scope(name):
        y = x
        if expanded != x.channels:
            y = conv_bn(y, expanded, 1, eps=EPS, activation=activation, name="expand")
        y = conv_bn(
            y,
            expanded,
            kernel,
            stride,
            padding=kernel // 2,
            groups=expanded,
            eps=EPS,
            activation=activation,
            name="depthwise",
        )
        if excited:
            # Rounded to a multiple of 8 as in the authors' code; the paper does not mention it.
            y = gated(y, divisible(expanded // 4), gate=ops.hardsigmoid)
        y = conv_bn(y, out, 1, act=False, eps=EPS, name="project")
        return ops.add(x, y) if stride == 1 and x.channels == out else y


def head(x: Handle, wide: int, hidden: int, num_classes: int) -> Handle:
    """The efficient last stage (figure 5), with the pool before the widest layer."""
    x = conv_bn(x, wide, 1, eps=EPS, activation=HS, name="conv2")
    x = ops.flatten(ops.adaptive_avg_pool2d(x, name="avg_pool"))
    # "NBN": 1×1 convolutions over a 1×1 map, with biases. Dropout of 0.2 as in section 6.1.1.
    x = ops.hardswish(ops.linear(x, hidden, name="fc1"))
    return ops.linear(ops.dropout(x, 0.2), num_classes, name="fc2")
