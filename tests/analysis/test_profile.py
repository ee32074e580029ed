"""Profiles: sums in sight, and the laws that hold on every model."""

import pytest

import archcalc
from archcalc.analysis.profile import Profile, profile
from archcalc.errors import UsageError
from archcalc.graph import Graph, Node
from archcalc.lookup import registry

MODELS = registry.names()


def priced(name: str, **options: object) -> Profile:
    return archcalc.graph(name, **options).profile()


def with_unknown_operation() -> Graph:
    """inception-5x5 with an operation at its end that the table does not know."""
    graph = archcalc.graph("inception-5x5")
    value = graph.output
    last = Node(
        "custom",
        "mylib::op",
        (value,),
        (value._replace(source=len(graph.nodes)),),
        graph.nodes[0].attrs,
        where="net.py:12 in forward",
    )
    return Graph("net", (*graph.nodes, last), {"output": last.output})


def test_the_worked_example_shows_its_working() -> None:
    layer = priced("inception-5x5")["b5.conv"]
    assert layer.formula == "(28×28×32)×(5×5×192) = 120,422,400"
    assert layer.macs == (28 * 28 * 32) * (5 * 5 * 192) == 120_422_400
    assert layer.params == 5 * 5 * 192 * 32 + 32 == 153_632


def test_flops_are_two_a_mac_and_one_for_everything_else() -> None:
    found = priced("inception-5x5")
    outputs = 28 * 28 * 32
    bias, relu = outputs, outputs
    assert found.flops == 2 * 120_422_400 + bias + relu == 240_894_976


def test_heads_are_parameters_that_evaluation_does_not_run() -> None:
    found = priced("googlenet")
    assert (found.params, found.params_executed) == (13_378_280, 6_998_552)
    assert found.params - found.params_executed == 3_188_840 + 3_190_888
    training = archcalc.graph("googlenet", training=True).profile()
    assert training.params == training.params_executed == 13_378_280
    assert training.by_phase[0].macs - found.macs == 4_169_728 + 4_202_496


def test_a_formula_is_given_for_each_class_of_work() -> None:
    assert priced("inception-5x5")["b5.conv"].formulas == {
        "macs": "(28×28×32)×(5×5×192) = 120,422,400",
        "bias": "(28×28×32) = 25,088",
    }


def test_bytes_are_inputs_and_weights_read_once_and_outputs_written_once() -> None:
    found = priced("inception-5x5")
    image, weights, output = 28 * 28 * 192, 153_632, 28 * 28 * 32
    assert found["b5.conv"].bytes_moved == (4 * (image + weights), 4 * output)
    assert found["b5.relu"].bytes_moved == (4 * output, 4 * output)
    assert priced("nin")["dropout1"].bytes_moved == priced("nin")["flatten"].bytes_moved == (0, 0)
    training = archcalc.graph("nin", training=True).profile()
    assert training["dropout1"].bytes_moved != (0, 0)


def test_free_has_a_reason_and_not_counted_is_not_zero() -> None:
    found = profile(with_unknown_operation())
    assert (found["input"].status, found["input"].reason) == ("free", "given")
    unknown = found["custom"]
    assert (unknown.status, unknown.macs, unknown.flops) == ("not counted", None, None)
    assert unknown.reason == "no formula for mylib::op (net.py:12 in forward)"
    assert unknown.bytes_moved is None
    (row,) = found.not_counted
    assert (row.op, row.calls, row.where) == ("mylib::op", 1, "net.py:12 in forward")
    assert found.macs == 120_422_400


def test_modules_gather_layers_by_the_first_parts_of_their_names() -> None:
    found = priced("googlenet")
    by_name = {module.name: module for module in found.modules(1)}
    assert by_name["inception_3a"].params == 163_696
    assert by_name["inception_3a"].macs == 128_049_152
    assert by_name["inception_3a"].output == (1, 256, 28, 28)
    branches = {module.name: module.macs for module in found.modules(2)}
    assert branches["inception_3a.b5"] == 12_443_648


def test_activations_are_the_outputs_of_layers_with_multiply_adds() -> None:
    assert priced("inception-5x5-reduced").activations == 28 * 28 * (16 + 32)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_layers_modules_and_classes_add_up_to_the_totals(name: str, training: bool) -> None:
    found = archcalc.graph(name, training=training).profile()
    assert sum(layer.macs or 0 for layer in found) == found.macs
    assert sum(layer.flops or 0 for layer in found) == found.flops
    assert sum(layer.params for layer in found) == found.params_executed
    for depth in (None, 1, 2):
        assert sum(module.macs or 0 for module in found.modules(depth)) == found.macs
    assert sum(row.macs for row in found.by_class) == found.macs
    assert sum(row.flops for row in found.by_class) == found.flops
    assert not found.not_counted


@pytest.mark.parametrize("name", MODELS)
def test_counting_twice_changes_nothing(name: str) -> None:
    graph = archcalc.graph(name)
    assert graph.profile().rows() == graph.profile().rows()


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_counted_or_says_why_not(name: str) -> None:
    for layer in priced(name):
        assert layer.formula if layer.status == "counted" else layer.reason


def test_an_unknown_convention_names_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="unknown convention 'foo': one of paper, torch, fvcore"):
        archcalc.graph("nin").profile(convention="foo")


def test_a_frame_has_a_row_a_layer_with_raw_integers() -> None:
    frame = priced("nin").to_frame()
    assert list(frame.columns[:2]) == ["name", "op"]
    assert frame["macs"].sum() == 222_486_528
    assert frame.set_index("name").loc["mlpconv1.conv", "params"] == 14_592


def test_a_notebook_sees_an_escaped_table() -> None:
    found = priced("inception-5x5")
    assert "<td" in found._repr_html_()
    assert "120,422,400" in found._repr_html_()
    assert "| b5.conv" in found._repr_markdown_()
