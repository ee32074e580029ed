"""Network in Network on CIFAR-10.

Lin, Chen and Yan 2013, "Network In Network" (arXiv:1312.4400). The paper gives no widths; these are
from the authors' cuda-convnet definition, ``cifar-10_def``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .blocks import conv_bn, conv_relu

if TYPE_CHECKING:
    from archcalc.recipe import Recipe


def recipes() -> dict[str, Recipe]:
    """Recipes for CIFAR-10."""
    from archcalc.recipe import Recipe

    # One cycle of Muon. The images are small at first: the network is fully convolutional.
    fast = Recipe(
        data="cifar-10",
        optimizer="muon",
        lr=0.3,
        matrix_lr=0.15,
        matrix_decay=0.05,
        batch=256,
        epochs=16,
        schedule="linear",
        warmup=2,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        decay_biases=False,
        bias_lr=16,
        init="dirac",
        whiten=True,
        frozen=3,
        normalise="channel",
        flip=True,
        alternate=True,
        shift=4,
        edge="reflect",
        cutout=10,
        sizes=(16, 24),
        growing=0.625,
        dropout="off",
        label_smoothing=0.1,
        average=0.95,
        lookahead=True,
        test_views="mirror+shift",
        validation=0,  # the last weights are the best: the learning rate has fallen to 0
    )
    # Without batch normalisation, ReLUs die in the steps of ``fast``.
    plain = replace(fast, lr=0.1, matrix_lr=0.4, matrix_decay=0.0, bias_lr=1, shift=3, cutout=0)
    return {
        # A tutorial article on NiN for CIFAR-10: last epoch 86.43 %, best 87.53 %. It chose the
        # best epoch by the test images; archcalc chooses it by images held out of the training set.
        "article": Recipe(
            data="cifar-10",
            optimizer="adam",
            lr=4e-4,
            batch=128,
            epochs=800,
            schedule="steps",
            milestones=(100, 200, 300, 400, 500, 600, 700),
            factor=0.8,
        ),
        # The authors' three steps: error about 14 %, 10.7 % and 10.4 %.
        "paper": Recipe(
            data="cifar-10",
            optimizer="sgd",
            lr=0.1,
            momentum=0.9,
            weight_decay=1e-4,
            decay_biases=False,  # cuda-convnet decays only weights
            bias_lr=2.0,
            last_lr=0.1,
            batch=128,
            epochs=240,  # "about 230", and ten more after the last step
            schedule="steps",
            milestones=(200, 230),
            factor=0.1,
            normalise="zca",
        ),
        "fast": fast,  # for norm=batch
        "plain": plain,
        # For comparing heads and dropout (Table 5, Figure 3): only they keep it from overfitting.
        "short": replace(
            plain,
            epochs=8,
            warmup=1,
            frozen=1.5,
            flip=False,
            alternate=False,
            shift=0,
            edge="black",
            sizes=(),
            dropout="model",
            test_views="one",
        ),
    }


@architecture(
    "nin",
    input="32x32x3",
    source="Lin et al. 2013 (arXiv:1312.4400), CIFAR-10",
    aliases=("nin-cifar10", "network-in-network"),
    recipes=recipes,
)
def nin(
    x: Handle,
    *,
    num_classes: int = 10,
    dropout: float = 0.5,
    head: Literal["gap", "fc", "fc-dropout"] = "gap",
    mlp: bool = True,
    norm: Literal["none", "batch"] = "none",
) -> Handle:
    """Network in Network for CIFAR-10: three mlpconv layers, then global average pooling.

    ``head=fc`` replaces the pooling by a fully connected layer, and ``head=fc-dropout`` adds
    dropout before it, for the comparison of Table 5. ``mlp=false`` omits the 1×1 layers, which
    leaves a plain convolutional network. ``norm=batch`` adds batch normalisation after every
    convolution but the last, which then has no ReLU. It trains faster. It is not in the paper,
    which is older than batch normalisation.
    """
    x = mlpconv(x, 192, 5, (160, 96), mlp, norm, name="mlpconv1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")  # authors: pad 0, rounding up
    x = ops.dropout(x, dropout, name="dropout1")

    x = mlpconv(x, 192, 5, (192, 192), mlp, norm, name="mlpconv2")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool2")  # likewise
    x = ops.dropout(x, dropout, name="dropout2")

    if norm == "batch":
        x = mlpconv(x, 192, 3, (192,), mlp, norm, name="mlpconv3")
        x = ops.conv2d(x, num_classes, 1, name="mlpconv3.classes")
    elif mlp:
        x = mlpconv(x, 192, 3, (192, num_classes), name="mlpconv3")
    else:  # the last plain convolution yields one map per class
        x = mlpconv(x, num_classes, 3, (), name="mlpconv3")
    if head == "gap":
        return ops.flatten(ops.adaptive_avg_pool2d(x, name="gap"))
    x = ops.flatten(x)  # Table 5: the rest is unchanged
    if head == "fc-dropout":
        x = ops.dropout(x, dropout, name="dropout3")
    return ops.linear(x, num_classes, name="fc")


def mlpconv(
    x: Handle,
    channels: int,
    kernel: int,
    hidden: tuple[int, ...],
    mlp: bool = True,
    norm: str = "none",
    *,
    name: str,
) -> Handle:
    """A convolution, then a small perceptron over the channels. The perceptron consists of 1×1
    convolutions (section 3.1), also called cascaded cross-channel parametric pooling. Without
    ``mlp``, only the convolution."""
    conv = conv_bn if norm == "batch" else conv_relu
    with x.scope(name):
        x = conv(x, channels, kernel, padding=kernel // 2, name="")
        for index, width in enumerate(hidden if mlp else (), start=1):
            x = conv(x, width, 1, name=f"cccp{index}")
        return x
