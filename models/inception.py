"""The Inception module, naive and with 1×1 reductions, and the branch of the worked example.

Szegedy et al. 2014, "Going deeper with convolutions" (arXiv:1409.4842), figure 2. The widths are
those of module 3a in Table 1, at its 28×28×192 input.
"""

from __future__ import annotations

from archcalc.graph import Handle
from archcalc.lookup.registry import architecture
from archcalc.ops import batch_norm, concat, conv2d, max_pool2d

from .blocks import conv_relu

PAPER = "Szegedy et al. 2014 (arXiv:1409.4842)"
WIDTHS = "widths of Table 1, row 3a"


def inception(
    x: Handle,
    c1: int,
    c3: tuple[int, int],
    c5: tuple[int, int],
    pool: int,
    *,
    name: str,
) -> Handle:
    """Figure 2b. ``c3`` and ``c5`` are (reduce, out), in the order of the columns of Table 1."""
    with x.scope(name):
        b1 = conv_relu(x, c1, 1, name="b1")
        b3 = conv_relu(x, c3[0], 1, name="b3.reduce")
        b3 = conv_relu(b3, c3[1], 3, padding=1, name="b3")
        b5 = conv_relu(x, c5[0], 1, name="b5.reduce")
        b5 = conv_relu(b5, c5[1], 5, padding=2, name="b5")
        bp = max_pool2d(x, 3, stride=1, padding=1, name="pool.max_pool")
        bp = conv_relu(bp, pool, 1, name="pool.proj")
        return concat([b1, b3, b5, bp])


@architecture(
    "inception-naive",
    input="28x28x192",
    source=f"{PAPER}, figure 2a, {WIDTHS}",
    aliases=("naive",),
)
def naive(x: Handle, *, c1: int = 64, c3: int = 128, c5: int = 32, article: bool = False) -> Handle:
    """The naive Inception module: 1×1, 3×3, 5×5 and max pool in parallel.

    ``article=true`` follows the code of the tutorial article on GoogLeNet: each convolution has a
    bias and is followed by batch normalisation, without ReLU.
    """
    b1 = _conv(x, c1, 1, article, name="b1")
    b3 = _conv(x, c3, 3, article, name="b3")
    b5 = _conv(x, c5, 5, article, name="b5")
    bp = max_pool2d(x, 3, stride=1, padding=1, name="pool.max_pool")
    return concat([b1, b3, b5, bp])


@architecture(
    "inception-reduced",
    input="28x28x192",
    source=f"{PAPER}, figure 2b, {WIDTHS}",
    aliases=("inception-module",),
)
def reduced(
    x: Handle,
    *,
    c1: int = 64,
    c3_reduce: int = 96,
    c3: int = 128,
    c5_reduce: int = 16,
    c5: int = 32,
    pool: int = 32,
    article: bool = False,
) -> Handle:
    """The Inception module with 1×1 reductions before its 3×3 and 5×5 and after its pool.

    ``article=true`` follows the code of the tutorial article on GoogLeNet: each convolution has a
    bias and is followed by batch normalisation, without ReLU.
    """
    b1 = _conv(x, c1, 1, article, name="b1")
    b3 = _conv(x, c3_reduce, 1, article, name="b3.reduce")
    b3 = _conv(b3, c3, 3, article, name="b3")
    b5 = _conv(x, c5_reduce, 1, article, name="b5.reduce")
    b5 = _conv(b5, c5, 5, article, name="b5")
    bp = max_pool2d(x, 3, stride=1, padding=1, name="pool.max_pool")
    bp = _conv(bp, pool, 1, article, name="pool.proj")
    return concat([b1, b3, b5, bp])


@architecture("inception-5x5", input="28x28x192", source=f"{PAPER}, figure 2a, the 5×5")
def direct_5x5(x: Handle, *, c5: int = 32) -> Handle:
    """The worked example, before: a 5×5 convolution directly on 192 channels."""
    return conv_relu(x, c5, 5, padding=2, name="b5")


@architecture("inception-5x5-reduced", input="28x28x192", source=f"{PAPER}, figure 2b, the 5×5")
def reduced_5x5(x: Handle, *, c5_reduce: int = 16, c5: int = 32) -> Handle:
    """The worked example, after: a 1×1 reduces to 16 channels before the 5×5."""
    x = conv_relu(x, c5_reduce, 1, name="b5.reduce")
    return conv_relu(x, c5, 5, padding=2, name="b5")


def _conv(x: Handle, channels: int, kernel: int, article: bool, *, name: str) -> Handle:
    """A convolution that keeps height and width. ReLU follows, as in the paper, or batch
    normalisation, as in the code of the article."""
    if not article:
        return conv_relu(x, channels, kernel, padding=kernel // 2, name=name)
    with x.scope(name):
        return batch_norm(conv2d(x, channels, kernel, padding=kernel // 2), name="bn")
