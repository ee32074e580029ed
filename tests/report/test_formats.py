"""Formats: one registry, chosen by name or by extension; tables that fit the terminal."""

import csv
import io

import pytest

import archcalc
from archcalc.analysis.compare import compare
from archcalc.analysis.profile import profile
from archcalc.errors import UsageError
from archcalc.graph import Graph, Node
from archcalc.report import records
from archcalc.report.document import answer
from archcalc.report.formats import FORMATS, Place, choose, write
from archcalc.report.formats.terminal import terminal
from archcalc.report.sections import comparison, layers, totals
from archcalc.report.table import AtLeast, Column, Table

WIDE = Table(
    (
        Column("model", "model"),
        Column("median", "median", "seconds"),
        Column("p10", "p10", "seconds", 1),
        Column("macs", "MACs", "count"),
        Column("why", "reason", "prose", 2),
    ),
    (("nin,dropout=false", 0.002581, 0.00253, AtLeast(569_344), "a long sentence of many words"),),
)


def test_the_extension_selects_the_format_and_the_option_overrides_it() -> None:
    for name, found in FORMATS.items():
        assert choose("", f"out.{found.extension}") == name
    assert choose("csv", "out.md") == "csv"
    assert choose("", "-") == choose("", "/dev/null") == "table"


@pytest.mark.parametrize("output", ["out.pdf", "out.tar.gz"])
def test_an_unknown_extension_is_refused_with_the_known_ones(output: str) -> None:
    with pytest.raises(UsageError, match=r"end it with .*\.md"):
        choose("", output)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"html"}))
def test_every_format_writes_every_command(name: str) -> None:
    text = write(layers.show(archcalc.graph("nin").profile(), depth=9), name)
    assert "mlpconv1" in text


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_names_units_and_numbers_are_whole_at_any_width(width: int) -> None:
    text = terminal(answer([WIDE]), width=width)
    assert max(map(len, text.splitlines())) <= width
    for whole in ("nin,dropout=false", "2.581 ms", "≥ 569.3k"):
        assert whole in text


def test_a_note_names_the_columns_that_are_left_out() -> None:
    text = terminal(answer([WIDE]), width=46)
    assert "2.530 ms" not in text
    assert "Left out to fit 46 columns: p10, reason." in text


def test_a_lower_bound_is_marked_in_every_format() -> None:
    found = answer([WIDE], {})
    assert "≥ 569.3k" in write(found, "table")
    assert "≥ 569.3k" in write(found, "md")
    (row,) = csv.DictReader(io.StringIO(write(found, "csv")))
    assert row["macs"] == "569344"
    assert row["lower_bound"] == "macs"


def test_severities_are_coloured_on_a_terminal_alone() -> None:
    table = Table(
        (Column("node", "node"), Column("severity", "severity", "term")), (("a", "warning"),)
    )
    assert "\x1b[33m" in write(answer([table]), "table", Place(width=80, colour=True))
    assert "\x1b" not in write(answer([table]), "table", Place(width=80))


def test_work_that_is_not_counted_marks_the_totals() -> None:
    built = archcalc.graph("inception-5x5")
    assert "≥" not in terminal(layers.show(built.profile()))
    value = built.output
    last = Node(
        "custom",
        "mylib::op",
        (value,),
        (value._replace(source=len(built.nodes)),),
        built.nodes[0].attrs,
    )
    lower = profile(Graph("net", (*built.nodes, last), {"output": last.output}))
    for view in (layers.show(lower), totals.show([lower]), comparison.show(compare([lower]))):
        assert "≥ 120.4M" in terminal(view)
    assert "macs" in records.model(lower)["lower_bounds"]
    assert records.model(built.profile())["lower_bounds"] == []
