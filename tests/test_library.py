"""The library offers what the command line does, and never prints."""

import pickle
from pathlib import Path

import pytest

import archcalc
from archcalc.cli import COMMANDS


def test_a_graph_is_found_by_name_input_and_options() -> None:
    graph = archcalc.graph("nin", input="64x64x3", batch=2, num_classes=100)
    assert graph.output.shape == (2, 100)
    assert graph.spec == "nin,num_classes=100"


def test_an_input_can_be_a_shape() -> None:
    assert archcalc.graph("nin", input=(3, 64, 64)).inputs[0].output.shape == (1, 3, 64, 64)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    archcalc.graph("nin").profile().to_frame()
    archcalc.compare(["nin", "googlenet"])._repr_html_()
    archcalc.worked_example()
    assert capsys.readouterr() == ("", "")


def test_a_graph_cannot_be_changed() -> None:
    graph = archcalc.graph("nin")
    with pytest.raises(AttributeError):
        graph.name = "other"  # type: ignore[misc]  # must fail
    with pytest.raises(AttributeError):
        graph["mlpconv1.conv"].op = "linear"  # type: ignore[misc]  # must fail
    with pytest.raises(TypeError, match="read-only"):
        graph["mlpconv1.conv"].attrs["groups"] = 2


def test_a_graph_can_be_pickled() -> None:
    graph = archcalc.graph("googlenet")
    copy = pickle.loads(pickle.dumps(graph))
    assert copy.nodes == graph.nodes
    assert copy.profile().macs == 1_582_671_872


def test_errors_are_also_the_builtins_that_a_caller_expects() -> None:
    with pytest.raises(LookupError):
        archcalc.graph("nothing")
    with pytest.raises(ValueError, match="28x28"):
        archcalc.graph("nin", input="28x28")
    with pytest.raises(archcalc.DefinitionError) as caught:
        archcalc.graph("alexnet", input="40x40x3")
    assert caught.value.node == "pool5"
    assert len(caught.value.partial) > 10


def test_every_public_name_is_there_and_documented() -> None:
    for name in archcalc.__all__:
        found = getattr(archcalc, name)
        assert name == "__version__" or (getattr(found, "__doc__", "") or name == "Shape")


def test_each_analyzer_of_the_library_has_a_command() -> None:
    assert {"compare", "flops", "show", "explain", "params", "memory"} <= set(COMMANDS)


def test_memory_verify_reconcile_and_export_return_what_the_commands_show() -> None:
    assert archcalc.memory("nin", batch=2) == archcalc.graph("nin", batch=2).profile().memory
    for name in ("memory", "verify", "reconcile", "export", "summary"):
        assert name in archcalc.__all__
        assert callable(getattr(archcalc, name))


def test_report_is_a_function_even_after_its_package_is_imported() -> None:
    from archcalc.report.formats import csv

    assert csv
    found = archcalc.report(["inception-5x5", "inception-5x5-reduced"], sections=["summary"])
    assert found.comparison.ratio(found.profiles[1], "macs") == 12_443_648 / 120_422_400
    assert "inception-5x5-reduced" in str(found)


def test_a_report_writes_each_file_in_its_own_format(tmp_path: Path) -> None:
    found = archcalc.report(["nin"], sections=["summary"])
    found.write(str(tmp_path / "nin.md"), tmp_path / "nin.csv", charts=False)
    assert (tmp_path / "nin.md").read_text().startswith("# What nin cost")
    # Without the section of layers, CSV is the summary's table, with one row per model.
    head, row = (tmp_path / "nin.csv").read_text().splitlines()
    assert head.startswith("model,input,params,macs")
    assert row.startswith("nin,1x3x32x32,966986,222486528")
    with pytest.raises(archcalc.UsageError) as refused:
        found.write(tmp_path / "nin.pdf")
    assert "--format" not in str(refused.value)


def test_a_budget_is_followed_model_by_model() -> None:
    seen: list[tuple[int, int, str]] = []
    assert not archcalc.check("archcalc.toml", follow=lambda *at: seen.append(at)).breaches
    assert [place for place, _, _ in seen] == list(range(len(seen)))
    assert {of for _, of, _ in seen} == {len(seen)}
    assert "googlenet" in {name for _, _, name in seen}
