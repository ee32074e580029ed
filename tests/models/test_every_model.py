"""What holds for every registered architecture, in each of its forms."""

from __future__ import annotations

from typing import Any

import pytest

from archcalc.errors import DefinitionError
from archcalc.graph import Graph
from archcalc.lookup import registry
from archcalc.models import BUILT_IN
from archcalc.ops import TABLE, Cost

NAMES = registry.names()

FORMS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("nin", {"head": "fc"}),
    ("nin", {"mlp": False}),
    ("nin", {"norm": "batch"}),
    ("nin-digits", {"head": "fc"}),
    ("inception-naive", {"article": True}),
    ("inception-reduced", {"article": True}),
    ("googlenet", {"aux": False}),
    ("googlenet-bn", {"aux": False}),
    ("nin-mnist-v2", {"global_pool": True}),
    ("inception-v3", {"aux": False}),
    ("mobilenet-v1", {"multiplier": 0.75}),
    ("mobilenet-v2", {"multiplier": 1.4}),
    ("mobilenet-v3-large", {"multiplier": 0.75}),
    ("mobilenet-v3-small", {"multiplier": 0.75}),
    ("resnet50", {"stride_in": "3x3"}),
    ("shufflenet-v2", {"multiplier": "0.5"}),
    ("squeezenet", {"version": "1.1"}),
    ("unet", {"padded": True}),
    ("sk-unit", {"branches": 3}),
]

# These end in a global pool, or in none at all: nothing in them hangs on the size of the image.
ANY_SIZE = [
    ("nin", {}),
    ("nin-digits", {}),
    ("nin-fashion", {}),
    ("nin-mnist-v0", {}),
    ("nin-mnist-v1", {}),
    ("nin-mnist-v2", {}),
    ("googlenet", {"aux": False}),
    ("googlenet-bn", {}),
    ("alexnet-torchvision", {}),
    ("convnext-tiny", {}),
    ("densenet121", {}),
    ("efficientnet-b0", {}),
    ("inception-v3", {"aux": False}),
    ("mobilenet-v1", {}),
    ("mobilenet-v2", {}),
    ("mobilenet-v3-large", {}),
    ("mobilenet-v3-small", {}),
    ("resnet18", {}),
    ("resnet34", {}),
    ("resnet50", {}),
    ("resnet101", {}),
    ("resnet152", {}),
    ("shufflenet-v2", {}),
    ("squeezenet", {}),
    ("squeezenet", {"version": "1.1"}),
    ("unet", {}),
    ("unet", {"padded": True}),
    ("resnext50", {}),
    ("se-resnet50", {}),
    ("sknet50", {}),
    ("sk-unit", {}),
    ("se-inception", {}),
    ("inception-naive", {}),
    ("inception-reduced", {}),
    ("inception-5x5", {}),
    ("inception-5x5-reduced", {}),
]


def declare(name: str, options: dict[str, Any], **settings: Any) -> Graph:
    return registry.find(name).graph(options=options, **settings)


def costs(graph: Graph) -> list[Cost]:
    return [TABLE[node.op].cost(node, graph.training) for node in graph.executed]


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_names_are_unique_and_no_node_is_called_as_a_module_is(
    name: str, options: dict[str, Any]
) -> None:
    names = [node.name for node in declare(name, options)]
    assert len(set(names)) == len(names)
    split = [found.split(".") for found in names]
    modules = {".".join(parts[:end]) for parts in split for end in range(1, len(parts))}
    assert modules.isdisjoint(names)


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("training", [False, True])
def test_every_node_is_counted_or_free(name: str, options: dict[str, Any], training: bool) -> None:
    graph = declare(name, options, training=training)
    for node, cost in zip(graph.executed, costs(graph), strict=True):
        assert any(cost) or TABLE[node.op].free, node.name


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("training", [False, True])
def test_twice_the_batch_is_twice_the_work_and_the_same_parameters(
    name: str, options: dict[str, Any], training: bool
) -> None:
    once = declare(name, options, training=training)
    twice = declare(name, options, training=training, batch=2)
    assert costs(twice) == [Cost(*(2 * part for part in cost)) for cost in costs(once)]
    assert twice.weights == once.weights
    assert twice.output.shape == (2, *once.output.shape[1:])


@pytest.mark.parametrize(("name", "options"), ANY_SIZE)
def test_parameters_do_not_hang_on_the_size_of_the_image(
    name: str, options: dict[str, Any]
) -> None:
    channels, height, width = registry.find(name).input
    larger = declare(name, options, input=(channels, 2 * height, 2 * width + 3))
    assert larger.weights == declare(name, options).weights


@pytest.mark.parametrize(("name", "options"), ANY_SIZE)
def test_an_image_of_a_billion_pixels_a_side_is_counted_exactly(
    name: str, options: dict[str, Any]
) -> None:
    channels = registry.find(name).input[0]
    huge = declare(name, options, input=(channels, 10**9, 10**9))
    assert all(isinstance(part, int) for cost in costs(huge) for part in cost)
    first = next(node for node in huge if node.op == "conv2d")
    pixels = first.output.shape[2] * first.output.shape[3]
    assert TABLE["conv2d"].cost(first).macs == pixels * first.weights[0].numel


@pytest.mark.parametrize("name", NAMES)
def test_inputs_come_before_the_nodes_that_read_them(name: str) -> None:
    graph = declare(name, {}, training=True)
    for position, node in enumerate(graph.nodes):
        assert node.output.source == position
        assert all(value.source < position for value in node.inputs)
        assert all(value == graph.nodes[value.source].output for value in node.inputs)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_but_the_outputs_is_read(name: str) -> None:
    graph = declare(name, {}, training=True)
    read = {value.source for node in graph for value in node.inputs}
    ends = {value.source for value in graph.outputs.values()}
    assert read | ends == set(range(len(graph.nodes)))
    assert read.isdisjoint(ends)


@pytest.mark.parametrize("name", NAMES)
def test_declaring_twice_gives_the_same_graph(name: str) -> None:
    assert declare(name, {}) == declare(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_every_definition_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    found = registry.find(name)
    assert found.name == name
    assert found.summary.endswith(".")
    assert "arXiv" in found.source or "article" in found.source or "NIPS" in found.source


@pytest.mark.parametrize("name", NAMES)
def test_every_option_set_to_its_default_changes_nothing(name: str) -> None:
    found = registry.find(name)
    defaults = {option.name: str(option.default) for option in found.options.values()}
    assert declare(name, defaults).nodes == declare(name, {}).nodes


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "num_classes" in registry.find(name).options]
)
def test_the_number_of_classes_is_the_width_of_the_output(name: str) -> None:
    outputs = declare(name, {"num_classes": 7}).outputs.values()
    assert {value.shape[:2] for value in outputs} == {(1, 7)}


@pytest.mark.parametrize("name", [name for name in NAMES if registry.find(name).input[0] <= 3])
def test_one_more_channel_in_the_image_changes_the_first_layer_alone(name: str) -> None:
    channels, height, width = registry.find(name).input
    usual, more = declare(name, {}), declare(name, {}, input=(channels + 1, height, width))
    differ = [a.name for a, b in zip(usual.weights, more.weights, strict=True) if a != b]
    assert differ == [usual.weights[0].name]


def test_the_registry_holds_these_architectures() -> None:
    assert set(BUILT_IN) == {
        "alexnet",
        "alexnet-torchvision",
        "convnext-tiny",
        "densenet121",
        "efficientnet-b0",
        "googlenet",
        "googlenet-bn",
        "inception-5x5",
        "inception-5x5-reduced",
        "inception-naive",
        "inception-reduced",
        "inception-v3",
        "mobilenet-v1",
        "mobilenet-v2",
        "mobilenet-v3-large",
        "mobilenet-v3-small",
        "nin",
        "nin-digits",
        "nin-fashion",
        "nin-mnist-v0",
        "nin-mnist-v1",
        "nin-mnist-v2",
        "resnet101",
        "resnet152",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnext50",
        "se-inception",
        "se-resnet50",
        "shufflenet-v2",
        "sk-unit",
        "sknet50",
        "squeezenet",
        "unet",
        "vgg16",
        "vit-b-16",
    }


@pytest.mark.parametrize(
    ("name", "input", "words"),
    [
        ("alexnet", "8x8x3", "conv1.conv: 11×11 window is larger than its 8×8 input (padding 0)"),
        ("vgg16", "16x16x3", "pool5: 2×2 window is larger than its 1×1 input (padding 0)"),
        (
            "nin-mnist-v2",
            "28x28x1",
            "avg_pool: 14×14 window is larger than its 3×3 input (padding 0)",
        ),
    ],
)
def test_an_image_too_small_names_the_node_that_cannot_take_it(
    name: str, input: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        registry.find(name).graph(input)
    assert str(caught.value) == words


@pytest.mark.parametrize("name", ["nin", "nin-fashion", "resnet50", "sknet50"])
def test_where_every_window_is_padded_by_half_one_pixel_is_enough(name: str) -> None:
    found = registry.find(name)
    assert found.graph((found.input[0], 1, 1)).output == found.graph().output
