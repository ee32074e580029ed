"""Each row of GoogLeNet's Table 1, counted from its own widths, and torchvision's variant."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import DefinitionError
from archcalc.lookup.registry import find


class Module(NamedTuple):
    """An Inception row: its input, its six widths, and what they must come to."""

    name: str
    size: int
    channels: int
    c1: int
    r3: int
    c3: int
    r5: int
    c5: int
    pool: int
    out: int
    weights: int
    params: int
    macs: int

    def weights_with(self, area: int) -> int:
        """``area``: 25 for the paper's 5×5, 9 for torchvision's 3×3 in its place."""
        reduce = self.channels * (self.c1 + self.r3 + self.r5 + self.pool)
        return reduce + 9 * self.r3 * self.c3 + area * self.r5 * self.c5

    @property
    def maps(self) -> int:
        """Channels of all six convolutions."""
        return self.c1 + self.r3 + self.c3 + self.r5 + self.c5 + self.pool


# fmt: off
MODULES = [
    Module("3a", 28, 192,  64,  96, 128, 16,  32,  32,  256,   163_328,   163_696, 128_049_152),
    Module("3b", 28, 256, 128, 128, 192, 32,  96,  64,  480,   388_096,   388_736, 304_267_264),
    Module("4a", 14, 480, 192,  96, 208, 16,  48,  64,  512,   375_552,   376_176,  73_608_192),
    Module("4b", 14, 512, 160, 112, 224, 24,  64,  64,  512,   448_512,   449_160,  87_908_352),
    Module("4c", 14, 512, 128, 128, 256, 24,  64,  64,  512,   509_440,   510_104,  99_850_240),
    Module("4d", 14, 512, 112, 144, 288, 32,  64,  64,  528,   604_672,   605_376, 118_515_712),
    Module("4e", 14, 528, 256, 160, 320, 32, 128, 128,  832,   867_328,   868_352, 169_996_288),
    Module("5a",  7, 832, 256, 160, 320, 32, 128, 128,  832, 1_042_432, 1_043_456,  51_079_168),
    Module("5b",  7, 832, 384, 192, 384, 48, 128, 128, 1024, 1_442_816, 1_444_080,  70_697_984),
]
# fmt: on


@pytest.fixture(scope="module")
def googlenet() -> Profile:
    return profile(find("googlenet").graph())


@pytest.fixture(scope="module")
def variant() -> Profile:
    return profile(find("googlenet-bn").graph())


def counted(of: Profile, *scopes: str) -> tuple[int, int, int]:
    """(weights without biases, parameters, multiply-adds) of the nodes under these scopes."""
    inside = [layer for layer in of.layers if layer.name.partition(".")[0] in scopes]
    weights = [weight for layer in inside for weight in layer.node.weights]
    return (
        sum(weight.numel for weight in weights if len(weight.shape) > 1),
        sum(layer.params for layer in inside),
        sum(layer.cost.macs for layer in inside if layer.cost),
    )


def test_the_first_row_is_a_7x7_on_three_channels(googlenet: Profile) -> None:
    weights = 7 * 7 * 3 * 64
    expected = (weights, weights + 64, 112 * 112 * weights)
    assert counted(googlenet, "conv1") == expected == (9_408, 9_472, 118_013_952)


def test_the_second_row_is_a_1x1_and_a_3x3(googlenet: Profile) -> None:
    weights = 64 * 64 + 9 * 64 * 192
    expected = (weights, weights + 64 + 192, 56 * 56 * weights)
    assert counted(googlenet, "conv2") == expected == (114_688, 114_944, 359_661_568)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_each_inception_row_is_the_sum_of_its_six_convolutions(
    googlenet: Profile, module: Module
) -> None:
    weights = module.weights_with(25)
    expected = weights, weights + module.maps, module.size**2 * weights
    assert counted(googlenet, f"inception_{module.name}") == expected
    assert expected == (module.weights, module.params, module.macs)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_each_inception_row_has_its_printed_output(googlenet: Profile, module: Module) -> None:
    output = googlenet.graph[f"inception_{module.name}.concat"].output
    assert output.shape == (1, module.out, module.size, module.size)
    assert module.c1 + module.c3 + module.c5 + module.pool == module.out


def test_the_other_rows_have_their_printed_outputs(googlenet: Profile) -> None:
    shapes = {
        "conv1.relu": (64, 112, 112),
        "pool1": (64, 56, 56),
        "conv2.relu": (192, 56, 56),
        "pool2": (192, 28, 28),
        "pool3": (480, 14, 14),
        "pool4": (832, 7, 7),
        "avg_pool": (1024, 1, 1),
        "linear": (1000,),
    }
    assert {name: googlenet.graph[name].output.shape[1:] for name in shapes} == shapes


def test_the_last_row_is_a_linear_layer(googlenet: Profile) -> None:
    expected = (1024 * 1000, 1024 * 1000 + 1000, 1024 * 1000)
    assert counted(googlenet, "linear") == expected == (1_024_000, 1_025_000, 1_024_000)


def test_the_rows_add_up_to_googlenet(googlenet: Profile) -> None:
    params = 9_472 + 114_944 + sum(module.params for module in MODULES) + 1_025_000
    macs = 118_013_952 + 359_661_568 + sum(module.macs for module in MODULES) + 1_024_000
    weights = 9_408 + 114_688 + sum(module.weights for module in MODULES) + 1_024_000
    assert googlenet.params_executed == params == 6_998_552
    assert googlenet.macs == macs == 1_582_671_872
    assert weights == 6_990_272


def test_without_its_last_layer_googlenet_has_under_six_million_parameters() -> None:
    assert 6_998_552 - 1_025_000 == 5_973_552


@pytest.mark.parametrize(
    ("scope", "channels", "params", "macs"),
    [("aux1", 512, 3_188_840, 4_169_728), ("aux2", 528, 3_190_888, 4_202_496)],
)
def test_an_auxiliary_head_runs_in_training_alone(
    googlenet: Profile, scope: str, channels: int, params: int, macs: int
) -> None:
    reduce, fc1, fc2 = channels * 128, (4 * 4 * 128) * 1024, 1024 * 1000
    assert counted(googlenet, scope) == (0, 0, 0)
    training = profile(find("googlenet").graph(training=True))
    assert counted(training, scope)[1:] == (params, macs)
    assert params == (reduce + 128) + (fc1 + 1024) + (fc2 + 1000)
    assert macs == 4 * 4 * reduce + fc1 + fc2


def test_with_both_heads_googlenet_has_thirteen_million_parameters(googlenet: Profile) -> None:
    training = profile(find("googlenet").graph(training=True))
    assert googlenet.params == training.params_executed
    assert training.params_executed == 6_998_552 + 3_188_840 + 3_190_888 == 13_378_280
    assert training.macs == 1_582_671_872 + 4_169_728 + 4_202_496 == 1_591_044_096


def test_the_main_output_comes_first_and_three_run_in_training() -> None:
    assert list(find("googlenet").graph().outputs) == ["output", "aux1", "aux2"]
    alone = find("googlenet").graph(options={"aux": False})
    assert list(alone.outputs) == ["output"]
    assert profile(alone).params == 6_998_552


def test_googlenet_has_22_layers_with_weights_and_27_with_its_pools(googlenet: Profile) -> None:
    # Depth: the longest path. Every module is two convolutions deep.
    graph = googlenet.graph
    convs: list[int] = []
    pools: list[int] = []
    for node in graph.nodes:
        before = [value.source for value in node.inputs]
        convs.append(
            max((convs[source] for source in before), default=0) + (node.op in ("conv2d", "linear"))
        )
        pools.append(
            max((pools[source] for source in before), default=0)
            + (node.name in ("pool1", "pool2", "pool3", "pool4", "avg_pool"))
        )
    assert convs[graph.output.source] == 3 + 9 * 2 + 1 == 22
    assert convs[graph.output.source] + pools[graph.output.source] == 27


def test_a_separable_first_row_would_fit_both_printed_figures() -> None:
    depthwise, pointwise = 7 * 7 * 3 * 8, 3 * 8 * 64
    assert depthwise + pointwise == 2_712  # 2.7K
    assert round(112 * 112 * (depthwise + pointwise) / 1e6, 1) == 34.0


def test_a_reduction_of_48_would_fit_both_printed_figures_of_5a() -> None:
    weights = 832 * (256 + 160 + 48 + 128) + 9 * 160 * 320 + 25 * 48 * 128
    assert weights == 1_081 * 1024  # 1072K printed
    assert round(7 * 7 * weights / 1e6) == 54


def test_torchvisions_variant_has_3x3_for_5x5_no_bias_and_batch_norm(variant: Profile) -> None:
    stem = 7 * 7 * 3 * 64 + 64 * 64 + 9 * 64 * 192
    weights = stem + sum(module.weights_with(9) for module in MODULES)
    maps = 64 + 64 + 192 + sum(module.maps for module in MODULES)
    assert variant.params_executed == weights + 2 * maps + 1_025_000 == 6_624_904


def test_torchvisions_variant_costs_1_498_million_multiply_adds(variant: Profile) -> None:
    modules = sum(module.size**2 * module.weights_with(9) for module in MODULES)
    assert variant.macs == 118_013_952 + 359_661_568 + modules + 1_024_000 == 1_498_376_192


def test_torchvisions_heads_bring_it_to_thirteen_million(variant: Profile) -> None:
    def head(channels: int) -> int:
        return channels * 128 + 2 * 128 + (2048 * 1024 + 1024) + (1024 * 1000 + 1000)

    training = profile(find("googlenet-bn").graph(training=True))
    assert variant.params == 6_624_904 + head(512) + head(528) == 13_004_888
    assert training.params_executed == 13_004_888
    assert training.macs == 1_498_376_192 + 4_169_728 + 4_202_496 == 1_506_748_416


def test_torchvisions_other_deviations_from_the_paper_stand_in_the_definition() -> None:
    paper, variant = (find(name).graph() for name in ("googlenet", "googlenet-bn"))
    assert paper["pool4"].attrs["kernel_size"] == (3, 3)
    assert variant["pool4"].attrs["kernel_size"] == (2, 2)
    assert (paper["dropout"].attrs["p"], variant["dropout"].attrs["p"]) == (0.4, 0.2)
    assert variant["inception_3a.b5.conv"].weights[0].shape == (32, 16, 3, 3)
    assert {node.attrs["eps"] for node in variant if node.op == "batch_norm"} == {1e-3}
    assert "local_response_norm" not in {node.op for node in variant}


def test_an_image_too_small_for_the_heads_names_the_node() -> None:
    with pytest.raises(DefinitionError) as caught:
        find("googlenet").graph("32x32x3")
    assert str(caught.value) == (
        "aux1.avg_pool: 5×5 window is larger than its 2×2 input (padding 0) "
        "(in a head that runs only in training)"
    )
    assert caught.value.partial.nodes[-1].name == "linear"


def test_without_heads_googlenet_takes_a_small_image() -> None:
    small = find("googlenet").graph("32x32x3", options={"aux": False})
    assert small["inception_5b.concat"].output.shape == (1, 1024, 1, 1)
