"""GoogLeNet as in Table 1 of the paper.

Szegedy et al. 2014, "Going deeper with convolutions" (arXiv:1409.4842), Table 1 and section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import (
    adaptive_avg_pool2d,
    avg_pool2d,
    dropout,
    flatten,
    linear,
    local_response_norm,
    max_pool2d,
    relu,
)

from .blocks import conv_relu
from .inception import inception

if TYPE_CHECKING:
    from archcalc.recipe import Recipe

PAPER = "Szegedy et al. 2014 (arXiv:1409.4842)"


def recipes() -> dict[str, Recipe]:
    """A recipe for users' own folders of images."""
    from archcalc.recipe import Recipe

    return {
        "fast": Recipe(
            data="folder",
            optimizer="adamw",
            lr=5e-4,
            batch=64,
            epochs=40,
            schedule="cosine",
            warmup=2,
            weight_decay=0.05,
            decay_biases=False,
            normalise="channel",
            flip=True,
            shift=8,
        ),
    }


@architecture(
    "googlenet",
    input="224x224x3",
    source=f"{PAPER}, Table 1",
    aliases=("inception-v1", "googlenet-paper"),
    recipes=recipes,
)
def googlenet(x: Handle, *, num_classes: int = 1000, aux: bool = True) -> dict[str, Handle]:
    """GoogLeNet: nine Inception modules, LRN, two auxiliary heads in training."""
    x = conv_relu(x, 64, 7, stride=2, padding=3, name="conv1")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool1")
    x = lrn(x, name="lrn1")
    x = conv_relu(x, 64, 1, name="conv2.reduce")
    x = conv_relu(x, 192, 3, padding=1, name="conv2")
    x = lrn(x, name="lrn2")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool2")

    x = inception(x, 64, (96, 128), (16, 32), 32, name="inception_3a")
    x = inception(x, 128, (128, 192), (32, 96), 64, name="inception_3b")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool3")

    a = inception(x, 192, (96, 208), (16, 48), 64, name="inception_4a")
    x = inception(a, 160, (112, 224), (24, 64), 64, name="inception_4b")
    x = inception(x, 128, (128, 256), (24, 64), 64, name="inception_4c")
    d = inception(x, 112, (144, 288), (32, 64), 64, name="inception_4d")
    x = inception(d, 256, (160, 320), (32, 128), 128, name="inception_4e")
    x = max_pool2d(x, 3, stride=2, ceil_mode=True, name="pool4")

    x = inception(x, 256, (160, 320), (32, 128), 128, name="inception_5a")
    x = inception(x, 384, (192, 384), (48, 128), 128, name="inception_5b")
    x = adaptive_avg_pool2d(x, name="avg_pool")  # the table: 7×7/1, the whole map at 224
    x = dropout(x, 0.4)
    outputs = {"output": linear(flatten(x), num_classes)}
    if aux:
        outputs["aux1"] = auxiliary(a, num_classes, name="aux1")
        outputs["aux2"] = auxiliary(d, num_classes, name="aux2")
    return outputs


def auxiliary(x: Handle, num_classes: int, *, name: str) -> Handle:
    """Section 5: a classifier on 4a and on 4d that runs only in training."""
    x = x.in_training_only()
    with x.scope(name):
        x = avg_pool2d(x, 5, stride=3)
        x = conv_relu(x, 128, 1, name="reduce")
        x = relu(linear(flatten(x), 1024, name="fc1"))
        return linear(dropout(x, 0.7), num_classes, name="fc2")


def lrn(x: Handle, *, name: str) -> Handle:
    """Local response normalisation. The paper gives no constants; these are from Krizhevsky et al.
    2012. torch divides alpha by the size, hence 5 times their 1e-4."""
    return local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0, name=name)
