"""Writers: the same records in every format, and nothing that a name could break."""

import csv
import io
import json

import pytest

import archcalc
from archcalc.lookup import registry
from archcalc.report.document import Document, answer
from archcalc.report.formats.csv import csv as write_csv
from archcalc.report.formats.html import html_table
from archcalc.report.formats.json import json as write_json
from archcalc.report.formats.markdown import markdown
from archcalc.report.formats.terminal import PAGE, terminal
from archcalc.report.sections import (
    explanation,
    layers,
    memory,
    parameters,
    receptive_field,
    totals,
)
from archcalc.report.table import Column, Table, plain_table

HOSTILE = ["<script>alert(1)</script>", "a|b", "=1+1", "[x](http://y)", "*a*_b_`c`", "two\nlines"]


def table_of(*cells: object) -> Table:
    return Table(
        (Column("name", "name"), Column("macs", "MACs", "count")), tuple((c, 1) for c in cells)
    )


def test_markdown_leaves_hostile_names_in_one_cell() -> None:
    lines = markdown([table_of(*HOSTILE)]).strip().splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    for line in lines:
        assert line.replace("\\|", "").count("|") == 3
    text = "\n".join(lines)
    assert "\\<script\\>" in text
    assert "\\[x\\](http" in text


def test_html_escapes_hostile_names() -> None:
    text = html_table(table_of(*HOSTILE))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_csv_never_writes_a_formula() -> None:
    rows = list(csv.reader(io.StringIO(write_csv(table_of(*HOSTILE, "-x", "+y", "@z")))))
    assert [row[0] for row in rows[1:]] == [
        *HOSTILE[:2],
        "'=1+1",
        *(name.replace("\n", r"\n") for name in HOSTILE[3:]),
        "'-x",
        "'+y",
        "'@z",
    ]


def test_csv_carries_raw_numbers_and_no_total() -> None:
    found = archcalc.graph("nin").profile()
    text = write_csv(layers.show(found, depth=9).tables[0])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(found.layers)
    assert sum(int(row["macs"]) for row in rows) == 222_486_528
    assert rows[1]["output"] == "1x192x32x32"


def test_unknown_is_empty_and_never_zero() -> None:
    table = table_of("x")
    row = Table(table.columns, (("x", None),))
    assert write_csv(row).splitlines()[1] == "x,"
    assert markdown([row]).rstrip().endswith("|        |")
    assert "0" not in html_table(row)


def test_rows_of_different_keys_make_the_union_of_columns() -> None:
    table = plain_table([{"a": 1}, {"b": "x"}])
    assert [column.key for column in table.columns] == ["a", "b"]
    assert table.rows == ((1, None), (None, "x"))


MODEL_VIEWS = {
    "show": layers.show,
    "explain": explanation.show,
    "params": parameters.show,
    "memory": memory.show,
    "receptive-field": receptive_field.show,
    "flops": lambda found: totals.show([found]),
}


@pytest.mark.parametrize("view", MODEL_VIEWS)
@pytest.mark.parametrize("name", registry.names())
def test_every_table_of_every_model_fits_80_columns(name: str, view: str) -> None:
    found = archcalc.graph(name).profile()
    for line in terminal(MODEL_VIEWS[view](found), width=PAGE).splitlines():
        assert len(line) <= PAGE


@pytest.mark.parametrize("view", MODEL_VIEWS)
@pytest.mark.parametrize("name", ["nin", "googlenet", "se-inception", "sk-unit"])
def test_the_json_of_every_command_keeps_the_promised_keys(name: str, view: str) -> None:
    report: Document = MODEL_VIEWS[view](archcalc.graph(name).profile())
    data = json.loads(write_json(report.data))
    assert data["schema_version"] == 1
    assert data["archcalc"] == archcalc.__version__
    assert data["convention"] == "paper"
    (model,) = data["models"]
    assert {
        "name",
        "spec",
        "input",
        "output",
        "params",
        "params_executed",
        "macs",
        "flops",
        "activations",
        "peak_activation_bytes",
        "weight_bytes",
        "receptive_field",
        "not_counted",
        "layers",
    } <= set(model)
    assert set(model["layers"][0]) == {
        "name",
        "op",
        "input",
        "output",
        "params",
        "macs",
        "flops",
        "formula",
        "bytes_read",
        "bytes_written",
        "attrs",
        "weights",
    }
    assert sum(layer["macs"] for layer in model["layers"]) == model["macs"]
    assert isinstance(model["macs"], int)


def test_repeated_blocks_are_folded_into_one_row() -> None:
    table = layers.show(archcalc.graph("resnet50").profile()).tables[0]
    names = [row[0] for row in table.rows]
    assert "conv4_2 … 6 (5×)" in names
    assert sum(row[4] for row in table.body) == table.rows[-1][4] == 3_857_973_248


def test_a_deeper_look_shows_each_node() -> None:
    found = archcalc.graph("resnet50").profile()
    table = layers.show(found, depth=9).tables[0]
    assert len(table.body) == len(found.layers)


def test_colour_is_written_only_when_asked() -> None:
    report = layers.show(archcalc.graph("inception-5x5").profile())
    assert "\x1b[" not in terminal(report)
    assert "\x1b[" in terminal(report, width=80, colour=True)


def test_a_pipe_gets_unbroken_names() -> None:
    name = "a_very_long_name_of_a_module" * 5
    assert name in terminal(answer((table_of(name),), {}))


def test_csv_of_claims_and_lint_has_every_row_on_the_screen() -> None:
    from archcalc.report.formats import write
    from archcalc.report.sections import claims, lint

    found = archcalc.claims("googlenet")
    assert len(write(claims.show(found), "csv").splitlines()) == 1 + len(found.findings)
    lints = [archcalc.lint(name) for name in ("nin-mnist-v2", "nin-mnist-v0")]
    lines = write(lint.show(*lints), "csv").splitlines()
    assert lines[0].startswith("model,severity,rule,node")
    assert len(lines) == 1 + sum(len(each.findings) for each in lints)
