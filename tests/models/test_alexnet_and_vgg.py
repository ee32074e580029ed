"""AlexNet in both forms and VGG-16: chains of convolutions and three fully connected layers."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import DefinitionError
from archcalc.lookup.registry import find


class Conv(NamedTuple):
    name: str
    size: int
    out: int
    kernel: int
    channels: int
    groups: int = 1

    @property
    def weights(self) -> int:
        return self.kernel**2 * (self.channels // self.groups) * self.out

    @property
    def macs(self) -> int:
        return self.size**2 * self.weights


CONVS = {
    "alexnet": [
        Conv("conv1", 55, 96, 11, 3),
        Conv("conv2", 27, 256, 5, 96, groups=2),
        Conv("conv3", 13, 384, 3, 256),
        Conv("conv4", 13, 384, 3, 384, groups=2),
        Conv("conv5", 13, 256, 3, 384, groups=2),
    ],
    "alexnet-torchvision": [
        Conv("conv1", 55, 64, 11, 3),
        Conv("conv2", 27, 192, 5, 64),
        Conv("conv3", 13, 384, 3, 192),
        Conv("conv4", 13, 256, 3, 384),
        Conv("conv5", 13, 256, 3, 256),
    ],
    "vgg16": [
        Conv("conv1_1", 224, 64, 3, 3),
        Conv("conv1_2", 224, 64, 3, 64),
        Conv("conv2_1", 112, 128, 3, 64),
        Conv("conv2_2", 112, 128, 3, 128),
        Conv("conv3_1", 56, 256, 3, 128),
        Conv("conv3_2", 56, 256, 3, 256),
        Conv("conv3_3", 56, 256, 3, 256),
        Conv("conv4_1", 28, 512, 3, 256),
        Conv("conv4_2", 28, 512, 3, 512),
        Conv("conv4_3", 28, 512, 3, 512),
        Conv("conv5_1", 14, 512, 3, 512),
        Conv("conv5_2", 14, 512, 3, 512),
        Conv("conv5_3", 14, 512, 3, 512),
    ],
}

FLATTENED = {"alexnet": 6 * 6 * 256, "alexnet-torchvision": 6 * 6 * 256, "vgg16": 7 * 7 * 512}


def read(name: str) -> Profile:
    return profile(find(name).graph())


@pytest.mark.parametrize("name", CONVS)
def test_each_convolution_has_its_shape_weights_and_multiply_adds(name: str) -> None:
    layers = {layer.name: layer for layer in read(name).layers if layer.op == "conv2d"}
    assert {found: (layer.output, layer.params, layer.macs) for found, layer in layers.items()} == {
        f"{conv.name}.conv": (
            (1, conv.out, conv.size, conv.size),
            conv.weights + conv.out,
            conv.macs,
        )
        for conv in CONVS[name]
    }


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("alexnet", 60_965_224, 724_406_816),
        ("alexnet-torchvision", 61_100_840, 714_188_480),
        ("vgg16", 138_357_544, 15_470_264_320),
    ],
)
def test_the_whole_is_the_sum_of_its_layers(name: str, params: int, macs: int) -> None:
    convs, flat = CONVS[name], FLATTENED[name]
    full = flat * 4096 + 4096 * 4096 + 4096 * 1000
    conv_params = sum(conv.weights + conv.out for conv in convs)
    assert read(name).params == conv_params + full + 4096 + 4096 + 1000 == params
    assert read(name).macs == sum(conv.macs for conv in convs) + full == macs


@pytest.mark.parametrize(("name", "size"), [("alexnet", 9_216), ("vgg16", 25_088)])
def test_the_last_maps_are_flattened_to_so_many_values(name: str, size: int) -> None:
    assert find(name).graph()["flatten"].output.shape == (1, size) == (1, FLATTENED[name])


def test_alexnet_normalises_and_then_pools_after_its_first_two_convolutions() -> None:
    nodes = [node.name for node in find("alexnet").graph()]
    assert nodes[1:9] == [
        "conv1.conv",
        "conv1.relu",
        "lrn1",
        "pool1",
        "conv2.conv",
        "conv2.relu",
        "lrn2",
        "pool2",
    ]


def test_alexnets_normalisation_has_the_papers_constants_times_the_window() -> None:
    lrn = find("alexnet").graph()["lrn1"].attrs
    assert lrn["alpha"] / lrn["size"] == pytest.approx(1e-4)
    assert (lrn["size"], lrn["beta"], lrn["k"]) == (5, 0.75, 2)


def test_alexnet_at_224_is_another_network() -> None:
    smaller = find("alexnet").graph("224x224x3")
    assert smaller["conv1.conv"].output.shape == (1, 96, 54, 54)
    assert smaller["fc6"].weights[0].shape == (4096, 5 * 5 * 256) == (4096, 6_400)
    fewer = (9_216 - 6_400) * 4096
    assert profile(smaller).params == 60_965_224 - fewer == 60_965_224 - 11_534_336


def test_alexnets_two_groups_halve_three_convolutions() -> None:
    convs = [node for node in find("alexnet").graph() if node.op == "conv2d"]
    assert [node.attrs["groups"] for node in convs] == [1, 2, 1, 2, 2]


def test_torchvisions_alexnet_takes_any_image_that_its_pools_leave_something_of() -> None:
    assert profile(find("alexnet-torchvision").graph("512x384x3")).params == 61_100_840
    with pytest.raises(DefinitionError, match=r"^pool5: 3×3 window is larger than its 2×2 input"):
        find("alexnet-torchvision").graph("48x48x3")
