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
        "fast": Recipe(
            data="fashion-mnist",
            optimizer="adamw",
            lr=1e-3,
            batch=64,
            epochs=5,
            schedule="cosine",
            warmup=0.25,
            weight_decay=0.02,
            decay_biases=False,
            normalise="channel",
            flip=True,
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
