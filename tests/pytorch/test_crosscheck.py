import logging

import pytest
import torch

from archcalc import ops
from archcalc.errors import MissingExtraError, UnknownModelError
from archcalc.graph import Builder, Graph
from archcalc.lookup import registry
from archcalc.pytorch import crosscheck as module
from archcalc.pytorch.crosscheck import TOOLS, Tool, check, crosscheck
from tests.pytorch import registered
from tests.pytorch.operators import CASES, case


@pytest.mark.parametrize("name", registered.NAMES)
@pytest.mark.parametrize("larger", [(0, 0), (32, 32), (32, 64)])
def test_two_counters_agree_on_every_registered_model_at_three_sizes(
    name: str, larger: tuple[int, int]
) -> None:
    """Check that declared == traced == FlopCounterMode / 2, exactly."""
    architecture = registry.find(name)
    channels, height, width = architecture.input
    graph = architecture.graph((channels, height + larger[0], width + larger[1]))
    result = check(graph, ["torch"])
    traced, torch_count = result.counts
    assert traced.value == result.macs
    assert torch_count.value == 2 * result.macs
    assert traced.params == torch_count.params == result.params


@pytest.mark.parametrize("name", registered.NAMES)
def test_two_counters_agree_in_training_with_two_images(name: str) -> None:
    graph = registry.find(name).graph(batch=2, training=True)
    result = check(graph, ["torch"])
    assert result.explained, [count.cause for count in result.counts]


@pytest.mark.parametrize("name", registered.NAMES)
def test_every_tool_is_explained_to_the_integer_on_every_registered_model(name: str) -> None:
    result = check(registered.small(name))
    assert [count.counter for count in result.counts] == ["traced", *TOOLS]
    assert result.explained, [count.cause for count in result.counts]
    assert all(count.macs == result.macs for count in result.counts)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_every_tool_is_explained_to_the_integer_on_every_operator(
    name: str, training: bool
) -> None:
    result = check(case(name).train(training))
    assert result.explained, [count.cause for count in result.counts]


def test_every_tool_is_explained_on_matrix_products_of_one_input() -> None:
    builder = Builder()
    x = builder.input((2, 3, 5))
    squares = ops.matmul(x, ops.permute(x, (0, 2, 1)))
    wide = ops.matmul(ops.slice(x, 0, 0, 1), ops.permute(x, (0, 2, 1)), name="wide")
    graph = builder.finish("products", {"output": ops.add(squares, wide)})
    result = check(graph)
    assert result.macs == (2 * 3 * 3) * 5 + (2 * 3 * 3) * 5
    assert result.explained, [count.cause for count in result.counts]
    assert result.count("fvcore").value == (2 * 3 * 3) * 5 + (1 * 3 * 3) * 5
    assert result.count("torchinfo").value == result.count("ptflops").value == 0


def test_googlenet_with_batch_norm_differs_in_fvcore_by_two_per_element() -> None:
    result = check(registry.find("googlenet-bn").graph(), ["fvcore"])
    fvcore = result.count("fvcore")
    assert fvcore.value == 1_498_376_192 + 2 * 3_226_160 + 7 * 7 * 1024
    assert fvcore.cause == (
        "+ 2 per BatchNorm element = 6,452,320; + 1 per AdaptiveAvgPool2d input element = 50,176"
    )


def tiny() -> Graph:
    builder = Builder()
    x = ops.conv2d(builder.input((1, 3, 8, 8)), 4, 3, name="conv1")
    return builder.finish("tiny", {"output": x})


def test_a_difference_without_a_step_is_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(net: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[int, int]:
        value, params = TOOLS["torch"].ask(net, inputs)
        return value + 7, params - 3

    monkeypatch.setattr(module, "TOOLS", {"torch": Tool("torch", off)})
    result = check(tiny())
    count = result.count("torch")
    assert not result.explained
    assert (count.unexplained, count.unexplained_params) == (7, -3)
    assert count.macs == result.macs + 7
    assert count.cause.endswith("+ unexplained = 7; − parameters unexplained = 3")


def test_a_tool_that_is_not_installed_is_named_with_its_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TOOLS", {"thop": Tool("no-such-package", TOOLS["thop"].ask)})
    with pytest.raises(MissingExtraError, match="pip install no-such-package"):
        check(tiny(), ["thop"])
    assert [count.counter for count in check(tiny()).counts] == ["traced"]


def test_rows_have_raw_numbers() -> None:
    result = check(tiny(), ["fvcore", "torchinfo"])
    rows = result.rows()
    outputs = 6 * 6 * 4
    assert [row["counter"] for row in rows] == ["traced", "fvcore", "torchinfo"]
    assert [row["difference"] for row in rows] == [0, 0, outputs]
    assert rows[2]["cause"] == "+ 1 per biased convolution output = 144"
    assert {row["macs"] for row in rows} == {outputs * (3 * 3 * 3)}
    assert list(result.to_frame().columns) == list(rows[0])


def test_models_are_yielded_as_they_finish() -> None:
    results = crosscheck(["inception-5x5", "no-such-model"], tools=[])
    assert next(results).model == "inception-5x5"
    with pytest.raises(UnknownModelError):
        next(results)


def test_the_tools_do_not_change_logging_or_the_random_state() -> None:
    before = torch.random.get_rng_state()
    check(tiny())
    assert logging.root.manager.disable == logging.NOTSET
    assert torch.equal(torch.random.get_rng_state(), before)
