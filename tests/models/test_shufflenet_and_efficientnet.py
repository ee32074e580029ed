"""ShuffleNet v2 and EfficientNet-B0, summed row by row from the tables of their papers."""

from __future__ import annotations

import pytest

import archcalc


def counted(name: str, **options: object) -> tuple[int, int]:
    found = archcalc.graph(name, **options).profile()
    return found.params, found.macs


@pytest.mark.parametrize(
    ("width", "stages", "last", "params", "macs"),
    [
        ("0.5", (48, 96, 192), 1024, 1_366_792, 40_476_448),
        ("1.0", (116, 232, 464), 1024, 2_278_604, 144_907_992),
        ("1.5", (176, 352, 704), 1024, 3_503_624, 295_759_392),
        ("2.0", (244, 488, 976), 2048, 7_393_996, 583_253_464),
    ],
)
def test_shufflenet_v2_is_its_table(
    width: str, stages: tuple[int, int, int], last: int, params: int, macs: int
) -> None:
    weights, normed, products = 9 * 3 * 24, 24, 112**2 * 9 * 3 * 24
    given = 24
    for out, repeat, side in zip(stages, (4, 8, 4), (28, 14, 7), strict=True):
        half = out // 2
        # The unit that halves the map: two branches over all channels that come in.
        weights += 9 * given + given * half + given * half + 9 * half + half * half
        normed += given + half + 3 * half
        products += side**2 * (9 * given + given * half + 9 * half + half * half)
        products += (2 * side) ** 2 * given * half
        # The others: one branch over half of the channels.
        weights += (repeat - 1) * (2 * half * half + 9 * half)
        normed += (repeat - 1) * 3 * half
        products += (repeat - 1) * side**2 * (2 * half * half + 9 * half)
        given = out
    weights += given * last + last * 1000
    normed += last
    products += 7**2 * given * last + last * 1000
    assert counted("shufflenet-v2", multiplier=width) == (weights + 2 * normed + 1000, products)
    assert counted("shufflenet-v2", multiplier=width) == (params, macs)


def test_half_of_the_channels_pass_a_unit_untouched() -> None:
    graph = archcalc.graph("shufflenet-v2")
    kept, worked = (graph[f"stage2_2.{name}"].attrs for name in ("split", "split_2"))
    assert (kept["start"], kept["stop"]) == (0, 58)
    assert (worked["start"], worked["stop"]) == (58, 116)
    assert graph["stage2_2.channel_shuffle"].attrs["groups"] == 2


def test_efficientnet_b0_is_its_table() -> None:
    rows = [(1, 3, 16, 1, 112), (6, 3, 24, 2, 56), (6, 5, 40, 2, 28), (6, 3, 80, 3, 14)]
    rows += [(6, 5, 112, 3, 14), (6, 5, 192, 4, 7), (6, 3, 320, 1, 7)]
    params, macs = 9 * 3 * 32 + 2 * 32, 112**2 * 9 * 3 * 32
    given, before = 32, 112
    for expansion, kernel, out, count, side in rows:
        for _ in range(count):
            wide, inner = expansion * given, given // 4
            if expansion > 1:
                params += given * wide + 2 * wide
                macs += before**2 * given * wide
            params += kernel**2 * wide + 2 * wide
            macs += side**2 * kernel**2 * wide
            params += 2 * wide * inner + inner + wide
            macs += 2 * wide * inner
            params += wide * out + 2 * out
            macs += side**2 * wide * out
            given, before = out, side
    params += 320 * 1280 + 2 * 1280 + 1281 * 1000
    macs += 7**2 * 320 * 1280 + 1280 * 1000
    assert counted("efficientnet-b0") == (params, macs) == (5_288_548, 385_814_752)
