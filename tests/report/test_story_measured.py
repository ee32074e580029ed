"""The latency section: measured numbers, never more of them than were measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

import archcalc
from archcalc.analysis.latency import Bench, Environment, Latency, Setting, Warmup
from archcalc.analysis.roofline import Ceilings
from archcalc.cli import run
from archcalc.io.bench_file import record
from archcalc.language import LANGS, Lang
from archcalc.report import gather as stories
from archcalc.report.assemble import document
from archcalc.report.document import Chart, Section, Tabular, Text

CPU = Setting("cpu", "float32", 1, threads=2)
CEILINGS = Ceilings("a processor", "float32", 2, 1e11, ((10**6, 5e10), (10**9, 1e10)), 1e-6)


def latency(spec: str, milliseconds: float, setting: Setting = CPU) -> Latency:
    profile = archcalc.graph(spec).profile()
    return Latency(
        profile.name,
        spec,
        (profile.input,),
        setting,
        tuple(milliseconds / 1000 * (1 + step / 100) for step in range(10)),
        per_turn=5,
        calls=1,
        warmup=Warmup(1.0, 10, True),
        macs=profile.macs,
        flops=profile.flops,
        bytes_moved=10**7,
        ceiling=1e11,
        warnings=("the machine was busy",),
    )


def bench(*latencies: Latency) -> Bench:
    environment = Environment("a processor", 2, "Linux", "3.11", "2.14", "0.1.0")
    return Bench(environment, latencies, (asdict(CEILINGS),))


BOTH = bench(latency("inception-naive", 10.0), latency("inception-reduced", 6.0))


def section(measured: Bench, lang: Lang = "en") -> Section:
    profiles = [archcalc.graph(name).profile() for name in ("inception-naive", "inception-reduced")]
    told = stories.of_profiles(profiles, sections=["latency"], benches=[measured])
    (found,) = document(told, lang=lang).sections
    return found


@pytest.mark.parametrize("lang", LANGS)
def test_medians_reasons_and_warnings_are_told(lang: Lang) -> None:
    blocks = section(BOTH, lang).blocks
    (table,) = (block.table for block in blocks if isinstance(block, Tabular))
    medians = [row[1] for row in table.rows]
    assert medians == [pytest.approx(0.01045), pytest.approx(0.00627)]
    sentences = [block.text for block in blocks if isinstance(block, Text)]
    said = {
        "en": ("2.37× fewer multiply-adds, 1.67× faster", "Warning: the machine was busy"),
        "zh": ("乘加次数是前者的 1/2.37，快 1.67×", "警告：the machine was busy"),
    }
    for part in said[lang]:
        assert any(part in text for text in sentences), sentences


def test_the_charts_are_latency_against_macs_and_the_roofline() -> None:
    figures = [block for block in section(BOTH).blocks if isinstance(block, Chart)]
    assert [figure.key for figure in figures] == ["latency-1-1", "roofline-1-1"]
    points = figures[1].spec["layer"][1]["data"]["values"]
    profile = archcalc.graph("inception-naive").profile()
    assert points[0]["x"] == profile.flops / 10**7
    assert points[0]["y"] == pytest.approx(profile.flops / 0.01045)
    roof = figures[1].spec["layer"][0]["data"]["values"]
    assert max(point["y"] for point in roof) == 1e11
    assert roof[1] == {"x": 10.0, "y": 1e11}  # where 1e10 bytes a second are enough


def test_models_of_two_settings_are_not_put_into_one_chart() -> None:
    other = Setting("cpu", "float32", 8, threads=2)
    apart = bench(latency("inception-naive", 10.0), latency("inception-reduced", 40.0, other))
    figures = [block for block in section(apart).blocks if isinstance(block, Chart)]
    assert [figure.key for figure in figures] == ["roofline-1-1"]


def test_a_report_without_measurements_has_no_latency() -> None:
    told = stories.of_profiles([archcalc.graph("nin").profile()])
    assert "latency" not in [section.key for section in document(told, charts=False).sections]


def test_the_command_reads_the_file_that_bench_writes(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(record(BOTH)), encoding="utf-8")
    config = tmp_path / "story.toml"
    config.write_text(
        'models = ["inception-naive", "inception-reduced"]\n'
        'bench = "bench.json"\noutput = ["story.json", "story.md"]\ncharts = false\n',
        encoding="utf-8",
    )
    assert run(["report", "--config", str(config)]) == 0
    data = json.loads((tmp_path / "story.json").read_text(encoding="utf-8"))
    assert len(data["bench"][0]["latencies"]) == 2
    text = (tmp_path / "story.md").read_text(encoding="utf-8")
    assert "## Latency and roofline" in text


def test_measurements_of_other_models_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(record(BOTH)), encoding="utf-8")
    assert run(["report", "nin", "--bench", str(path), "-o", str(tmp_path / "x.csv")]) == 2
    said = capsys.readouterr().err
    assert "the file has measurements of inception-naive, inception-reduced" in said
