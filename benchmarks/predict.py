"""Compare predicted with measured latencies, on networks that no calibration has timed.

    python benchmarks/predict.py [--threads 1] [--time 240] [--work build/predict] [--visits 2]
                                 [--quick]
                                 [-o reports/predict-cpu.md]

Takes half an hour or more on one core of a server; run it on an idle machine. A CSV file of the
same name gets one row per network. ``--work`` is a folder that keeps each measurement, so that an
interrupted run continues. ``--since DIR`` compares with the measurements of an earlier run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import NamedTuple

import archcalc
from archcalc.analysis.latency import Bench, Latency
from archcalc.analysis.prediction.calibration import COVERAGE, Calibration
from archcalc.analysis.prediction.predict import Prediction, beside, predict
from archcalc.analysis.predictors import FEWEST, agreements
from archcalc.analysis.quantile import quantiles
from archcalc.analysis.roofline import bounds, bytes_moved, lower_bound
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph
from archcalc.io import bench_file, calibrations
from archcalc.io.files import write_text
from archcalc.lookup import registry
from archcalc.pytorch.bench.devices import Cpu
from archcalc.pytorch.bench.timer import Plan
from archcalc.report.escape import for_markdown as escape
from archcalc.report.formats.csv import csv
from archcalc.report.formats.json import json
from archcalc.report.formats.markdown import markdown
from archcalc.report.sections.latency import PREDICTORS
from archcalc.report.table import Cell, Column, Table

CONVOLUTIONAL = (
    "torchvision:alexnet",
    "torchvision:vgg11_bn",
    "torchvision:resnet18",
    "torchvision:resnet50",
    "torchvision:wide_resnet50_2",
    "torchvision:resnext50_32x4d",
    "torchvision:densenet121",
    "torchvision:densenet169",
    "torchvision:googlenet",
    "torchvision:inception_v3",
    "torchvision:mobilenet_v2",
    "torchvision:mobilenet_v3_small",
    "torchvision:mobilenet_v3_large",
    "torchvision:mnasnet1_0",
    "torchvision:shufflenet_v2_x0_5",
    "torchvision:shufflenet_v2_x1_0",
    "torchvision:squeezenet1_1",
    "torchvision:efficientnet_b0",
    "torchvision:efficientnet_v2_s",
    "torchvision:regnet_x_400mf",
    "torchvision:regnet_y_800mf",
    "torchvision:convnext_tiny",
    "timm:resnet26d",
    "timm:resnetv2_50",
    "timm:dla34",
    "timm:ghostnet_100",
    "timm:hrnet_w18_small",
    "timm:repvgg_a0",
    "timm:cspresnet50",
    "timm:efficientnet_lite0",
    "timm:rexnet_100",
    "timm:selecsls42b",
)
TRANSFORMERS = (
    "torchvision:vit_b_16",
    "torchvision:swin_t",
    "timm:vit_tiny_patch16_224",
    "timm:vit_small_patch32_224",
    "timm:deit_small_patch16_224",
    "timm:mixer_s32_224",
    "timm:swin_tiny_patch4_window7_224",
)
QUICK = ("nin", "googlenet", "nin-mnist-v2", "torchvision:resnet18", "torchvision:mobilenet_v2")
DTYPES = ("float32", "bfloat16")
BATCHES = (1, 8)
VISITS = 2
"""Measurements of each network, with those of the others in between. The fastest counts."""


BUSY = (
    "Other processes used the machine. The measured times are processor time of the single thread, "
    "not wall-clock time, so that they exclude waiting for other processes."
)


class Row(NamedTuple):
    """One network in one setting."""

    graph: Graph
    latency: Latency
    prediction: Prediction
    bound: float | None
    bytes_moved: int | None

    @property
    def error(self) -> float:
        return self.prediction.seconds / self.latency.median - 1

    @property
    def holds(self) -> bool:
        return self.prediction.low <= self.latency.median <= self.prediction.high


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time", type=float, default=240.0, help="seconds of each calibration")
    parser.add_argument("--samples", type=float, default=0.6, help="seconds of samples per network")
    parser.add_argument("--work", default="build/predict", help="folder that keeps measurements")
    parser.add_argument("--since", default="", help="the --work of an earlier run, for the drift")
    parser.add_argument("--dtype", default=",".join(DTYPES))
    parser.add_argument(
        "--busy",
        action="store_true",
        help="measure processor time instead of wall-clock time, for a busy machine; needs one "
        "thread",
    )
    parser.add_argument(
        "--visits",
        type=int,
        default=VISITS,
        help="measurements of each network; the fastest counts",
    )
    parser.add_argument("--quick", action="store_true", help="measure only a few networks")
    parser.add_argument("-o", "--output", default="reports/predict-cpu.md")
    given = parser.parse_args()
    if given.busy and given.threads != 1:
        parser.error("--busy needs --threads 1: it measures the processor time of one thread")
    work = Path(given.work)
    work.mkdir(parents=True, exist_ok=True)
    names = QUICK if given.quick else (*registry.names(), *CONVOLUTIONAL, *TRANSFORMERS)
    dtypes = tuple(given.dtype.split(","))
    found = [calibrated(work, dtype, given.threads, given.time) for dtype in dtypes]
    plan = Plan(budget=given.samples, warmup=2 * given.samples, least=5)
    for visit in range(given.visits):
        for name in names:
            for dtype in dtypes:
                for batch in BATCHES:
                    measured(work, name, dtype, batch, given.threads, plan, visit, given.busy)
    rows = {each.setting.dtype: [*gathered(work, names, each)] for each in found}
    since = Path(given.since) if given.since else None
    target = Path(given.output)
    write_text(target, page(found, rows, drift(work, since) if since else "", given.busy))
    write_text(
        target.with_suffix(".csv"), csv(networks([row for all in rows.values() for row in all]))
    )
    print(f"wrote {target} and {target.with_suffix('.csv')}")


def calibrated(work: Path, dtype: str, threads: int, seconds: float) -> Calibration:
    """The calibration of a dtype from ``work``, or a new one."""
    path = work / f"calibration-{dtype}-{threads}.json"
    if not path.exists():
        print(f"calibrating {dtype}", flush=True)
        archcalc.calibrate(dtype=dtype, threads=threads, seconds=seconds, output=str(path))
    return calibrations.load(path)


def measured(
    work: Path,
    name: str,
    dtype: str,
    batch: int,
    threads: int,
    plan: Plan,
    visit: int,
    busy: bool = False,
) -> None:
    """Measure a network and save the result. Does nothing if the result exists, or if the network
    cannot run in this setting."""
    path = file_of(work, name, dtype, batch, visit)
    if path.exists():
        return
    print(name, dtype, batch, flush=True)
    try:
        found = archcalc.bench(
            [name],
            device="cpu",
            threads=(threads,),
            dtypes=(dtype,),
            batches=(batch,),
            plan=plan,
            roofline=False,  # the calibration has its own ceilings
            **({"find": lambda name: Cpu(time.thread_time)} if busy else {}),
        )
    except ArchcalcError as error:
        print(f"skipped: {error}", flush=True)
        return
    write_text(path, json(bench_file.record(found)))


def file_of(work: Path, name: str, dtype: str, batch: int, visit: int) -> Path:
    plain = name.replace(":", "-").replace("/", "-")
    return work / f"{plain}-{dtype}-{batch}-{visit}.json"


def fastest(work: Path, name: str, dtype: str, batch: int) -> Latency | None:
    """The measurement with the lowest median."""
    files = [file_of(work, name, dtype, batch, visit) for visit in range(VISITS)]
    rows = [bench_file.load(file).latencies[0] for file in files if file.exists()]
    return min(rows, key=lambda row: row.median, default=None)


def gathered(work: Path, names: Sequence[str], calibration: Calibration) -> Iterator[Row]:
    """Every measured network with its prediction."""
    dtype = calibration.setting.dtype
    for name in names:
        for batch in BATCHES:
            latency = fastest(work, name, dtype, batch)
            if latency is None:
                continue
            graph = archcalc.graph(name, batch=batch).to(dtype)
            priced = graph.profile()
            bound = lower_bound(bounds(priced, calibration.ceilings))
            yield Row(graph, latency, predict(graph, calibration), bound, bytes_moved(priced))


def page(found: Sequence[Calibration], rows: dict[str, list[Row]], drifted: str, busy: bool) -> str:
    """The whole page."""
    parts = [
        "# Predicted and measured latency on a CPU",
        f"{escape(str(found[0].environment))}. `python benchmarks/predict.py` writes this page. No "
        "network on this page was timed for a calibration.",
        *([BUSY] if busy else []),
    ]
    for each in found:
        mine = rows[each.setting.dtype]
        parts += [
            f"## {each.setting}",
            calibration_text(each),
            *predictors_text(mine),
            coverage(mine),
            "### Largest errors",
            markdown([worst(mine)]),
            "### By family",
            markdown([families(mine)]),
        ]
    if drifted:
        parts += ["## Drift", drifted]
    parts += [
        "## Every network",
        markdown([networks([row for each in rows.values() for row in each])]),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def calibration_text(found: Calibration) -> str:
    busy = (
        ""
        if found.others is None
        else f" Meanwhile, other processes used {found.others:.2f} cores."
    )
    return (
        f"The calibration took {found.seconds:.0f} s: {found.calls:,} calls in "
        f"{found.network.networks} sampled networks. In cross-validation over these networks, the "
        f"median error is {100 * found.network.median_error:.1f} %.{busy}"
    )


def predictors_text(rows: Sequence[Row]) -> list[str]:
    table = predictors(rows)
    if not table.rows:
        return [f"Fewer than {FEWEST} networks: too few to compare predictors."]
    return [
        markdown([table]),
        "The constants of the scaled predictors are fitted to these networks, which favours "
        "them. The prediction has no such constant.",
    ]


def predictors(rows: Sequence[Row]) -> Table:
    """The errors of each predictor over all networks."""
    measured = [
        replace(beside(row.latency, row.prediction), bound=row.bound, bytes_moved=row.bytes_moved)
        for row in rows
    ]
    cells: list[tuple[Cell, ...]] = [
        (
            PREDICTORS[each.predictor] + " × constant" * each.scaled,
            each.models,
            each.median_error,
            each.within_10,
            each.within_20,
            each.spearman,
        )
        for each in agreements(measured)
    ]
    columns = (
        Column("predictor", "predictor"),
        Column("networks", "networks", "exact"),
        Column("median_error", "median error", "share"),
        Column("within_10", "within ±10 %", "share"),
        Column("within_20", "within ±20 %", "share"),
        Column("spearman", "Spearman's ρ", "number"),
    )
    return Table(columns, tuple(cells))


def coverage(rows: Sequence[Row]) -> str:
    """How many intervals contain the measured time, and how wide they are."""
    held = sum(row.holds for row in rows)
    below = sum(row.latency.median < row.prediction.low for row in rows)
    width = statistics.median(row.prediction.high / row.prediction.low for row in rows)
    return (
        f"The {100 * COVERAGE:.0f} % intervals contain {held} of {len(rows)} measured times "
        f"({100 * held / len(rows):.1f} %); {below} times are below and {len(rows) - held - below} "
        f"above. The upper end of an interval is {width:.2f} times its lower end (median)."
    )


def worst(rows: Sequence[Row], count: int = 10) -> Table:
    """The networks with the largest errors, and the operators that the calibration lacks."""
    columns = (
        Column("model", "model"),
        Column("batch", "batch", "exact"),
        Column("median_s", "measured", "seconds"),
        Column("predicted_s", "predicted", "seconds"),
        Column("error", "error", "share"),
        Column("lacks", "not calibrated"),
    )
    chosen = sorted(rows, key=lambda row: -abs(log(1 + row.error)))[:count]
    cells: list[tuple[Cell, ...]] = [
        (
            row.latency.spec,
            row.latency.setting.batch,
            row.latency.median,
            row.prediction.seconds,
            row.error,
            ", ".join(f"{lack.op} ({100 * lack.share:.0f} %)" for lack in row.prediction.lacks[:3]),
        )
        for row in chosen
    ]
    return Table(columns, tuple(cells))


def families(rows: Sequence[Row]) -> Table:
    """Errors of the registry, of convolutional networks and of transformers."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        spec = row.latency.spec
        family = "transformers" if spec in TRANSFORMERS else "convolutional networks of libraries"
        groups.setdefault(family if ":" in spec else "registry", []).append(row)
    columns = (
        Column("family", "family"),
        Column("networks", "networks", "exact"),
        Column("bias", "median signed error", "share"),
        Column("median_error", "median error", "share"),
        Column("within_20", "within ±20 %", "share"),
        Column("held", "inside interval", "share"),
    )
    cells: list[tuple[Cell, ...]] = [
        (
            family,
            len(mine),
            statistics.median(row.error for row in mine),
            statistics.median(abs(row.error) for row in mine),
            sum(abs(row.error) <= 0.2 for row in mine) / len(mine),
            sum(row.holds for row in mine) / len(mine),
        )
        for family, mine in groups.items()
    ]
    return Table(columns, tuple(cells))


def networks(rows: Sequence[Row]) -> Table:
    columns = (
        Column("model", "model"),
        Column("dtype", "dtype"),
        Column("batch", "batch", "exact"),
        Column("macs", "MACs", "count"),
        Column("median_s", "measured", "seconds"),
        Column("predicted_s", "predicted", "seconds"),
        Column("low_s", "5 %", "seconds"),
        Column("high_s", "95 %", "seconds"),
        Column("error", "error", "share"),
        Column("bound_s", "lower bound", "seconds"),
    )
    cells: list[tuple[Cell, ...]] = [
        (
            row.latency.spec,
            row.latency.setting.dtype,
            row.latency.setting.batch,
            row.latency.macs or row.latency.least_macs,
            row.latency.median,
            row.prediction.seconds,
            row.prediction.low,
            row.prediction.high,
            row.error,
            row.bound,
        )
        for row in rows
    ]
    return Table(columns, tuple(cells))


def drift(work: Path, since: Path) -> str:
    """How far the times of the same networks changed between two runs."""
    ratios = []
    for file in sorted(since.glob("*-0.json")):
        again = work / file.name
        if again.exists():
            before, after = (read(each).latencies[0].median for each in (file, again))
            ratios.append(after / before)
    if len(ratios) < 3:
        return "The two runs have too few networks in common."
    low, high = quantiles(ratios, 20)[0], quantiles(ratios, 20)[-1]
    return (
        f"For {len(ratios)} measurements that both runs have, the median ratio of times is "
        f"{statistics.median(ratios):.3f}, and 90 % of the ratios are between {low:.3f} and "
        f"{high:.3f}."
    )


def read(file: Path) -> Bench:
    return bench_file.load(file)


if __name__ == "__main__":
    main()
