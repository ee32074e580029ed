"""Charts: they show what was counted, in colours that everyone can tell apart, byte for byte."""

import json
import re
from pathlib import Path

import pytest

import archcalc
from archcalc.analysis.compare import compare
from archcalc.analysis.where import parts
from archcalc.analysis.worked_example import worked_example
from archcalc.language import LANGS, Lang, use
from archcalc.lookup import registry
from archcalc.report import charts
from archcalc.report.charts.blocks import COLOURS
from archcalc.report.charts.style import OKABE_ITO
from archcalc.report.document import Spec
from archcalc.report.sections import memory
from tests.report.hostile import HOSTILE, UNUSUAL, hostile_graph, unusual_graph


def shown(spec: Spec) -> list[dict[str, object]]:
    """The rows that a chart draws."""
    layers = spec.get("layer", [spec])
    return [row for layer in layers for row in layer.get("data", spec.get("data"))["values"]]


@pytest.mark.parametrize("measure", ["macs", "params", "other"])
@pytest.mark.parametrize("name", registry.names())
def test_the_bars_of_every_model_add_up_to_its_totals(name: str, measure: str) -> None:
    profile = archcalc.graph(name).profile()
    total = {
        "macs": profile.macs,
        "params": profile.params_executed,
        "other": profile.flops - 2 * profile.macs,
    }[measure]
    assert sum(part.amount for part in parts(profile, measure)) == total  # type: ignore[arg-type]
    spec = charts.cost_by_block(profile, measure, "si")  # type: ignore[arg-type]
    assert spec is not None
    assert sum(row["amount"] for row in shown(spec)) == total  # type: ignore[misc]


def test_the_waterfall_leads_from_one_total_to_the_other() -> None:
    spec = charts.waterfall(worked_example().module, "si")
    rows = (spec.get("data") or spec["layer"][0]["data"])["values"]
    first, *steps, last = rows
    assert (first["end"], last["end"]) == (303_464_448, 128_049_152)
    level = first["end"]
    for step in steps:
        signed = (step["end"] - step["start"]) * (1 if step["kind"] == "added" else -1)
        assert level in (step["start"], step["end"])
        level += signed
    assert level == last["end"]


def test_the_branches_are_those_of_both_forms() -> None:
    rows = shown(charts.branches(worked_example().module, "si"))
    assert sum(row["amount"] for row in rows) == 303_464_448 + 128_049_152  # type: ignore[misc]
    assert {row["label"] for row in rows} >= {"b5, naive", "b5, reduced"}


def test_the_pareto_line_holds_what_nothing_else_beats() -> None:
    assert charts.pareto([(1, 5), (2, 2), (3, 3), (4, 1), (2, 2)]) == [0, 1, 3]
    assert charts.pareto([(2, 2), (1, 1)]) == [1]
    assert charts.pareto([]) == []


@pytest.mark.parametrize("lang", LANGS)
def test_every_axis_names_its_unit_and_convention(lang: Lang) -> None:
    example = worked_example()
    profile = archcalc.graph("nin").profile()
    with use(lang):
        specs = [
            charts.waterfall(example.module, "si"),
            charts.branches(example.module, "si"),
            charts.memory(profile, "si"),
            charts.scatter(compare([profile, example.module.direct]), "si"),
            charts.latency([("a", 10, 0.1), ("b", 20, 0.2)], "si"),
            charts.roofline([("a", 10.0, 1e9)], 1e11, 1e10),
        ]
    for spec in specs:
        titles = set(re.findall(r'"title": "([^"]*)"', json.dumps(spec, ensure_ascii=False)))
        units = "MACs|FLOP|MiB|KiB|ms|parameters|参数|毫秒"
        assert any(re.search(units, title) for title in titles), titles


def test_the_palette_is_okabe_and_itos() -> None:
    assert set(COLOURS.values()) <= set(OKABE_ITO)
    for name in registry.names():
        spec = charts.cost_by_block(archcalc.graph(name).profile(), "macs", "si")
        assert spec is not None
        colours = spec["encoding"]["color"]["scale"]["range"]
        assert len(set(colours)) == len(colours)
        assert set(colours) <= set(OKABE_ITO)


def test_a_chart_is_the_same_whatever_was_drawn_before() -> None:
    def draw() -> str:
        profile = archcalc.graph("nin").profile()
        return json.dumps(charts.cost_by_block(profile, "macs", "si"))

    first = draw()
    charts.branches(worked_example().module, "si")
    assert draw() == first


def test_an_svg_is_a_picture_without_scripts_and_links() -> None:
    text = charts.svg(charts.branches(worked_example().module, "si"))
    assert text.startswith("<svg")
    assert "<script" not in text
    assert "href" not in text


def test_hostile_names_are_text_in_an_svg() -> None:
    spec = charts.cost_by_block(hostile_graph().profile(), "params", "si")
    assert spec is not None
    text = charts.svg(spec)
    assert "<script>alert" not in text
    assert "<img" not in text
    # In the data alone: an expression or a field's name would be run.
    told = json.dumps({key: value for key, value in spec.items() if key != "data"})
    encoding = json.loads(told)["encoding"]
    for channel in ("x", "color", "order"):
        assert HOSTILE not in json.dumps(encoding[channel].get("field", ""))
        assert HOSTILE not in json.dumps(encoding[channel].get("axis", ""))


def test_the_memory_of_a_deep_model_has_the_steps_of_its_table() -> None:
    profile = archcalc.graph("vit-b-16").profile()
    spec = charts.memory(profile, "si")
    assert spec is not None
    steps = spec["layer"][1]["data"]["values"]
    table = memory.show(profile).tables[0]
    live = [column.key for column in table.columns].index("live_bytes")
    assert [step["exact"] for step in steps] == [f"{row[live]:,} B" for row in table.rows]
    names = [row[0].removesuffix(" ←peak") for row in table.rows]
    assert [step["node"] for step in steps] == names
    assert max(step["live"] for step in steps) * 2**20 == profile.memory.peak_bytes


def test_nothing_to_draw_is_no_chart() -> None:
    graph = archcalc.graph("nin")
    empty = archcalc.Graph("none", graph.nodes[:1], {"output": graph.nodes[0].output})
    assert charts.cost_by_block(empty.profile(), "macs", "si") is None
    assert charts.memory(empty.profile(), "si") is None


def test_axes_of_chinese_charts_count_in_wan_and_yi() -> None:
    with use("zh"):
        text = charts.svg(charts.branches(worked_example().module, "zh"))
    assert re.search(r">1\.?\d*亿<", text)
    assert "5000万" in text


def test_no_chart_is_of_another_library() -> None:
    """Report code alone imports altair, and only when a chart is drawn."""
    package = Path(archcalc.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(
            r"^\s*(import|from) (altair|vl_convert|jinja2)\b", path.read_text("utf-8"), re.M
        )
    ]
    assert sorted(found) == [
        "report/charts/style.py",
        "report/explore/page.py",
        "report/page/__init__.py",
    ]


def test_unusual_names_are_drawn_and_do_not_end_the_converter() -> None:
    profile = unusual_graph().profile()
    for spec in (
        charts.cost_by_block(profile, "params", "si"),
        charts.memory(profile, "si"),
    ):
        assert spec is not None
        drawn = charts.svg(spec)
        assert "\x1b" not in drawn
    spec = charts.cost_by_block(profile, "params", "si")
    assert spec is not None
    rows = spec["data"]["values"] if "data" in spec else spec["layer"][0]["data"]["values"]
    assert len({row["block"] for row in rows}) == len(UNUSUAL)
