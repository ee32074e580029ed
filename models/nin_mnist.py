"""NiN on MNIST in three stages, as in a tutorial article on NiN for MNIST.

Each stage starts from the weights of the previous one and adds one or two 1×1 convolutions. The
images are enlarged to 224×224.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import adaptive_avg_pool2d, avg_pool2d, conv2d, flatten, max_pool2d, relu

if TYPE_CHECKING:
    from archcalc.recipe import Recipe

ARTICLE = "the tutorial article on NiN for MNIST"


def first_stage() -> dict[str, Recipe]:
    """Recipes for v0. The article reports 95.19 % and does not give the number of epochs."""
    from archcalc.recipe import Recipe

    article = Recipe(
        data="mnist",
        optimizer="sgd",
        lr=0.001,
        momentum=0.3,
        batch=60,
        epochs=10,
        init="torch",
        normalise="channel",  # 0.1307 and 0.3081 in the article: MNIST's mean and deviation
    )
    fast = Recipe(
        data="mnist",
        optimizer="muon",
        lr=0.1,
        matrix_lr=0.15,
        matrix_decay=0.05,
        batch=128,
        epochs=20,
        schedule="linear",
        warmup=1,
        momentum=0.9,
        nesterov=True,
        init="dirac",
        normalise="channel",
        shift=1,
        average=0.95,
        lookahead=True,
        validation=0,  # the last weights are the best: the learning rate has fallen to 0
    )
    return {"article": article, "fast": fast}


def second_stage() -> dict[str, Recipe]:
    """Recipes for v1, which starts from v0. The article sets the weights of the new 1×1
    convolutions to 1."""
    found = first_stage()
    return {
        "article": replace(found["article"], grows_from="nin-mnist-v0", new_weights=1.0),
        "fast": replace(found["fast"], grows_from="nin-mnist-v0", identity=True),
    }


def third_stage() -> dict[str, Recipe]:
    """Recipes for v2, which starts from v1, with a smaller learning rate. The article sets the
    weights of the new convolution to 0.01."""
    found = first_stage()
    article = replace(found["article"], grows_from="nin-mnist-v1", new_weights=0.01, lr=0.0004)
    return {
        "article": article,
        "fast": replace(found["fast"], grows_from="nin-mnist-v1", identity=True, lr=0.05),
    }


@architecture("nin-mnist-v0", input="224x224x1", source=f"{ARTICLE}, stage v0", recipes=first_stage)
def v0(x: Handle, *, global_pool: bool = False) -> Handle:
    """NiN for MNIST, first stage: one 1×1 convolution per group.

    As published, it has 40 logits for 10 classes: see ``global_pool`` of nin-mnist-v2.
    """
    x = group(x, 10, 1, act=False, name="group1")  # as published: no ReLU before the pool
    x = group(x, 20, 1, name="group2")
    x = group(x, 10, 1, name="group3")
    return head(x, global_pool)


@architecture(
    "nin-mnist-v1", input="224x224x1", source=f"{ARTICLE}, stage v1", recipes=second_stage
)
def v1(x: Handle, *, global_pool: bool = False) -> Handle:
    """NiN for MNIST, second stage: groups 1 and 3 get a second 1×1 convolution.

    As published, it has 40 logits for 10 classes: see ``global_pool`` of nin-mnist-v2.
    """
    x = group(x, 10, 2, name="group1")
    x = group(x, 20, 1, name="group2")
    x = group(x, 10, 2, name="group3")
    return head(x, global_pool)


@architecture(
    "nin-mnist-v2",
    input="224x224x1",
    source=f"{ARTICLE}, stage v2",
    aliases=("nin-mnist",),
    recipes=third_stage,
)
def v2(x: Handle, *, global_pool: bool = False) -> Handle:
    """NiN for MNIST, third stage: group 2 gets a second 1×1 convolution as well.

    As published, it averages 14×14 windows of a 28×28 map. This yields 2×2 values per map, so 40
    logits for 10 classes. ``global_pool=true`` averages the whole map, for 10 logits.
    """
    x = group(x, 10, 2, name="group1")
    x = group(x, 20, 2, name="group2")
    x = group(x, 10, 2, name="group3")
    return head(x, global_pool)


def group(x: Handle, width: int, pointwise: int, act: bool = True, *, name: str) -> Handle:
    """A 3×3 convolution, ``pointwise`` 1×1 convolutions, and a pool. ``act`` adds a ReLU before the
    pool."""
    with x.scope(name):
        x = conv2d(x, width, 3, padding=1)
        for index in range(1, pointwise + 1):
            x = conv2d(relu(x), width, 1, name=f"cccp{index}")
        return max_pool2d(relu(x) if act else x, 2)


def head(x: Handle, global_pool: bool) -> Handle:
    """The average pool that ends each stage: over 14×14 windows as published, or global."""
    x = adaptive_avg_pool2d(x, name="gap") if global_pool else avg_pool2d(x, 14)
    return flatten(x)
