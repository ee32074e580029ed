"""MobileNet v1 to v3, summed row by row from the tables of their papers."""

from __future__ import annotations

import pytest

import archcalc
from archcalc.models.blocks import divisible


def total(convs: list[tuple[int, int, int, int, int]]) -> tuple[int, int]:
    """(parameters with batch normalisation, multiply-adds) of convolutions, each given as side of
    its output, kernel, channels read by one output, channels out, and 1 where it is normalised."""
    params = sum(k * k * read * out + 2 * out * normed for _, k, read, out, normed in convs)
    return params, sum(side**2 * k * k * read * out for side, k, read, out, _ in convs)


def counted(name: str, **options: object) -> tuple[int, int]:
    found = archcalc.graph(name, **options).profile()
    return found.params, found.macs


def test_mobilenet_v1_is_thirteen_pairs_of_depthwise_and_pointwise() -> None:
    # Side of the output, channels in and out of each separable convolution (Table 1).
    rows = [(112, 32, 64), (56, 64, 128), (56, 128, 128), (28, 128, 256), (28, 256, 256)]
    rows += [(14, 256, 512), *[(14, 512, 512)] * 5, (7, 512, 1024), (7, 1024, 1024)]
    convs = [(112, 3, 3, 32, 1)]
    for side, given, out in rows:
        convs += [(side, 3, 1, given, 1), (side, 1, given, out, 1)]
    params, macs = total(convs)
    assert counted("mobilenet-v1") == (params + 1025 * 1000, macs + 1024 * 1000)
    assert counted("mobilenet-v1") == (4_231_976, 568_740_352)


def test_the_width_multiplier_thins_every_layer_of_mobilenet_v1() -> None:
    thin = archcalc.graph("mobilenet-v1", multiplier=0.25)
    full = archcalc.graph("mobilenet-v1")
    for a, b in zip(thin.nodes, full.nodes, strict=True):
        if a.op == "conv2d":
            assert 4 * a.output.shape[1] == b.output.shape[1]


def test_mobilenet_v2_is_its_table() -> None:
    rows = [(1, 16, 1, 112), (6, 24, 2, 56), (6, 32, 3, 28), (6, 64, 4, 14), (6, 96, 3, 14)]
    rows += [(6, 160, 3, 7), (6, 320, 1, 7)]
    convs, given, before = [(112, 3, 3, 32, 1)], 32, 112
    for expansion, out, count, side in rows:
        for _ in range(count):
            wide = expansion * given
            convs += [(before, 1, given, wide, 1)] if expansion > 1 else []
            convs += [(side, 3, 1, wide, 1), (side, 1, wide, out, 1)]
            given, before = out, side
    params, macs = total([*convs, (7, 1, 320, 1280, 1)])
    assert counted("mobilenet-v2") == (params + 1281 * 1000, macs + 1280 * 1000)
    assert counted("mobilenet-v2") == (3_504_872, 300_774_272)


LARGE = [(3, 16, 16, 0, 112), (3, 64, 24, 0, 56), (3, 72, 24, 0, 56), (5, 72, 40, 1, 28)]
LARGE += [(5, 120, 40, 1, 28), (5, 120, 40, 1, 28), (3, 240, 80, 0, 14), (3, 200, 80, 0, 14)]
LARGE += [(3, 184, 80, 0, 14), (3, 184, 80, 0, 14), (3, 480, 112, 1, 14), (3, 672, 112, 1, 14)]
LARGE += [(5, 672, 160, 1, 7), (5, 960, 160, 1, 7), (5, 960, 160, 1, 7)]
SMALL = [(3, 16, 16, 1, 56), (3, 72, 24, 0, 28), (3, 88, 24, 0, 28), (5, 96, 40, 1, 14)]
SMALL += [(5, 240, 40, 1, 14), (5, 240, 40, 1, 14), (5, 120, 48, 1, 14), (5, 144, 48, 1, 14)]
SMALL += [(5, 288, 96, 1, 7), (5, 576, 96, 1, 7), (5, 576, 96, 1, 7)]


@pytest.mark.parametrize(
    ("name", "rows", "hidden", "params", "macs"),
    [
        ("mobilenet-v3-large", LARGE, 1280, 5_483_032, 216_589_760),
        ("mobilenet-v3-small", SMALL, 1024, 2_542_856, 56_510_400),
    ],
)
def test_mobilenet_v3_is_its_table(
    name: str, rows: list[tuple[int, int, int, int, int]], hidden: int, params: int, macs: int
) -> None:
    """Each row is kernel, exp size, out, SE and the side of its output."""
    convs, given, before, squeezed = [(112, 3, 3, 16, 1)], 16, 112, 0
    for kernel, wide, out, excited, side in rows:
        convs += [(before, 1, given, wide, 1)] if wide != given else []
        convs += [(side, kernel, 1, wide, 1), (side, 1, wide, out, 1)]
        if excited:
            inner = divisible(wide / 4)
            convs += [(1, 1, wide, inner, 0), (1, 1, inner, wide, 0)]
            squeezed += inner + wide  # biases
        given, before = out, side
    convs += [(7, 1, given, 6 * given, 1), (1, 1, 6 * given, hidden, 0), (1, 1, hidden, 1000, 0)]
    weights, products = total(convs)
    assert counted(name) == (weights + squeezed + hidden + 1000, products) == (params, macs)


@pytest.mark.parametrize(
    ("channels", "nearest"), [(4, 8), (11, 16), (12, 16), (18, 24), (32 * 0.35, 16), (100, 104)]
)
def test_widths_are_multiples_of_eight_and_lose_at_most_a_tenth(
    channels: float, nearest: int
) -> None:
    assert divisible(channels) == nearest
    assert nearest >= 0.9 * channels
