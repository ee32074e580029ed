"""A whole report: its records, its words, its files."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

import archcalc
from archcalc.cli import run
from archcalc.graph import Graph
from archcalc.language import LANGS
from archcalc.lookup import registry
from archcalc.report import gather as stories
from archcalc.report.assemble import document
from archcalc.report.document import Chart, Document, LayerList, Tabular, Text
from archcalc.report.formats import Place, write
from archcalc.report.formats.csv import csv as write_csv
from tests.report.hostile import hostile_graph

ROOT = Path(__file__).resolve().parents[2]
FOUR = ("inception-naive", "inception-reduced", "nin", "googlenet")


def as_markdown(found: Document) -> tuple[str, dict[str, str]]:
    """The report as Markdown, and the files of its charts."""
    place = Place(stem="story")
    return write(found, "md", place), place.files


def told(*names: str, **options: object) -> stories.Story:
    return stories.of_profiles([archcalc.graph(name).profile() for name in names], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", ["story.toml", "story.zh.toml", "accuracy.toml"])
def test_the_committed_report_is_what_is_written_now(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ROOT / "reports" / config
    code = run(["report", "--config", str(path), "--check"])
    assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", ["story", "accuracy"])
def test_every_file_of_the_committed_report_is_in_use(name: str) -> None:
    text = (ROOT / "reports" / f"{name}.md").read_text(encoding="utf-8")
    drawn = set(re.findall(rf"\]\(({name}-[^)]*\.svg)\)", text))
    assert drawn == {path.name for path in (ROOT / "reports").glob(f"{name}-*.svg")}


def test_two_runs_write_the_same_bytes() -> None:
    first, second = (as_markdown(document(told(*FOUR))) for _ in range(2))
    assert first == second


def test_nothing_of_when_and_where_is_in_a_report() -> None:
    text, files = as_markdown(document(told("nin", "googlenet")))
    for written in (text, *files.values()):
        assert not re.search(r"20[2-9]\d-\d\d|/tmp|/home|/root", written)


def test_the_worked_example_shows_both_sums() -> None:
    text, _ = as_markdown(document(told("googlenet"), charts=False))
    assert "(28×28×32)×(5×5×192) = 120,422,400" in text
    assert "2,408,448 + 10,035,200 = 12,443,648" in text
    assert "120,422,400 / 12,443,648 = 9.68 times fewer MACs" in text


def test_a_report_without_inception_has_no_worked_example() -> None:
    assert told("nin").example is None
    assert "example" not in [section.key for section in document(told("nin")).sections]
    assert told("nin", sections=["example"]).example is not None


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", registry.names())
def test_every_model_makes_a_report_whose_rows_add_up(name: str, lang: str) -> None:
    profile = archcalc.graph(name).profile()
    found = document(stories.of_profiles([profile]), lang=lang, charts=False)  # type: ignore[arg-type]
    sections = {section.key: section for section in found.sections}
    (layers,) = (block for block in sections["layers"].blocks if isinstance(block, LayerList))
    keys = [column.key for column in layers.full.columns]
    assert sum(row[keys.index("macs")] or 0 for row in layers.full.rows) == profile.macs
    assert sum(row[keys.index("params")] for row in layers.full.rows) == profile.params_executed
    (blocks,) = (block for block in sections["where"].blocks if isinstance(block, Tabular))
    *rows, total = blocks.table.rows
    assert sum(row[1] for row in rows) == total[1] == profile.params_executed
    assert sum(row[3] or 0 for row in rows) == total[3] == profile.macs


def test_chinese_reports_count_in_wan_and_yi() -> None:
    text, _ = as_markdown(document(told("googlenet"), lang="zh", charts=False))
    assert "需要 1.20亿次乘加" in text
    assert "1244万" in text
    assert "15.8亿" in text


def test_the_csv_has_every_layer_of_every_model_in_raw_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(write_csv(stories.table(told("nin", "googlenet"))))))
    for name, macs in (("nin", 222_486_528), ("googlenet", 1_582_671_872)):
        assert sum(int(row["macs"]) for row in rows if row["model"] == name) == macs


def test_the_json_has_ratios_claims_and_the_worked_example() -> None:
    data = stories.record(told("inception-naive", "inception-reduced"))
    data = json.loads(json.dumps(data))
    assert data["schema_version"] == 1
    assert data["baseline"] == "inception-naive"
    assert data["comparison"][1]["macs_ratio"] == pytest.approx(128_049_152 / 303_464_448)
    assert data["worked_example"]["ratios"]["5×5 branch"] == pytest.approx(9.6774, abs=1e-4)
    assert data["claims"]
    about = {row["model"].partition(",")[0] for row in data["claims"]}
    assert about == {"inception-naive", "inception-reduced"}


def test_markdown_keeps_hostile_names_in_their_cells() -> None:
    found = document(stories.of_profiles([hostile_graph().profile()]))
    text, files = as_markdown(found)
    # In Mermaid's fence every sign is a number; elsewhere each < is behind a backslash.
    assert not re.search(r"(?<!\\)<(?!br/>)", text)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert any("cmd" in table for table in tables)
    for table in tables:
        columns = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(columns) == 1, table
    assert all(re.fullmatch(r"[a-z0-9-]+\.svg", name) for name in files)
    for drawing in files.values():
        assert "<script" not in drawing
        assert "<img" not in drawing


def test_a_csv_cell_never_begins_a_formula() -> None:
    text = write_csv(stories.table(stories.of_profiles([hostile_graph().profile()])))
    for row in list(csv.reader(io.StringIO(text)))[1:]:
        assert row[0].startswith("'=")
        assert row[1].startswith("'=")


def test_two_models_whose_names_make_the_same_file_keep_their_charts_apart() -> None:
    found = document(told("nin", "nin"))
    keys = [
        block.key
        for section in found.sections
        for block in section.blocks
        if isinstance(block, Chart)
    ]
    assert len(keys) == len(set(keys))
    assert "nin-macs" in keys
    assert "nin-macs-2" in keys


def test_what_is_not_counted_is_told() -> None:
    graph = archcalc.graph("nin")
    strange = graph.nodes[-1]._replace(op="mylib::strange")
    graph = Graph(graph.name, (*graph.nodes[:-1], strange), graph.outputs, spec="nin")
    found = document(stories.of_profiles([graph.profile()]), charts=False)
    (section,) = (section for section in found.sections if section.key == "conventions")
    sentences = [block.text for block in section.blocks if isinstance(block, Text)]
    assert "Not counted in nin: mylib::strange (1×). The totals are lower bounds." in sentences


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["report", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nin",), "give -o FILE, such as report.md; its extension selects the format"),
        ((), "name models, as in `archcalc report nin googlenet`, or give --config FILE"),
        (("nin", "-o", "x.pdf"), "cannot tell the format of 'x.pdf' from its extension"),
        (("nin", "-o", "x.md", "--section", "sumary"), "unknown section 'sumary': one of summary"),
        (("nim", "-o", "x.md"), "did you mean nin"),
        (("nin", "-o", "x.md", "--bench", "none.json"), "there is no file none.json"),
        (("--config", "none.toml"), "there is no file none.toml"),
        (
            ("--config", "x.toml", "--train"),
            "do not apply to --config; describe the models in the file",
        ),
        (("nin", "-o", "nowhere/x.csv"), "there is no folder nowhere"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = [", "is not TOML"),
        ("title = 'x'", "names no model"),
        ("models = ['nin']\nsektions = []", "unknown key 'sektions'; did you mean sections?"),
        ("models = ['nin']\ncharts = 'no'", "charts: expected true or false, got text"),
        ("models = ['nin']\nsections = [1]", "sections[0]: expected text, got a whole number"),
        ("models = [{ input = '32x32x3' }]", "models[0]: model is missing"),
        ("models = [{ model = 'nin', batch = true }]", "models[0].batch: expected a whole number"),
        ("models = ['nin']\noutput = 'x.csv'\nlang = 'fr'", "unknown language 'fr'"),
    ],
)
def test_a_wrong_config_is_refused_in_a_sentence(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "story.toml"
    path.write_text(text, encoding="utf-8")
    assert words in refused(capsys, "--config", str(path))


def test_a_config_sets_each_model_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "story.toml"
    path.write_text(
        """
        output = "story.json"
        models = [
            "nin",
            { model = "nin", input = "64x64x3", batch = 2, set = { num_classes = 100 } },
        ]
        """,
        encoding="utf-8",
    )
    assert run(["report", "--config", str(path)]) == 0
    one, two = json.loads((tmp_path / "story.json").read_text(encoding="utf-8"))["models"]
    assert one["input"] == [1, 3, 32, 32]
    assert two["input"] == [2, 3, 64, 64]
    assert two["output"] == [2, 100]


def test_check_names_the_stale_file_and_the_command_that_repairs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "story.toml"
    path.write_text('models = ["nin"]\noutput = "story.csv"\n', encoding="utf-8")
    assert run(["report", "--config", str(path)]) == 0
    assert run(["report", "--config", str(path), "--check"]) == 0
    (tmp_path / "story.csv").write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert run(["report", "--config", str(path), "--check"]) == 1
    said = capsys.readouterr().err
    assert "story.csv" in said
    assert f"archcalc report --config {path}" in said
    assert (tmp_path / "story.csv").read_text(encoding="utf-8") == "old"


def test_the_files_of_a_report_appear_together_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = ["-o", str(tmp_path / "a.csv"), "-o", str(tmp_path / "gone" / "b.json")]
    assert run(["report", "nin", *targets]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
