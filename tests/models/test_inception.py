"""The Inception module, and the worked example of its 5×5 branch."""

from __future__ import annotations

import pytest

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import DefinitionError
from archcalc.lookup.registry import find

PIXELS = 28 * 28


def read(name: str, **options: object) -> Profile:
    return profile(find(name).graph(options=options))


def test_the_5x5_on_192_channels_costs_120_million() -> None:
    direct = read("inception-5x5")
    assert direct.macs == (28 * 28 * 32) * (5 * 5 * 192) == 120_422_400
    assert direct.params == 5 * 5 * 192 * 32 + 32 == 153_632


def test_the_5x5_behind_a_1x1_to_16_channels_costs_12_million() -> None:
    reduced = read("inception-5x5-reduced")
    macs = (28 * 28 * 32) * (5 * 5 * 16) + (28 * 28 * 16) * (1 * 1 * 192)
    assert reduced.macs == macs == 12_443_648
    assert reduced.params == (192 * 16 + 16) + (5 * 5 * 16 * 32 + 32) == 3_088 + 12_832 == 15_920


def test_the_reduction_saves_nine_tenths_of_the_branch() -> None:
    assert round(120_422_400 / 12_443_648, 2) == 9.68


def test_the_naive_module_joins_416_channels() -> None:
    naive = read("inception-naive")
    assert naive.output == (1, 64 + 128 + 32 + 192, 28, 28) == (1, 416, 28, 28)
    weights = 192 * (1 * 64 + 9 * 128 + 25 * 32)
    assert naive.params == weights + (64 + 128 + 32) == 387_296
    assert naive.macs == PIXELS * weights == 303_464_448


def test_the_reduced_module_joins_256_channels() -> None:
    reduced = read("inception-reduced")
    assert reduced.output == (1, 64 + 128 + 32 + 32, 28, 28) == (1, 256, 28, 28)
    weights = 192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32
    assert reduced.params == weights + (64 + 96 + 128 + 16 + 32 + 32) == 163_696
    assert reduced.macs == PIXELS * weights == 128_049_152


@pytest.mark.parametrize(
    ("name", "params", "channels", "literal"),
    [
        ("inception-naive", 387_296, 64 + 128 + 32, 387_744),
        ("inception-reduced", 163_696, 64 + 96 + 128 + 16 + 32 + 32, 164_432),
    ],
)
def test_the_articles_code_adds_two_numbers_a_channel_and_no_multiply_adds(
    name: str, params: int, channels: int, literal: int
) -> None:
    as_article = read(name, article=True)
    assert as_article.params == params + 2 * channels == literal
    assert as_article.macs == read(name).macs
    assert "relu" not in {layer.op for layer in as_article.layers}


def test_widths_are_options() -> None:
    narrow = read("inception-naive", c1=1, c3=2, c5=3)
    assert narrow.output[1] == 1 + 2 + 3 + 192
    assert narrow.params == 192 * (1 + 9 * 2 + 25 * 3) + (1 + 2 + 3)
    none = read("inception-reduced", c1=1, c3_reduce=2, c3=3, c5_reduce=4, c5=5, pool=6)
    assert none.output[1] == 1 + 3 + 5 + 6


def test_a_naive_module_after_another_grows_by_its_whole_input() -> None:
    naive = find("inception-naive")
    assert naive.graph("28x28x416").output.shape == (1, 64 + 128 + 32 + 416, 28, 28)


def test_the_module_is_the_one_in_googlenet() -> None:
    alone = read("inception-reduced")
    inside = profile(find("googlenet").graph())
    module = [layer for layer in inside.layers if layer.name.startswith("inception_3a.")]
    assert sum(layer.cost.macs for layer in module if layer.cost) == alone.macs
    assert sum(layer.params for layer in module) == alone.params
    assert [layer.name.removeprefix("inception_3a.") for layer in module] == [
        layer.name for layer in alone.layers if layer.op != "input"
    ]


def test_an_input_of_one_pixel_is_enough_because_every_branch_pads() -> None:
    assert find("inception-reduced").graph("1x1x192").output.shape == (1, 256, 1, 1)


def test_a_worked_example_at_another_input_follows_it() -> None:
    smaller = profile(find("inception-5x5").graph("14x14x480"))
    assert smaller.macs == (14 * 14 * 32) * (5 * 5 * 480)


def test_an_input_without_pixels_names_the_first_node() -> None:
    with pytest.raises(DefinitionError, match=r"^b1\.conv: 1×1 window is larger than its 0×28"):
        find("inception-naive").graph((192, 0, 28))
