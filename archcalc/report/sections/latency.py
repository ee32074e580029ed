"""Measured times, ratios and rooflines: ``archcalc bench``, and a section of a report."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.latency import Bench, Latency, Layers, by_setting, threads_text
from archcalc.analysis.predictors import agreements
from archcalc.analysis.roofline import Ceilings, story
from archcalc.analysis.speedup import speedup
from archcalc.io.bench_file import record
from archcalc.language import _, listed, mark, term
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.sections import cautions
from archcalc.report.sections.context import Context
from archcalc.report.table import AtLeast, Cell, Column, Kind, Table
from archcalc.report.units import duration, plain

METHOD = mark(
    "Median, p10, p90 and IQR of every sample; warm-up until the running median is steady; models "
    "of one setting took turns."
)
CEILING = mark(
    "Of ceiling: FLOP/s reached, over those of the best large matrix product measured here."
)
BOUND = mark(
    "A node's bound is the longest of its FLOPs at the ceiling, its bytes at the speed of a copy "
    "of that size, and one launch; × bound is how many times that it takes."
)
PREDICTED = mark(
    "Predicted: by this machine's calibration, with the interval from 5 to 95 %; the error is "
    "predicted over measured, minus 1."
)
SCALED = mark(
    "What predicts the time: Spearman's ρ compares orders; the error is abs(predictor / median - "
    "1), after multiplying each predictor but the prediction by the constant that fits these "
    "models best."
)
PREDICTORS: Mapping[str, str] = {
    "macs": mark("multiply-adds"),
    "bytes": mark("bytes moved"),
    "bound": mark("roofline's lower bound"),
    "prediction": mark("prediction"),
}
TRAINING = mark(
    "A training step is forward, backward from gradients of ones in place of a loss, and the "
    "optimizer's step at learning rate 0, so that the weights stay."
)


def show(found: Bench, baseline: str = "") -> Document:
    """``archcalc bench``: a row per model and setting; then ratios, layers and the other timer."""
    tables = [times(found.latencies, detail=True)]
    tables += _ratios(found, baseline)
    tables += _others(found)
    tables += predictors(found.latencies)
    tables += [_layers(row, row.layers) for row in found.latencies if row.layers is not None]
    return answer(tuple(tables), record(found), _notes(found))


def compared_notes(found: Comparison) -> tuple[str, ...]:
    """Notes on the latencies in a comparison: the machine, and why they differ."""
    if found.bench is None:
        return ()
    measured = [row for row in map(found.latency, found.profiles) if row is not None]
    base = found.latency(found.baseline)
    stories = [_story(base, row) for row in measured if base is not None and row is not base]
    missing = [priced.spec for priced in found.profiles if found.latency(priced) is None]
    return (
        _(
            "Time: {setting}. {environment}.",
            setting=measured[0].setting,
            environment=found.bench.environment,
        ),
        *stories,
        *([_("Not measured on this input: {models}.", models=listed(missing))] if missing else []),
        *cautions.sentences(measured, with_setting=False),
    )


def compared_record(found: Comparison) -> dict[str, Any]:
    return {} if found.bench is None else {"bench": record(found.bench)}


def times(latencies: Sequence[Latency], *, detail: bool = False) -> Table:
    """A row per model and setting, for commands and reports; ``detail`` adds the spread, the memory
    and the number of samples."""
    on_gpu = any(row.device_samples for row in latencies)
    memory = _("peak allocated") if on_gpu else _("peak resident")
    columns = [
        Column("model", _("model")),
        *varying(latencies),
        Column("median_s", _("median"), "seconds"),
        Column("p10_s", _("p10"), "seconds", 1),
        Column("p90_s", _("p90"), "seconds", 1),
        *[Column("iqr_s", _("IQR"), "seconds", 3)] * detail,
        *[Column("device_median_s", _("GPU alone"), "seconds")] * on_gpu,
        Column("throughput_per_s", _("items/s"), "number", 2),
        Column("macs", _("MACs"), "count", 2),
        Column("flops_per_s", _("GFLOP/s"), "giga", 2),
        Column("share_of_ceiling", _("of ceiling"), "share", 2),
        Column("bound_s", _("lower bound"), "seconds", 3),
    ]
    predicted = any(row.predicted for row in latencies)
    if predicted:
        columns += [
            Column("predicted_s", _("predicted"), "seconds"),
            Column("predicted_low_s", _("5 %"), "seconds", 1),
            Column("predicted_high_s", _("95 %"), "seconds", 1),
            Column("error", _("error"), "share"),
        ]
    if detail:
        columns += [
            Column("peak_bytes", memory, "bytes", 3),
            Column("peak_growth_bytes", _("of the call"), "bytes", 4),
            Column("samples", _("samples"), "exact", 4),
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
    """The speed-up of each model over the baseline, in each setting; empty for a single model."""
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
        Column("model", _("model")),
        *varying(found.latencies),
        Column("macs_ratio", _("× fewer MACs"), "ratio"),
        Column("speedup", _("× faster"), "ratio"),
        Column("interval", _("which is")),
    )
    against = baseline or found.latencies[0].spec
    return [Table(columns, tuple(rows), _("Against {model}, in turns", model=against))]


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
        Column("model", _("model")),
        *varying(found.latencies),
        Column("ours_s", "archcalc", "seconds"),
        Column("theirs_s", "torch.utils.benchmark", "seconds"),
        Column("ratio", _("ratio of medians"), "ratio"),
    )
    title = _("The same call by {timer}, in turns", timer="torch.utils.benchmark.Timer")
    return [Table(columns, tuple(rows), title)]


def predictors(latencies: Sequence[Latency]) -> list[Table]:
    """What predicts the time: a row per predictor and setting; empty for a few models."""
    rows: list[tuple[Cell, ...]] = []
    for group in by_setting(latencies):
        rows += [
            (
                _(PREDICTORS[each.predictor]),
                *_varied(latencies, group[0]),
                each.models,
                each.spearman,
                each.median_error,
                each.within_10,
                each.within_20,
                _(
                    "{model}: place {place}, in time {other}",
                    model=each.misplaced,
                    place=each.place,
                    other=each.place_in_time,
                ),
            )
            for each in agreements(group)
        ]
    if not rows:
        return []
    columns = (
        Column("predictor", _("predictor")),
        *varying(latencies),
        Column("models", _("models"), "exact", 2),
        Column("spearman", _("Spearman's ρ"), "number"),
        Column("median_error", _("median error"), "share"),
        Column("within_10", _("within ±10 %"), "share", 3),
        Column("within_20", _("within ±20 %"), "share", 1),
        Column("misplaced", _("most misplaced"), priority=4),
    )
    return [Table(columns, tuple(rows), _("What predicts the time"))]


def _layers(latency: Latency, layers: Layers) -> Table:
    predicted = any(row.predicted is not None for row in layers.times)
    columns = (
        Column("node", _("node")),
        Column("op", _("operator"), priority=4),
        Column("seconds", _("time"), "seconds"),
        Column("share", _("share"), "share"),
        Column("macs", _("MACs"), "count"),
        Column("bytes", _("bytes"), "bytes", 2),
        Column("flops_per_s", _("GFLOP/s"), "giga"),
        Column("bytes_per_s", _("GB/s"), "giga", 3),
        Column("intensity", _("FLOP/byte"), "number", 3),
        Column("bound", _("bound by")),
        Column("distance", _("× bound"), "ratio"),
        *([Column("predicted_s", _("predicted"), "seconds")] if predicted else []),
        *([Column("error", _("error"), "share")] if predicted else []),
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
            term(row.label),
            row.distance,
            *([row.predicted, row.error] if predicted else []),
        )
        for row in layers.times
    ]
    # A network that is timed by module has no times for the nodes between modules.
    whole = sum(row.predicted or 0.0 for row in layers.times) if predicted else None
    ends = [whole, whole / layers.total - 1] if whole is not None else []
    empty = (None,) * (len(columns) - 4 - len(ends))
    rows.append((term("total"), "", layers.total, 1.0, *empty, *ends))
    return Table(
        columns,
        tuple(rows),
        _("{model}, {setting}: by node", model=latency.spec, setting=latency.setting),
        total=True,
    )


def _notes(found: Bench) -> tuple[str, ...]:
    notes = [f"{found.environment}."]
    notes += [describe_ceilings(Ceilings.read(each)) for each in found.ceilings]
    notes += [_(METHOD), _(CEILING)] if found.ceilings else [_(METHOD)]
    notes.append(_warmups(found))
    if found.environment.gpu:
        notes += _gpu(found)
    if any(row.setting.train for row in found.latencies):
        notes.append(_(TRAINING))
    if any(row.layers for row in found.latencies):
        notes.append(_(BOUND))
    if any(row.predicted for row in found.latencies):
        notes.append(_(PREDICTED))
    if predictors(found.latencies):
        notes.append(_(SCALED))
    notes += [_lacking(found, row) for row in found.latencies]
    for row in found.latencies:
        if row.layers is not None:
            said = _(
                "{model}: the nodes' times come from a pass of their own and add up to "
                "{ratio:.2f} times the whole call's",
                model=_label(found, row),
                ratio=row.layers.overhead,
            )
            missing = filter(None, row.layers.missing.split("; "))
            notes.append(_("; ").join([said, *map(_, missing)]) + _("."))
    for group in found.groups():
        if all(row.layers is not None for row in group):
            notes += [_story(group[0], row, _common_prefix(found, row)) for row in group[1:]]
    notes += cautions.sentences(found.latencies, with_setting=len(found.groups()) > 1)
    return tuple(note for note in notes if note)


def _lacking(found: Bench, row: Latency) -> str:
    if row.predicted is None or not row.predicted.lacks:
        return ""
    return _(
        "{model}: the calibration lacks {ops}, or has them in other sizes alone.",
        model=_label(found, row),
        ops=listed(dict.fromkeys(row.predicted.lacks)),
    )


def _warmups(found: Bench) -> str:
    seconds = [row.warmup.seconds for row in found.latencies]
    calls = [row.warmup.calls for row in found.latencies]
    unsteady = sum(not row.warmup.steady for row in found.latencies)
    took = {"seconds": _range(seconds, duration), "calls": _range(calls, str)}
    if not unsteady:
        return _("Warm-up: {seconds}, {calls} calls; steady then.", **took)
    return _(
        "Warm-up: {seconds}, {calls} calls; {unsteady} of {all} not steady at its end.",
        **took,
        unsteady=unsteady,
        all=len(calls),
    )


def _gpu(found: Bench) -> list[str]:
    """torch's switches, and the GPU's clocks if NVML is available."""
    flags = ", ".join(f"{name} {value}" for name, value in found.environment.flags.items())
    clocks = [row.conditions.get("sm_clock_mhz") for row in found.latencies]
    seen = [clock for pair in clocks if pair for clock in pair]
    notes = [_("Flags: {flags}.", flags=flags)]
    if seen:
        notes.append(_("GPU clock: {range} MHz.", range=_range(seen, str)))
    if any(row.device_samples for row in found.latencies):
        notes.append(_("Median and quantiles have the launches in them; GPU alone is without."))
    return notes


def _range(values: Sequence[Any], text: Callable[[Any], str]) -> str:
    low, high = text(min(values)), text(max(values))
    return low if low == high else _("{low} to {high}", low=low, high=high)


def _story(base: Latency, row: Latency, before: str = "") -> str:
    told = story(base, row)
    if told is None:
        return ""
    said = _("{model} against {baseline}: {told}.", model=row.spec, baseline=base.spec, told=told)
    return f"{before}{said}"


def _common_prefix(found: Bench, row: Latency) -> str:
    return f"{row.setting}: " if len(found.groups()) > 1 else ""


def describe_ceilings(found: Ceilings) -> str:
    """The ceilings of one device in one dtype, in a sentence."""
    fastest = max(speed for _size, speed in found.copies)
    setting = found.dtype
    if found.threads is not None:
        setting = f"{found.dtype}, {threads_text(found.threads)}"
    return _(
        "Ceilings of {device} ({setting}), measured: {arithmetic} GFLOP/s; copies {memory} GB/s "
        "in main memory, {cache} GB/s in cache; a call {launch}.",
        device=found.device,
        setting=setting,
        arithmetic=plain(found.flops / 1e9),
        memory=plain(found.bandwidth / 1e9),
        cache=plain(fastest / 1e9),
        launch=duration(found.launch),
    )


SETTINGS: Mapping[str, tuple[str, Kind]] = {
    "threads": (mark("threads"), "exact"),
    "dtype": (mark("dtype"), "text"),
    "batch": (mark("batch"), "exact"),
}
"""Settings that can differ within a run: the heading and the kind of each column."""


def varying(latencies: Sequence[Latency]) -> list[Column]:
    """The columns of the settings that differ; the others stand in the title."""
    return [
        Column(name, _(heading), kind)
        for name, (heading, kind) in SETTINGS.items()
        if len({getattr(row.setting, name) for row in latencies}) > 1
    ]


def _varied(latencies: Sequence[Latency], row: Latency) -> list[Cell]:
    return [getattr(row.setting, column.key) for column in varying(latencies)]


def _label(found: Bench, row: Latency) -> str:
    return f"{row.spec} ({row.setting})" if len(found.groups()) > 1 else row.spec


def _common(latencies: Sequence[Latency]) -> str:
    """The parts that all settings share."""
    texts = [str(group[0].setting).split(", ") for group in by_setting(latencies)]
    return ", ".join(part for part in texts[0] if all(part in text for text in texts))


def of_report(context: Context) -> Iterator[Block]:
    """Times of each file of measurements, why they differ, and their charts."""
    for number, bench in enumerate(context.report.benches, start=1):
        found = context.report.measured(bench)
        yield Text(
            _("Measured with archcalc bench on {environment}.", environment=bench.environment)
        )
        yield Tabular(times(found))
        groups = {str(rows[0].setting): rows for rows in by_setting(found)}
        for setting, rows in groups.items():
            yield from _reasons(context, setting, rows)
            yield from map(Text, cautions.sentences(rows, with_setting=False))
        for table in predictors(found):
            yield Tabular(table)
            yield Text(_(SCALED))
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
                _(
                    "{model} beside {baseline}, {setting}: {told}.",
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
            front = context.front([(macs, seconds) for _model, macs, seconds in points])
            caption = _("Measured latency against MACs, {setting}", setting=setting) + front
            spec = charts.latency(points, context.units)
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
            caption = _(
                "Roofline of {device}, {dtype}: what each model reached under the measured "
                "ceilings",
                device=ceilings.device,
                dtype=ceilings.dtype,
            )
            spec = charts.roofline(reached, ceilings.flops, ceilings.bandwidth)
            yield Chart(f"roofline-{number}-{place}", caption, spec, "models")
