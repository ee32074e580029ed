"""Measure the registry on this CPU and write ``reports/latency-cpu.md``.

    python benchmarks/latency_report.py [--threads 1] [--time 1.0] [--predict]
                                        [-o reports/latency-cpu.md]

``--predict`` adds the times that the calibrations of this machine predict;
`archcalc calibrate --dtype float32,bfloat16 --threads 1` makes the two that it needs.

Takes about five minutes on one core of a server; run it on an idle machine. A CSV file of the same
name gets the rows of the registry in base units.

The default is one thread: on a shared machine, further threads may wait for other processes, and
the time of one core can be compared with the ceiling of one core.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import archcalc
from archcalc.analysis.latency import OTHERS, Bench, Latency
from archcalc.analysis.quantile import interquartile_range
from archcalc.analysis.roofline import Ceilings, story
from archcalc.analysis.speedup import speedup
from archcalc.io.files import write_text
from archcalc.lookup import registry
from archcalc.pytorch.bench.timer import Plan
from archcalc.report.escape import for_markdown as escape
from archcalc.report.formats.csv import csv
from archcalc.report.formats.markdown import markdown
from archcalc.report.sections.cautions import sentences
from archcalc.report.sections.latency import (
    BOUND,
    CEILING,
    METHOD,
    SCALED,
    describe_ceilings,
    predictors,
)
from archcalc.report.table import Cell, Column, Table

PAIRS = (("inception-5x5", "inception-5x5-reduced"), ("inception-naive", "inception-reduced"))
BATCHES = (1, 8, 32)
DTYPES = ("float32", "bfloat16")
VERIFIED = (
    "alexnet",
    "googlenet",
    "googlenet-bn",
    "inception-5x5",
    "inception-5x5-reduced",
    "inception-naive",
    "inception-reduced",
    "nin",
    "nin-mnist-v2",
    "resnet50",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the registry on this CPU")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time", type=float, default=1.0, help="seconds of samples per model")
    parser.add_argument("-o", "--output", default="reports/latency-cpu.md")
    parser.add_argument("--predict", action="store_true", help="show predicted times too")
    given = parser.parse_args()
    plan = Plan(budget=given.time, warmup=3 * given.time)

    def measure(*models: str, **choice: object) -> Bench:
        print(" ".join(models), *choice.values(), flush=True)
        return archcalc.bench(
            models,
            device="cpu",
            threads=(given.threads,),
            plan=plan,
            predict=given.predict,
            **choice,
        )

    singles = [measure(name, verify=name in VERIFIED) for name in registry.names()]
    pairs = [measure(*pair, batches=BATCHES, dtypes=DTYPES, layers=True) for pair in PAIRS]
    rows = [latency for single in singles for latency in single.latencies]
    target = Path(given.output)
    write_text(target, report(singles[0], rows, pairs, given.threads))
    write_text(target.with_suffix(".csv"), csv(registry_table(rows)))
    print(f"wrote {target} and {target.with_suffix('.csv')}")


def report(first: Bench, rows: Sequence[Latency], pairs: Sequence[Bench], threads: int) -> str:
    """The whole page."""
    ceilings = {repr(each): each for bench in (first, *pairs) for each in bench.ceilings}
    plural = "s" * (threads != 1)
    parts = [
        "# Latency on a CPU, compared with multiply-adds",
        f"Measured on {escape(str(first.environment))}, with {threads} thread{plural}. "
        "`python benchmarks/latency_report.py` writes this page.",
        neighbours([*rows, *(row for bench in pairs for row in bench.latencies)]),
        *(escape(describe_ceilings(Ceilings.read(each))) for each in ceilings.values()),
        "## The registry, batch 1, float32",
        markdown([registry_table(rows)], [METHOD, CEILING, BOUND]),
        "## What predicts the time",
        markdown([replace(table, title="") for table in predictors(rows)], [SCALED]),
        spread(rows),
        "## A 1×1 before the 5×5: fewer multiply-adds, and the speedup",
        markdown([pair_table(pairs)]),
        "\n".join(f"- {escape(line)}" for line in reasons(pairs)),
        "## Comparison with torch.utils.benchmark",
        markdown([verified_table(rows)]),
        verdict(rows),
        *warned([*rows, *(row for bench in pairs for row in bench.latencies)]),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def registry_table(rows: Sequence[Latency]) -> Table:
    columns = (
        Column("model", "model"),
        Column("input", "input H×W×C", "shape"),
        Column("macs", "MACs", "count"),
        Column("median_s", "median", "seconds"),
        Column("iqr_s", "IQR", "seconds"),
        Column("flops_per_s", "GFLOP/s", "giga"),
        Column("share_of_ceiling", "of ceiling", "share"),
        Column("bound_s", "lower bound", "seconds"),
        Column("distance", "× bound", "ratio"),
        Column("predicted_s", "predicted", "seconds"),
        Column("error", "error", "share"),
        Column("samples", "samples", "exact"),
    )
    cells: list[tuple[Cell, ...]] = [
        (
            row.spec,
            row.inputs[0],
            row.macs,
            row.median,
            row.iqr,
            row.flops_per_second,
            row.share_of_ceiling,
            row.bound,
            row.median / row.bound if row.bound else None,
            row.predicted and row.predicted.seconds,
            row.error,
            len(row.samples),
        )
        for row in rows
    ]
    table = Table(columns, tuple(cells))
    if any(row.predicted for row in rows):
        return table
    return table.without(10).without(9)


def spread(rows: Sequence[Latency]) -> str:
    medians = [row.median for row in rows]
    return (
        f"The times of these {len(rows)} models differ by a factor of up to "
        f"{max(medians) / min(medians):,.0f}."
    )


def pair_table(pairs: Sequence[Bench]) -> Table:
    columns = (
        Column("from", "from"),
        Column("to", "to"),
        Column("dtype", "dtype"),
        Column("batch", "batch", "exact"),
        Column("before_s", "before", "seconds"),
        Column("after_s", "after", "seconds"),
        Column("macs_ratio", "× fewer MACs", "ratio"),
        Column("speedup", "× faster", "ratio"),
        Column("interval", "95 %"),
    )
    cells: list[tuple[Cell, ...]] = []
    for bench in pairs:
        for before, after in bench.groups():
            speed = speedup(before, after)
            interval = f"{speed.low:.3g} to {speed.high:.3g}"
            cells.append(
                (
                    before.spec,
                    after.spec,
                    before.setting.dtype,
                    before.setting.batch,
                    before.median,
                    after.median,
                    (before.macs or 0) / (after.macs or 1),
                    speed.value,
                    interval if speed.shown else f"no difference shown, {interval}",
                )
            )
    return Table(columns, tuple(cells))


def reasons(pairs: Sequence[Bench]) -> list[str]:
    """Why the speedup differs from the ratio of multiply-adds, one line per setting."""
    found = []
    for bench in pairs:
        for before, after in bench.groups():
            setting = before.setting
            reason = story(before, after)
            found.append(f"{after.spec}, {setting.dtype}, batch {setting.batch}: {reason}.")
    return found


def verified_table(rows: Sequence[Latency]) -> Table:
    columns = (
        Column("model", "model"),
        Column("ours_s", "archcalc", "seconds"),
        Column("theirs_s", "torch.utils.benchmark", "seconds"),
        Column("ratio", "ratio of medians", "ratio"),
        Column("ours_iqr", "our IQR", "share"),
        Column("theirs_iqr", "their IQR", "share"),
    )
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        if row.verified is not None:
            medians = tuple(map(statistics.median, row.verified))
            spreads = tuple(
                interquartile_range(samples) / statistics.median(samples)
                for samples in row.verified
            )
            cells.append((row.spec, *medians, row.verified.ratio, *spreads))
    return Table(columns, tuple(cells))


def verdict(rows: Sequence[Latency]) -> str:
    ratios = [row.verified.ratio for row in rows if row.verified is not None]
    return (
        f"Both time the same calls of {len(ratios)} models in turn. The median of the ratios is "
        f"{statistics.median(ratios):.3f}, and their range is {min(ratios):.3f} to "
        f"{max(ratios):.3f}. Each IQR is relative to its median."
    )


def neighbours(rows: Sequence[Latency]) -> str:
    """How much of the machine other processes used."""
    used = [row.conditions.get("other_cores_used") for row in rows]
    seen = [cores for cores in used if cores is not None]
    if not seen:
        return "The load of other processes is unknown."
    load = (
        f"Other processes used {statistics.median(seen):.2f} cores during the median measurement "
        f"and at most {max(seen):.2f}"
    )
    if statistics.median(seen) <= OTHERS:
        return f"{load}."
    return f"{load}: **the machine was busy, and these times should be measured again.**"


def warned(rows: Sequence[Latency]) -> list[str]:
    """Each kind of warning, with the measurements that it concerns."""
    lines = [f"- {escape(sentence)}" for sentence in sentences(rows)]
    if not lines:
        return ["## Warnings", "None."]
    return ["## Warnings", "\n".join(lines)]


if __name__ == "__main__":
    main()
