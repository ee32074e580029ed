"""NiN on FashionMNIST, as in a tutorial article on NiN for FashionMNIST.

Every perceptron layer is as wide as its convolution. The images are enlarged to 32×32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .nin import mlpconv

if TYPE_CHECKING:
    from archcalc.recipe import Recipe


def recipes() -> dict[str, Recipe]:
    """Recipes for FashionMNIST."""
    from archcalc.recipe import Recipe

    return {
        "article": Recipe(
            data="fashion-mnist", optimizer="adam", lr=1e-4, batch=32, epochs=12, init="torch"
        ),
        # As the fast recipe of nin. Without batch normalisation, smaller steps of the biases.
        "fast": Recipe(
            data="fashion-mnist",
            optimizer="muon",
            lr=0.1,
            matrix_lr=0.4,
            batch=256,
            epochs=10,
            schedule="linear",
            warmup=1,
            momentum=0.9,
            nesterov=True,
            weight_decay=5e-4,
            decay_biases=False,
            init="dirac",
            whiten=True,
            frozen=2,
            normalise="channel",
            flip=True,
            alternate=True,
            shift=2,
            edge="reflect",
            sizes=(16, 24),
            growing=0.6,
            dropout="off",
            label_smoothing=0.1,
            average=0.95,
            lookahead=True,
            test_views="mirror+shift",
            validation=0,  # the last weights are the best: the learning rate has fallen to 0
        ),
    }


@architecture(
    "nin-fashion",
    input="32x32x1",
    source="the tutorial article on NiN for FashionMNIST",
    aliases=("nin-fashionmnist",),
    recipes=recipes,
)
def nin_fashion(x: Handle, *, num_classes: int = 10, dropout: float = 0.5) -> Handle:
    """NiN for FashionMNIST: three blocks of one width each, global average pooling."""
    x = mlpconv(x, 96, 5, (96, 96), name="block1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")
    x = ops.dropout(x, dropout, name="dropout1")

    x = mlpconv(x, 256, 5, (256, 256), name="block2")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool2")
    x = ops.dropout(x, dropout, name="dropout2")

    x = mlpconv(x, num_classes, 3, (num_classes, num_classes), name="block3")
    return ops.flatten(ops.adaptive_avg_pool2d(x, name="gap"))
