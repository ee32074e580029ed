"""Two saved reports: what changed, and nothing when nothing did."""

import json
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis.diff import diff, diff_reports
from archcalc.analysis.saved import SavedModel, saved_model
from archcalc.cli import run
from archcalc.io import saved_reports
from archcalc.report import records


def saved(spec: str, **options: Any) -> SavedModel:
    found = archcalc.graph(spec, **options).profile()
    return saved_model(json.loads(json.dumps(records.model(found))))


def write(path: Path, *models: str) -> str:
    profiles = archcalc.compare(models).profiles
    path.write_text(json.dumps(records.models(profiles)), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", archcalc.lookup.registry.names())
def test_a_saved_report_has_all_that_the_difference_needs(name: str) -> None:
    found = archcalc.graph(name).profile()
    assert diff(found, saved(name)).changes == ()
    assert diff(saved(name), found).changes == ()


@pytest.mark.parametrize(
    ("one", "other"), [("inception-naive", "inception-reduced"), ("nin", "nin-fashion")]
)
def test_the_difference_is_the_same_from_reports_as_from_graphs(one: str, other: str) -> None:
    live = diff(archcalc.graph(one).profile(), archcalc.graph(other).profile())
    assert diff(saved(one), saved(other)).rows() == live.rows()


def test_nothing_is_said_when_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write(tmp_path / "base.json", "nin", "googlenet")
    head = write(tmp_path / "head.json", "googlenet", "nin")
    for format in ("table", "md", "csv"):
        assert run(["diff", base, head, "--format", format]) == 0
        assert capsys.readouterr() == ("", "")
    assert run(["diff", base, head, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"] == []


def test_only_what_changed_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = write(tmp_path / "base.json", "inception-5x5", "nin")
    head = write(tmp_path / "head.json", "inception-5x5,c5=48", "nin")
    text = Path(head).read_text().replace("inception-5x5,c5=48", "inception-5x5")
    Path(head).write_text(text)
    assert run(["diff", base, head, "--format", "md"]) == 0
    out = capsys.readouterr().out
    assert "nin" not in out
    assert "120,422,400" in out
    assert "+60,211,200 (+50.0 %)" in out
    assert "weight 32×192×5×5 -\\> 48×192×5×5" in out
    assert "1 more node only passes the new shape on" in out
    assert run(["diff", base, head, "--format", "json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["figures"]["macs"] == {"before": 120_422_400, "after": 180_633_600}
    assert [node["name"] for node in model["nodes"]] == ["b5.conv", "b5.relu"]


def test_a_model_on_one_side_alone_is_new_or_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write(tmp_path / "base.json", "nin", "vgg16")
    head = write(tmp_path / "head.json", "nin", "alexnet", "nin")
    assert run(["diff", base, head]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "MACs" in line] == [
        "new",
        "new",
        "gone",
    ]
    assert "15,470,264,320" in out


def test_one_model_each_is_compared_whatever_it_is_called() -> None:
    found = diff_reports([saved("nin")], [saved("nin", head="fc")], ("a", "b"))
    (model,) = found.models
    assert {figure.name: figure.after for figure in model.figures}["params"] == 973_396
    assert [change.name for change in model.changes if change.kind == "added"] == ["fc"]


def test_a_report_without_settings_still_has_its_counts() -> None:
    def stripped(name: str, **options: Any) -> SavedModel:
        record = json.loads(json.dumps(records.model(archcalc.graph(name, **options).profile())))
        for layer in record["layers"]:
            del layer["attrs"], layer["weights"]
        return saved_model(record)

    changes = diff(stripped("inception-5x5-reduced"), stripped("inception-5x5-reduced")).changes
    assert changes == ()
    narrow = stripped("inception-5x5-reduced", c5_reduce=8)
    last = diff(stripped("inception-5x5-reduced"), narrow).changes[-1]
    assert last.what == "params 12,832 -> 6,432, MACs 10,035,200 -> 5,017,600"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a report of models"),
        ('{"checks": []}', "is not a report of models"),
        ('{"models": [], "schema_version": 9}', "has schema version 9"),
        ('{"models": [{}], "schema_version": 1}', "is damaged: models[0]: name is missing"),
        (
            '{"models": [3], "schema_version": 1}',
            "is damaged: models[0]: expected a table",
        ),
    ],
)
def test_a_file_that_is_no_report_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "base.json"
    path.write_text(text)
    assert run(["diff", str(path), str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


def test_a_report_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "nowhere.json", "nothing.json"]) == 2
    assert "there is no file nowhere.json" in capsys.readouterr().err
    assert run(["diff", "nowhere.json"]) == 2
    assert "give two reports, such as base.json head.json; got 1" in capsys.readouterr().err


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "both.json", "nin", "googlenet")
    nin, googlenet = saved_reports.load(path)
    assert nin.figures["macs"] == 222_486_528
    assert googlenet.figures["params"] == 13_378_280
    assert len(googlenet.layers) == len(archcalc.graph("googlenet").profile().layers)
