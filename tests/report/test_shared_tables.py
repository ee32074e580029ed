"""A command and a report show the same table: the same headings over the same cells."""

from __future__ import annotations

from pathlib import Path

import archcalc
from archcalc.analysis.lint import lint
from archcalc.analysis.runs import accuracies
from archcalc.io.runs import load_all
from archcalc.report import gather
from archcalc.report.assemble import document
from archcalc.report.sections import accuracy, claims, latency, memory
from archcalc.report.sections import lint as linting
from archcalc.report.table import Table
from tests.analysis import run_on_disk
from tests.report.test_story_measured import BOTH

NAMES = ("inception-naive", "inception-reduced")
PROFILES = [archcalc.graph(name).profile() for name in NAMES]


def reported(section: str, **measured: object) -> tuple[Table, ...]:
    found = gather.of_profiles(PROFILES, sections=[section], **measured)  # type: ignore[arg-type]
    return document(found, charts=False).tables


def test_latency_in_a_report_leaves_out_only_the_details_of_the_command() -> None:
    (short,) = reported("latency", benches=[BOTH])
    full = latency.show(BOTH).tables[0]
    kept = [column in short.columns for column in full.columns]
    assert [column for column, keep in zip(full.columns, kept, strict=True) if keep] == [
        *short.columns
    ]
    for row, part in zip(full.rows, short.rows, strict=True):
        assert tuple(cell for cell, keep in zip(row, kept, strict=True) if keep) == part
    left = {column.key for column, keep in zip(full.columns, kept, strict=True) if not keep}
    assert left == {"iqr_s", "peak_bytes", "peak_growth_bytes", "samples"}


def test_accuracy_in_a_report_adds_only_the_macs(tmp_path: Path) -> None:
    for seed, reached in enumerate((0.86, 0.88)):
        run_on_disk.make(tmp_path / str(seed), reached, model="inception-naive", seed=seed)
    runs = load_all(tmp_path)
    (table,) = reported("accuracy", runs=runs)
    assert table.columns[-1].key == "macs"
    assert table.without(len(table.columns) - 1) == accuracy.by_training(accuracies(runs))


def test_claims_are_the_tables_of_the_command() -> None:
    shown = [claims.show(archcalc.claims(name)).tables[1:] for name in NAMES]
    assert reported("claims") == tuple(table for each in shown for table in each)


def test_findings_are_the_tables_of_the_command() -> None:
    found = [lint(found.graph) for found in PROFILES]
    assert reported("lint") == linting.show(*found).tables


def test_memory_is_the_last_table_of_the_command_for_each_model() -> None:
    (table,) = reported("memory")
    alone = [memory.show(found).tables[-1] for found in PROFILES]
    assert [each.columns for each in alone] == [table.columns] * len(NAMES)
    assert table.rows == tuple(row for each in alone for row in each.rows)
