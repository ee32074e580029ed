"""U-Net, SqueezeNet and DenseNet-121, summed layer by layer, and Inception v3's modules."""

from __future__ import annotations

import pytest

import archcalc


def counted(name: str, **options: object) -> tuple[int, int]:
    found = archcalc.graph(name, **options).profile()
    return found.params, found.macs


def test_unet_is_23_convolutions_on_maps_that_shrink() -> None:
    # Side of the output, kernel, channels in and out; figure 1 from left to right.
    down = [(570, 3, 1, 64), (568, 3, 64, 64), (282, 3, 64, 128), (280, 3, 128, 128)]
    down += [(138, 3, 128, 256), (136, 3, 256, 256), (66, 3, 256, 512), (64, 3, 512, 512)]
    down += [(30, 3, 512, 1024), (28, 3, 1024, 1024)]
    up = [(54, 3, 1024, 512), (52, 3, 512, 512), (102, 3, 512, 256), (100, 3, 256, 256)]
    up += [(198, 3, 256, 128), (196, 3, 128, 128), (390, 3, 128, 64), (388, 3, 64, 64)]
    # Up-convolutions: every value of the input meets a 2×2 window; sides are those of the input.
    wider = [(28, 2, 1024, 512), (52, 2, 512, 256), (100, 2, 256, 128), (196, 2, 128, 64)]
    convs = [*down, *up, *wider, (388, 1, 64, 2)]
    assert len(convs) == 23
    params = sum(k * k * given * out + out for _, k, given, out in convs)
    macs = sum(side**2 * k * k * given * out for side, k, given, out in convs)
    assert counted("unet") == (params, macs) == (31_030_658, 150_428_424_448)


def test_unet_crops_the_middle_of_what_it_joins() -> None:
    graph = archcalc.graph("unet")
    crop = graph["up4.crop"]
    assert crop.inputs[0].shape[2:] == (64, 64)
    assert (crop.attrs["start"], crop.attrs["stop"]) == (4, 4 + 56)
    assert graph["up4.concat"].output.shape == (1, 512 + 512, 56, 56)


def test_a_padded_unet_keeps_every_size_and_crops_nothing() -> None:
    graph = archcalc.graph("unet", input="256x256x1", padded=True)
    assert graph.output.shape == (1, 2, 256, 256)
    assert not [node for node in graph if node.op == "slice"]
    assert graph.profile().params == counted("unet")[0]


FIRES = [(96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)]
FIRES += [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]


@pytest.mark.parametrize(
    ("version", "first", "sides", "params", "macs"),
    [
        ("1.0", (109, 7, 96), [54, 54, 54, 27, 27, 27, 27, 13], 1_248_424, 818_924_576),
        ("1.1", (111, 3, 64), [55, 55, 27, 27, 13, 13, 13, 13], 1_235_496, 349_151_936),
    ],
)
def test_squeezenet_is_eight_fire_modules(
    version: str, first: tuple[int, int, int], sides: list[int], params: int, macs: int
) -> None:
    side, kernel, width = first
    weights = kernel**2 * 3 * width + width + 513 * 1000
    products = side**2 * kernel**2 * 3 * width + 13**2 * 512 * 1000
    for index, ((given, squeeze, expand), side) in enumerate(zip(FIRES, sides, strict=True)):
        mixed = (given if index else width) * squeeze + (1 + 9) * squeeze * expand
        weights += mixed + squeeze + 2 * expand
        products += side**2 * mixed
    assert counted("squeezenet", version=version) == (weights, products) == (params, macs)


def test_densenet_121_grows_by_32_channels_a_layer() -> None:
    params, macs = 49 * 3 * 64 + 2 * 64, 112**2 * 49 * 3 * 64
    given = 64
    for count, side in ((6, 56), (12, 28), (24, 14), (16, 7)):
        for _ in range(count):
            mixed = given * 128 + 9 * 128 * 32
            params += mixed + 2 * given + 2 * 128
            macs += side**2 * mixed
            given += 32
        if side > 7:
            params += 2 * given + given * given // 2
            macs += side**2 * given * given // 2
            given //= 2
    params += 2 * given + (given + 1) * 1000
    macs += given * 1000
    assert given == 1024
    assert counted("densenet121") == (params, macs) == (7_978_856, 2_834_161_664)


def test_inception_v3_factorises_a_7x7_into_1x7_and_7x1() -> None:
    graph = archcalc.graph("inception-v3")
    assert graph["inception_b1.b7.conv1x7.conv"].weights[0].shape == (128, 128, 1, 7)
    assert graph["inception_b1.b7.conv7x1.conv"].weights[0].shape == (192, 128, 7, 1)
    found = graph.profile()
    # 17×17 places: 1×1 to 192, 128 and 128; the 7s; the pool's projection.
    weights = 768 * (192 + 128 + 128 + 192) + 7 * (128 * 128 + 128 * 192)
    weights += 7 * (3 * 128 * 128 + 128 * 192)
    macs = sum(layer.macs or 0 for layer in found.layers if layer.name.startswith("inception_b1."))
    assert macs == 17**2 * weights


def test_inception_v3s_auxiliary_head_runs_in_training_alone() -> None:
    head = 768 * 128 + 2 * 128 + 25 * 128 * 768 + 2 * 768 + 769 * 1000
    with_head = archcalc.graph("inception-v3")
    without = archcalc.graph("inception-v3", aux=False)
    assert sum(w.numel for w in with_head.weights) == 23_834_568 + head == 27_161_264
    assert sum(w.numel for w in without.weights) == 23_834_568
    assert with_head.profile().macs == without.profile().macs == 5_713_216_096
