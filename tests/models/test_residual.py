"""ResNet-50 and its relatives, summed block by block, and the SE and SK units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import DefinitionError
from archcalc.lookup.registry import find


def read(name: str, input: str | None = None, **options: object) -> Profile:
    return profile(find(name).graph(input, options=options))


class Block(NamedTuple):
    """A bottleneck: channels in, inside and out; the size of its input and of its output."""

    channels: int
    width: int
    out: int
    before: int
    after: int
    first: bool


def blocks(width: int) -> Iterator[Block]:
    """The sixteen of the 50-layer column: 3, 4, 6 and 3, each stage twice as wide as the last."""
    channels, size = 64, 56
    for stage, count in enumerate((3, 4, 6, 3)):
        for index in range(count):
            after = size // 2 if stage and not index else size
            out = 256 * 2**stage
            yield Block(channels, width * 2**stage, out, size, after, not index)
            channels, size = out, after


STEM = 7 * 7 * 3 * 64
STEM_MACS = 112 * 112 * STEM
FC = 2048 * 1000


def params_of(width: int, groups: int) -> int:
    """Convolutions without biases, two numbers a channel of batch normalisation, the last FC."""
    total = STEM + 2 * 64 + FC + 1000
    for block in blocks(width):
        total += block.channels * block.width + 2 * block.width
        total += 9 * block.width * block.width // groups + 2 * block.width
        total += block.width * block.out + 2 * block.out
        total += (block.channels * block.out + 2 * block.out) if block.first else 0
    return total


def macs_of(width: int, groups: int, stride_in: str) -> int:
    total = STEM_MACS + FC
    for block in blocks(width):
        reduce_at = block.after if stride_in == "1x1" else block.before
        total += reduce_at**2 * block.channels * block.width
        total += block.after**2 * 9 * block.width * block.width // groups
        total += block.after**2 * block.width * block.out
        total += block.after**2 * block.channels * block.out if block.first else 0
    return total


def test_resnet_50_as_published_strides_in_the_first_1x1() -> None:
    resnet = read("resnet50")
    assert resnet.params == params_of(64, 1) == 25_557_032
    assert resnet.macs == macs_of(64, 1, "1x1") == 3_857_973_248


def test_resnet_50_as_in_torchvision_strides_in_the_3x3() -> None:
    resnet = read("resnet50", stride_in="3x3")
    assert resnet.params == 25_557_032
    assert resnet.macs == macs_of(64, 1, "3x3") == 4_089_184_256


def test_resnext_50_has_32_groups_of_4_and_strides_in_the_3x3() -> None:
    resnext = read("resnext50")
    assert resnext.params == params_of(32 * 4, 32) == 25_028_904
    assert resnext.macs == macs_of(32 * 4, 32, "3x3") == 4_230_479_872


def test_resnext_of_one_group_of_64_is_resnet() -> None:
    plain = read("resnext50", cardinality=1, group_width=64)
    resnet = read("resnet50", stride_in="3x3")
    assert (plain.params, plain.macs) == (resnet.params, resnet.macs)
    assert [layer.node for layer in plain.layers] == [layer.node for layer in resnet.layers]


def column(counts: tuple[int, int, int, int], deep: bool) -> tuple[int, int]:
    """(parameters, multiply-adds) of a column of Table 1, strides in the first convolution."""
    params, macs, given, size = STEM + 2 * 64, STEM_MACS, 64, 56
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        out = 4 * width if deep else width
        for index in range(count):
            after = size // 2 if stage and not index else size
            if deep:
                convs = [given * width, 9 * width * width, width * out]
            else:
                convs = [9 * given * width, 9 * width * out]
            normed = [width, width, out] if deep else [width, out]
            if given != out:  # the projection
                convs, normed = [*convs, given * out], [*normed, out]
            params += sum(convs) + 2 * sum(normed)
            macs += after**2 * sum(convs)
            given, size = out, after
    return params + (given + 1) * 1000, macs + given * 1000


@pytest.mark.parametrize(
    ("name", "counts", "deep", "params", "macs"),
    [
        ("resnet18", (2, 2, 2, 2), False, 11_689_512, 1_814_073_344),
        ("resnet34", (3, 4, 6, 3), False, 21_797_672, 3_663_761_408),
        ("resnet50", (3, 4, 6, 3), True, 25_557_032, 3_857_973_248),
        ("resnet101", (3, 4, 23, 3), True, 44_549_160, 7_570_194_432),
        ("resnet152", (3, 8, 36, 3), True, 60_192_808, 11_282_415_616),
    ],
)
def test_every_depth_of_resnet_is_its_column(
    name: str, counts: tuple[int, int, int, int], deep: bool, params: int, macs: int
) -> None:
    found = read(name)
    assert (found.params, found.macs) == column(counts, deep) == (params, macs)


def test_the_stages_have_the_sizes_of_the_papers_table() -> None:
    graph = find("resnet50").graph()
    shapes = {
        "conv1.relu": (64, 112, 112),
        "pool1": (64, 56, 56),
        "conv2_3.relu": (256, 56, 56),
        "conv3_4.relu": (512, 28, 28),
        "conv4_6.relu": (1024, 14, 14),
        "conv5_3.relu": (2048, 7, 7),
        "fc": (1000,),
    }
    assert {name: graph[name].output.shape[1:] for name in shapes} == shapes


def test_a_projection_stands_only_where_the_size_or_the_width_changes() -> None:
    names = [node.name for node in find("resnet50").graph() if ".shortcut." in node.name]
    assert {name.partition(".")[0] for name in names} == {
        "conv2_1",
        "conv3_1",
        "conv4_1",
        "conv5_1",
    }


def squeeze(channels: int, reduction: int = 16) -> tuple[int, int]:
    """(parameters, multiply-adds) of an SE block: two FC with biases."""
    inner = channels // reduction
    weights = 2 * channels * inner
    return weights + inner + channels, weights


def test_se_resnet_50_adds_two_fully_connected_layers_a_block() -> None:
    se = read("se-resnet50")
    added = [squeeze(block.out) for block in blocks(64)]
    assert se.params == 25_557_032 + sum(params for params, _ in added) == 28_088_024
    assert se.macs == 3_857_973_248 + sum(macs for _, macs in added) == 3_860_488_192


def test_se_resnet_50_costs_a_fifteenth_of_a_percent_more_than_resnet_50() -> None:
    assert round(100 * (3_860_488_192 / 3_857_973_248 - 1), 3) == 0.065


def test_se_inception_is_the_reduced_module_and_an_se_block_on_256_channels() -> None:
    params, macs = squeeze(256)
    assert (params, macs) == (2 * 256 * 16 + 16 + 256, 8_192)
    assert read("se-inception").params == 163_696 + params == 172_160
    assert read("se-inception").macs == 128_049_152 + macs == 128_057_344


def test_an_se_block_squeezes_excites_and_scales() -> None:
    graph = find("se-inception").graph()
    assert [(node.name, node.op, node.output.shape[1:]) for node in graph.nodes[-8:]] == [
        ("se.squeeze", "adaptive_avg_pool2d", (256, 1, 1)),
        ("se.flatten", "flatten", (256,)),
        ("se.fc1", "linear", (16,)),
        ("se.relu", "relu", (16,)),
        ("se.fc2", "linear", (256,)),
        ("se.sigmoid", "sigmoid", (256,)),
        ("se.reshape", "reshape", (256, 1, 1)),
        ("se.scale", "mul", (256, 28, 28)),
    ]


def test_a_reduction_beyond_the_channels_leaves_one() -> None:
    assert find("se-inception").graph(options={"reduction": 1000})["se.fc1"].output.shape == (1, 1)


def select(channels: int, groups: int = 32, branches: int = 2) -> tuple[int, int, int]:
    """(parameters, multiply-adds a pixel, multiply-adds a map) of an SK unit: grouped 3×3 with BN,
    FC to d with BN and back once a branch, none with a bias."""
    inner = max(channels // 16, 32)
    convs = branches * 9 * channels * channels // groups
    full = channels * inner + branches * inner * channels
    return convs + branches * 2 * channels + full + 2 * inner, convs, full


def test_the_sk_unit_of_the_first_stage_is_two_3x3_and_three_fully_connected_layers() -> None:
    params, each, once = select(128)
    assert params == 2 * (9 * 128 * 4 + 2 * 128) + 3 * 128 * 32 + 2 * 32 == 22_080
    assert read("sk-unit").params == params
    assert read("sk-unit").macs == 56 * 56 * each + once == 56 * 56 * 9_216 + 12_288


def test_the_sk_unit_keeps_its_shape_and_weighs_its_branches() -> None:
    graph = find("sk-unit").graph()
    assert graph.output.shape == (1, 128, 56, 56)
    softmax = graph["attention.softmax"]
    assert softmax.output.shape == (1, 2, 128)
    assert softmax.attrs["dim"] == 1
    assert graph["k3.conv"].attrs["dilation"] == (1, 1)
    assert graph["k5.conv"].attrs["dilation"] == (2, 2)


def test_a_third_branch_is_a_3x3_that_spans_seven() -> None:
    three = find("sk-unit").graph(options={"branches": "3"})
    assert three["k7.conv"].attrs["dilation"] == (3, 3)
    params, each, once = select(128, branches=3)
    assert profile(three).params == params
    assert profile(three).macs == 56 * 56 * each + once


def test_sknet_50_has_an_sk_unit_in_place_of_each_3x3() -> None:
    params = STEM + 2 * 64 + FC + 1000
    macs = STEM_MACS + FC
    for block in blocks(128):
        unit, each, once = select(block.width)
        params += block.channels * block.width + 2 * block.width
        params += unit
        params += block.width * block.out + 2 * block.out
        params += (block.channels * block.out + 2 * block.out) if block.first else 0
        macs += block.before**2 * block.channels * block.width
        macs += block.after**2 * each + once
        macs += block.after**2 * block.width * block.out
        macs += block.after**2 * block.channels * block.out if block.first else 0
    sknet = read("sknet50")
    assert sknet.params == params == 27_479_784
    assert sknet.macs == macs == 4_462_710_784


def test_groups_that_do_not_divide_the_channels_name_the_node() -> None:
    with pytest.raises(DefinitionError) as caught:
        find("sk-unit").graph("8x8x100")
    assert str(caught.value) == (
        "k3.conv: groups=32 must divide both the 100 input and the 100 output channels"
    )
