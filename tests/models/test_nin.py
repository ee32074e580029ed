"""Network in Network and its tutorials, layer by layer."""

from __future__ import annotations

import pytest

from archcalc.analysis.profile import profile
from archcalc.graph import Graph
from archcalc.lookup.registry import find

# Node: (parameters, multiply-adds), as kernel·C_in·C_out + C_out and H·W·C_out·kernel·C_in.
NIN = {
    "mlpconv1.conv": (25 * 3 * 192 + 192, (32 * 32 * 192) * (25 * 3)),
    "mlpconv1.cccp1.conv": (192 * 160 + 160, (32 * 32 * 160) * 192),
    "mlpconv1.cccp2.conv": (160 * 96 + 96, (32 * 32 * 96) * 160),
    "mlpconv2.conv": (25 * 96 * 192 + 192, (16 * 16 * 192) * (25 * 96)),
    "mlpconv2.cccp1.conv": (192 * 192 + 192, (16 * 16 * 192) * 192),
    "mlpconv2.cccp2.conv": (192 * 192 + 192, (16 * 16 * 192) * 192),
    "mlpconv3.conv": (9 * 192 * 192 + 192, (8 * 8 * 192) * (9 * 192)),
    "mlpconv3.cccp1.conv": (192 * 192 + 192, (8 * 8 * 192) * 192),
    "mlpconv3.cccp2.conv": (192 * 10 + 10, (8 * 8 * 10) * 192),
}


def graph(name: str, **options: object) -> Graph:
    return find(name).graph(options=options)


def layers(of: Graph) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of the layers that have weights."""
    return {
        layer.name: (layer.params, layer.cost.macs)
        for layer in profile(of).layers
        if layer.params and layer.cost
    }


def test_nin_has_these_layers() -> None:
    assert layers(graph("nin")) == NIN


def test_nin_has_966_986_parameters() -> None:
    assert profile(graph("nin")).params == 966_986
    assert [params for params, _ in NIN.values()] == [
        14_592,
        30_880,
        15_456,
        460_992,
        37_056,
        37_056,
        331_968,
        37_056,
        1_930,
    ]
    assert sum(params for params, _ in NIN.values()) == 966_986


def test_nin_costs_222_million_multiply_adds() -> None:
    assert profile(graph("nin")).macs == sum(macs for _, macs in NIN.values()) == 222_486_528


def test_nin_goes_through_the_shapes_of_its_paper() -> None:
    nin = graph("nin")
    shapes = {
        "mlpconv1.conv": (192, 32, 32),
        "mlpconv1.cccp1.conv": (160, 32, 32),
        "mlpconv1.cccp2.relu": (96, 32, 32),
        "pool1": (96, 16, 16),
        "mlpconv2.cccp2.relu": (192, 16, 16),
        "pool2": (192, 8, 8),
        "mlpconv3.cccp2.relu": (10, 8, 8),
        "gap": (10, 1, 1),
        "flatten": (10,),
    }
    assert {name: nin[name].output.shape[1:] for name in shapes} == shapes


def test_nin_with_a_fully_connected_head_pays_for_its_8x8_maps() -> None:
    fc = 10 * 8 * 8 * 10 + 10
    assert profile(graph("nin", head="fc")).params == 966_986 + fc == 973_396
    assert profile(graph("nin", head="fc")).macs == 222_486_528 + 640 * 10


def test_nin_without_its_perceptrons_is_three_plain_convolutions() -> None:
    assert layers(graph("nin", mlp=False)) == {
        "mlpconv1.conv": (25 * 3 * 192 + 192, (32 * 32 * 192) * (25 * 3)),
        "mlpconv2.conv": (25 * 192 * 192 + 192, (16 * 16 * 192) * (25 * 192)),
        "mlpconv3.conv": (9 * 192 * 10 + 10, (8 * 8 * 10) * (9 * 192)),
    }


def test_the_1x1_layers_of_nin_add_parameters() -> None:
    perceptrons = {name: params for name, (params, _) in NIN.items() if "cccp" in name}
    assert sum(perceptrons.values()) == 30_880 + 15_456 + 4 * 37_056 - 37_056 + 1_930 == 159_434


def test_the_pooled_head_works_at_any_size_and_the_connected_one_grows() -> None:
    nin = find("nin")
    assert profile(nin.graph("64x64x3")).params == 966_986
    larger = nin.graph("64x64x3", options={"head": "fc"})
    assert larger["fc"].weights[0].shape == (10, 10 * 16 * 16)


# A group is 3×3 of C_in·w weights and some 1×1 of w·w, each with w biases.
FIRST = 9 * 1 * 10 + 10
SECOND = 9 * 10 * 20 + 20
THIRD = 9 * 20 * 10 + 10
TEN, TWENTY = 10 * 10 + 10, 20 * 20 + 20


@pytest.mark.parametrize(
    ("name", "params", "ones", "literal"),
    [
        ("nin-mnist-v0", FIRST + SECOND + THIRD + 2 * TEN + TWENTY, (1, 1, 1), 4_370),
        ("nin-mnist-v1", FIRST + SECOND + THIRD + 4 * TEN + TWENTY, (2, 1, 2), 4_590),
        ("nin-mnist-v2", FIRST + SECOND + THIRD + 4 * TEN + 2 * TWENTY, (2, 2, 2), 5_010),
    ],
)
def test_the_stages_on_mnist_grow_by_1x1_layers(
    name: str, params: int, ones: tuple[int, int, int], literal: int
) -> None:
    stage = graph(name)
    assert profile(stage).params == params == literal
    pointwise = [node.name for node in stage if "cccp" in node.name]
    assert (
        tuple(
            sum(found.startswith(group) for found in pointwise)
            for group in ("group1.", "group2.", "group3.")
        )
        == ones
    )


@pytest.mark.parametrize(
    ("name", "ones", "literal"),
    [
        ("nin-mnist-v0", (1, 1, 1), 43_088_640),
        ("nin-mnist-v1", (2, 1, 2), 48_419_840),
        ("nin-mnist-v2", (2, 2, 2), 53_437_440),
    ],
)
def test_the_stages_on_mnist_cost_their_multiply_adds(
    name: str, ones: tuple[int, int, int], literal: int
) -> None:
    macs = (
        (224 * 224 * 10) * (9 * 1 + ones[0] * 10)
        + (112 * 112 * 20) * (9 * 10 + ones[1] * 20)
        + (56 * 56 * 10) * (9 * 20 + ones[2] * 10)
    )
    assert profile(graph(name)).macs == macs == literal


@pytest.mark.parametrize("stage", ["v0", "v1", "v2"])
def test_the_network_for_ten_digits_has_forty_logits_until_it_pools_globally(stage: str) -> None:
    name = f"nin-mnist-{stage}"
    assert graph(name).output.shape == (1, 10 * 2 * 2)
    assert graph(name, global_pool=True).output.shape == (1, 10)
    assert profile(graph(name)).params == profile(graph(name, global_pool=True)).params


@pytest.mark.parametrize(
    ("name", "op"),
    [("nin-mnist-v0", "conv2d"), ("nin-mnist-v1", "relu"), ("nin-mnist-v2", "relu")],
)
def test_only_the_first_stage_has_no_relu_before_its_first_pool(name: str, op: str) -> None:
    stage = graph(name)
    (pooled,) = stage["group1.max_pool"].inputs
    assert stage.nodes[pooled.source].op == op


def test_nin_for_fashion_mnist_has_790_630_parameters() -> None:
    params = (
        (25 * 1 * 96 + 96)
        + 2 * (96 * 96 + 96)
        + (25 * 96 * 256 + 256)
        + 2 * (256 * 256 + 256)
        + (9 * 256 * 10 + 10)
        + 2 * (10 * 10 + 10)
    )
    assert profile(graph("nin-fashion")).params == params == 790_630


def test_nin_for_fashion_mnist_costs_213_million_multiply_adds() -> None:
    macs = (
        (32 * 32 * 96) * (25 * 1 + 2 * 96)
        + (16 * 16 * 256) * (25 * 96 + 2 * 256)
        + (8 * 8 * 10) * (9 * 256 + 2 * 10)
    )
    assert profile(graph("nin-fashion")).macs == macs == 213_660_160
