"""Measured times, ratios and rooflines: ``archcalc bench``, and a section of a report."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.latency import Bench, Latency, Layers, by_setting
from archcalc.analysis.roofline import Ceilings, story
from archcalc.analysis.speedup import speedup
from archcalc.io.bench_file import record
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.messages import Words
from archcalc.report.sections import cautions
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.context import Context
from archcalc.report.table import AtLeast, Cell, Column, Kind, Table
from archcalc.report.units import duration, plain

METHOD = (
    "Median, p10, p90 and IQR of every sample; warm-up until the running median is steady; models "
    "of one setting took turns."
)
CEILING = "Of ceiling: FLOP/s reached, over those of the best large matrix product measured here."
BOUND = (
    "A node's bound is the longest of its FLOPs at the ceiling, its bytes at the speed of a copy "
    "of that size, and one launch; × bound is how many times that it takes."
)
PREDICTED = (
    "Predicted: by this machine's calibration, with the interval from 5 to 95 %; the error is "
    "predicted over measured, minus 1."
)
TRAINING = (
    "A training step is forward, backward from gradients of ones in place of a loss, and the "
    "optimizer's step at learning rate 0, so that the weights stay."
)


def show(found: Bench, baseline: str = "") -> Document:
    """``archcalc bench``: a row per model and setting; then ratios, layers and the other timer."""
    tables = [times(found.latencies, detail=True)]
    tables += _ratios(found, baseline)
    tables += _others(found)
    tables += [_layers(row, row.layers) for row in found.latencies if row.layers is not None]
    return answer(tuple(tables), record(found), _notes(found))


def compared_notes(found: Comparison) -> tuple[str, ...]:
    """What the latencies in a comparison were measured on, and why they differ."""
    if found.bench is None:
        return ()
    measured = [row for row in map(found.latency, found.profiles) if row is not None]
    base = found.latency(found.baseline)
    stories = [_story(base, row) for row in measured if base is not None and row is not base]
    missing = [priced.spec for priced in found.profiles if found.latency(priced) is None]
    return (
        f"Time: {measured[0].setting}. {found.bench.environment}.",
        *stories,
        *([f"Not measured on this input: {', '.join(missing)}."] if missing else []),
        *cautions.sentences(measured, with_setting=False),
    )


def compared_record(found: Comparison) -> dict[str, Any]:
    return {} if found.bench is None else {"bench": record(found.bench)}


def times(latencies: Sequence[Latency], words: Words = ENGLISH, *, detail: bool = False) -> Table:
    """A row per model and setting, for commands and reports; ``detail`` adds the spread, the memory
    and the number of samples."""
    on_gpu = any(row.device_samples for row in latencies)
    memory = "column.peak_allocated" if on_gpu else "column.peak_resident"
    columns = [
        Column("model", words("column.model")),
        *varying(latencies, words),
        Column("median_s", words("column.median"), "seconds"),
        Column("p10_s", words("column.p10"), "seconds", 1),
        Column("p90_s", words("column.p90"), "seconds", 1),
        *[Column("iqr_s", words("column.iqr"), "seconds", 3)] * detail,
        *[Column("device_median_s", words("column.gpu_alone"), "seconds")] * on_gpu,
        Column("throughput_per_s", words("column.throughput"), "number", 2),
        Column("macs", words("column.macs"), "count", 2),
        Column("flops_per_s", words("column.achieved"), "giga", 2),
        Column("share_of_ceiling", words("column.of_ceiling"), "share", 2),
        Column("bound_s", words("column.bound"), "seconds", 3),
    ]
    predicted = any(row.predicted for row in latencies)
    if predicted:
        columns += [
            Column("predicted_s", words("column.predicted"), "seconds"),
            Column("predicted_low_s", words("column.predicted_low"), "seconds", 1),
            Column("predicted_high_s", words("column.predicted_high"), "seconds", 1),
            Column("error", words("column.error"), "share"),
        ]
    if detail:
        columns += [
            Column("peak_bytes", words(memory), "bytes", 3),
            Column("peak_growth_bytes", words("column.peak_growth"), "bytes", 4),
            Column("samples", words("column.samples"), "exact", 4),
        ]
    rows: list[tuple[Cell, ...]] = []
    for row in latencies:
        cells = [row.spec, *_varied(latencies, row), row.median, row.p10, row.p90]
        cells += [row.iqr] * detail
        cells += [row.device_median] * on_gpu
        cells += [row.throughput, _macs(row), row.flops_per_second]
        cells += [row.share_of_ceiling, row.bound]
        cells += [*(row.predicted or (None,) * 4)[:3], row.error] if predicted else []
        cells += [row.peak_bytes, row.peak_growth_bytes, len(row.samples)] if detail else []
        rows.append(tuple(cells))
    return Table(tuple(columns), tuple(rows), _common(latencies))


def _macs(row: Latency) -> int | None:
    return row.macs if row.least_macs is None else AtLeast(row.least_macs)


def _ratios(found: Bench, baseline: str) -> list[Table]:
    """In each setting, every model against one of them; nothing for a single model."""
    rows: list[tuple[Cell, ...]] = []
    for group in found.groups():
        base = next((row for row in group if row.spec == baseline), group[0])
        for row in group:
            if row is not base:
                fewer = base.macs / row.macs if base.macs and row.macs else None
                speed = speedup(base, row)
                rows.append(
                    (row.spec, *_varied(found.latencies, row), fewer, speed.value, str(speed))
                )
    if not rows:
        return []
    columns = (
        Column("model", "model"),
        *varying(found.latencies),
        Column("macs_ratio", "× fewer MACs", "ratio"),
        Column("speedup", "× faster", "ratio"),
        Column("interval", "which is"),
    )
    against = baseline or found.latencies[0].spec
    return [Table(columns, tuple(rows), f"Against {against}, in turns")]


def _others(found: Bench) -> list[Table]:
    rows: list[tuple[Cell, ...]] = []
    for row in found.latencies:
        if row.verified is not None:
            ours, theirs = map(statistics.median, row.verified)
            rows.append(
                (row.spec, *_varied(found.latencies, row), ours, theirs, row.verified.ratio)
            )
    if not rows:
        return []
    columns = (
        Column("model", "model"),
        *varying(found.latencies),
        Column("ours_s", "archcalc", "seconds"),
        Column("theirs_s", "torch.utils.benchmark", "seconds"),
        Column("ratio", "ratio of medians", "ratio"),
    )
    return [Table(columns, tuple(rows), "The same call by torch.utils.benchmark.Timer, in turns")]


def _layers(latency: Latency, layers: Layers) -> Table:
    predicted = any(row.predicted is not None for row in layers.times)
    columns = (
        Column("node", "node"),
        Column("op", "operator", priority=4),
        Column("seconds", "time", "seconds"),
        Column("share", "share", "share"),
        Column("macs", "MACs", "count"),
        Column("bytes", "bytes", "bytes", 2),
        Column("flops_per_s", "GFLOP/s", "giga"),
        Column("bytes_per_s", "GB/s", "giga", 3),
        Column("intensity", "FLOP/byte", "number", 3),
        Column("bound", "bound by"),
        Column("distance", "× bound", "ratio"),
        *([Column("predicted_s", "predicted", "seconds")] if predicted else []),
        *([Column("error", "error", "share")] if predicted else []),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            row.name,
            row.op,
            row.seconds,
            row.seconds / layers.total,
            row.macs,
            row.bytes,
            row.flops_per_second,
            row.bytes_per_second,
            row.intensity,
            row.label,
            row.distance,
            *([row.predicted, row.error] if predicted else []),
        )
        for row in layers.times
    ]
    # Of a network that is watched at its modules the nodes between them have no time to compare.
    whole = sum(row.predicted or 0.0 for row in layers.times) if predicted else None
    ends = [whole, whole / layers.total - 1] if whole is not None else []
    empty = (None,) * (len(columns) - 4 - len(ends))
    rows.append(("total", "", layers.total, 1.0, *empty, *ends))
    return Table(columns, tuple(rows), f"{latency.spec}, {latency.setting}: by node", total=True)


def _notes(found: Bench) -> tuple[str, ...]:
    notes = [f"{found.environment}."]
    notes += [describe_ceilings(Ceilings.read(each)) for each in found.ceilings]
    notes += [METHOD, CEILING] if found.ceilings else [METHOD]
    notes.append(_warmups(found))
    if found.environment.gpu:
        notes += _gpu(found)
    if any(row.setting.train for row in found.latencies):
        notes.append(TRAINING)
    if any(row.layers for row in found.latencies):
        notes.append(BOUND)
    if any(row.predicted for row in found.latencies):
        notes.append(PREDICTED)
    notes += [_lacking(found, row) for row in found.latencies]
    for row in found.latencies:
        if row.layers is not None:
            missing = f"; {row.layers.missing}" if row.layers.missing else ""
            notes.append(
                f"{_label(found, row)}: the nodes' times come from a pass of their own and add up "
                f"to {row.layers.overhead:.2f} times the whole call's{missing}."
            )
    for group in found.groups():
        if all(row.layers is not None for row in group):
            notes += [_story(group[0], row, _common_prefix(found, row)) for row in group[1:]]
    notes += cautions.sentences(found.latencies, with_setting=len(found.groups()) > 1)
    return tuple(note for note in notes if note)


def _lacking(found: Bench, row: Latency) -> str:
    if row.predicted is None or not row.predicted.lacks:
        return ""
    ops = ", ".join(dict.fromkeys(row.predicted.lacks))
    return f"{_label(found, row)}: the calibration lacks {ops}, or has them in other sizes alone."


def _warmups(found: Bench) -> str:
    seconds = [row.warmup.seconds for row in found.latencies]
    calls = [row.warmup.calls for row in found.latencies]
    unsteady = sum(not row.warmup.steady for row in found.latencies)
    return f"Warm-up: {_range(seconds, duration)}, {_range(calls, str)} calls; " + (
        f"{unsteady} of {len(calls)} not steady at its end." if unsteady else "steady then."
    )


def _gpu(found: Bench) -> list[str]:
    """What of the GPU is not in the table: torch's switches, and the clocks where NVML tells."""
    flags = ", ".join(f"{name} {value}" for name, value in found.environment.flags.items())
    clocks = [row.conditions.get("sm_clock_mhz") for row in found.latencies]
    seen = [clock for pair in clocks if pair for clock in pair]
    notes = [f"Flags: {flags}."]
    if seen:
        notes.append(f"GPU clock: {_range(seen, str)} MHz.")
    if any(row.device_samples for row in found.latencies):
        notes.append("Median and quantiles have the launches in them; GPU alone is without.")
    return notes


def _range(values: Sequence[Any], text: Callable[[Any], str]) -> str:
    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def _story(base: Latency, row: Latency, before: str = "") -> str:
    told = story(base, row)
    if told is None:
        return ""
    return f"{before}{row.spec} against {base.spec}: {told}."


def _common_prefix(found: Bench, row: Latency) -> str:
    return f"{row.setting}: " if len(found.groups()) > 1 else ""


def describe_ceilings(found: Ceilings) -> str:
    """The ceilings of one device in one dtype, in a sentence."""
    fastest = max(speed for _, speed in found.copies)
    threads = (
        "" if found.threads is None else f" with {found.threads} thread{'s' * (found.threads != 1)}"
    )
    return (
        f"Ceilings of {found.device} in {found.dtype}{threads}, measured: "
        f"{plain(found.flops / 1e9)} GFLOP/s; copies {plain(found.bandwidth / 1e9)} GB/s in main "
        f"memory, {plain(fastest / 1e9)} GB/s in cache; a call {duration(found.launch)}."
    )


SETTINGS: Mapping[str, Kind] = {"threads": "exact", "dtype": "text", "batch": "exact"}
"""What a run can have several of."""


def varying(latencies: Sequence[Latency], words: Words = ENGLISH) -> list[Column]:
    """The columns of the settings that differ; the others stand in the title."""
    return [
        Column(name, words(f"column.{name}"), kind)
        for name, kind in SETTINGS.items()
        if len({getattr(row.setting, name) for row in latencies}) > 1
    ]


def _varied(latencies: Sequence[Latency], row: Latency) -> list[Cell]:
    return [getattr(row.setting, column.key) for column in varying(latencies)]


def _label(found: Bench, row: Latency) -> str:
    return f"{row.spec} ({row.setting})" if len(found.groups()) > 1 else row.spec


def _common(latencies: Sequence[Latency]) -> str:
    """What all settings share, in words."""
    texts = [str(group[0].setting).split(", ") for group in by_setting(latencies)]
    return ", ".join(part for part in texts[0] if all(part in text for text in texts))


def of_report(context: Context) -> Iterator[Block]:
    """Times of each file of measurements, why they differ, and their charts."""
    for number, bench in enumerate(context.report.benches, start=1):
        found = context.report.measured(bench)
        yield Text(context.words("note.latency", environment=bench.environment))
        yield Tabular(times(found, context.words))
        groups = {str(rows[0].setting): rows for rows in by_setting(found)}
        for setting, rows in groups.items():
            yield from _reasons(context, setting, rows)
            yield from map(Text, cautions.sentences(rows, with_setting=False))
        if context.charts:
            yield from _latency_charts(context, bench, groups, number)


def _reasons(context: Context, setting: str, rows: Sequence[Latency]) -> Iterator[Block]:
    """Why fewer multiply-adds are, or are not, faster than the baseline's."""
    base = next(
        (row for row in rows if row.spec == context.report.comparison.baseline.spec), rows[0]
    )
    for row in rows:
        told = story(base, row) if row is not base else None
        if told is not None:
            yield Text(
                context.words(
                    "note.faster",
                    model=row.spec,
                    baseline=base.spec,
                    setting=setting,
                    told=told,
                )
            )


def _latency_charts(
    context: Context, bench: Bench, groups: dict[str, list[Latency]], number: int
) -> Iterator[Block]:
    from archcalc.report import charts

    for place, (setting, rows) in enumerate(groups.items(), start=1):
        points = [(row.spec, row.macs, row.median) for row in rows if row.macs]
        if len(points) > 1:
            front = context.front([(macs, seconds) for _, macs, seconds in points])
            caption = context.words("figure.latency", setting=setting) + front
            spec = charts.latency(points, context.words, context.units)
            yield Chart(f"latency-{number}-{place}", caption, spec, "models")
    for place, ceilings in enumerate(map(Ceilings.read, bench.ceilings), start=1):
        reached = [
            (row.spec, row.flops / row.bytes_moved, row.flops_per_second)
            for rows in groups.values()
            for row in rows
            if (row.setting.dtype, row.setting.threads) == (ceilings.dtype, ceilings.threads)
            and row.flops
            and row.bytes_moved
            and row.flops_per_second
        ]
        if reached:
            caption = context.words("figure.roofline", device=ceilings.device, dtype=ceilings.dtype)
            spec = charts.roofline(reached, ceilings.flops, ceilings.bandwidth, context.words)
            yield Chart(f"roofline-{number}-{place}", caption, spec, "models")
