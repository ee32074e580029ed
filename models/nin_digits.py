"""A small NiN for the 8×8 handwritten digits of scikit-learn.

It trains in seconds on a laptop, without a download. The structure follows Lin et al. 2013; the
widths are archcalc's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

from .nin import mlpconv

if TYPE_CHECKING:
    from archcalc.recipe import Recipe


def recipes() -> dict[str, Recipe]:
    """Recipes for the digits."""
    from archcalc.recipe import Recipe

    return {
        "fast": Recipe(
            data="digits",
            optimizer="adamw",
            lr=0.005,
            batch=64,
            epochs=30,
            schedule="cosine",
            warmup=1,
            weight_decay=0.01,
            decay_biases=False,
            normalise="channel",
        )
    }


@architecture(
    "nin-digits",
    input="8x8x1",
    source="archcalc, after Lin et al. 2013 (arXiv:1312.4400)",
    recipes=recipes,
)
def nin_digits(
    x: Handle,
    *,
    num_classes: int = 10,
    dropout: float = 0.2,
    head: Literal["gap", "fc"] = "gap",
) -> Handle:
    """NiN for 8×8 digits: two mlpconv layers, then global average pooling.

    ``head=fc`` replaces the pooling by a fully connected layer, as in ``nin``.
    """
    x = mlpconv(x, 32, 3, (32, 32), name="mlpconv1")
    x = ops.max_pool2d(x, 3, stride=2, padding=1, name="pool1")
    x = ops.dropout(x, dropout, name="dropout1")

    x = mlpconv(x, 64, 3, (64,), name="mlpconv2")
    # No ReLU after the last convolution: in such a narrow network, a class could stay at 0.
    x = ops.conv2d(x, num_classes, 1, name="mlpconv2.cccp2.conv")
    if head == "gap":
        return ops.flatten(ops.adaptive_avg_pool2d(x, name="gap"))
    return ops.linear(ops.flatten(x), num_classes, name="fc")
