"""What was measured: latency and accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archcalc.analysis.latency import Bench, Latency
from archcalc.analysis.roofline import Ceilings
from archcalc.analysis.roofline import story as why_so_fast
from archcalc.analysis.runs import winner
from archcalc.lookup.inputs import describe_input
from archcalc.report.document import Block, Chart, Tabular, Text
from archcalc.report.sections.context import Context
from archcalc.report.story import Trained
from archcalc.report.table import Kind, Table


def latency(context: Context) -> Iterator[Block]:
    """Times of each file of measurements, why they differ, and their charts."""
    for number, bench in enumerate(context.told.benches, start=1):
        found = context.told.measured(bench)
        yield Text(context.words("note.latency", environment=bench.environment))
        yield Tabular(_times(context, found))
        groups: dict[str, list[Latency]] = {}
        for row in found:
            groups.setdefault(str(row.setting), []).append(row)
        for setting, rows in groups.items():
            yield from _reasons(context, setting, rows)
            yield from (Text(f"{row.spec}: {warning}") for row in rows for warning in row.warnings)
        if context.charts:
            yield from _latency_charts(context, bench, groups, number)


def accuracy(context: Context) -> Iterator[Block]:
    """What runs reached: a row a way of training, a verdict and charts a data set."""
    trained = context.told.trained
    if not trained:
        return
    yield Text(context.words("note.accuracy"))
    yield Tabular(_accuracies(context, trained))
    sets: dict[str, list[Trained]] = {}
    for one in trained:
        sets.setdefault(one.accuracy.data, []).append(one)
    for data, found in sets.items():
        if len(found) > 1:
            yield Text(_verdict(context, data, found))
    if len(sets) > 1:
        yield Text(context.words("note.data_apart"))
    reached = {one.accuracy.model for one in trained}
    missing = [found.spec for found in context.told.profiles if found.spec not in reached]
    if missing:
        yield Text(
            context.words("note.untrained", models=context.words("title.comma").join(missing))
        )
    for environment, where in _environments(trained).items():
        listed = context.words("title.comma").join(dict.fromkeys(where))
        yield Text(context.words("note.trained_on", runs=listed, environment=environment))
    if context.charts:
        for number, (data, found) in enumerate(sets.items(), start=1):
            yield from _accuracy_charts(context, data, found, number)


def _accuracies(context: Context, trained: Sequence[Trained]) -> Table:
    several = any(one.accuracy.deviation is not None for one in trained)
    spread: list[tuple[str, Kind]] = [("deviation", "percent")] if several else []
    columns = context.columns(
        ("model", "text"),
        ("recipe", "text"),
        ("data", "text"),
        ("test_accuracy", "percent"),
        *spread,
        ("interval", "text"),
        ("runs", "exact"),
        ("epochs", "exact"),
        ("training", "clock"),
        ("trained_at", "shape"),
        ("macs", "count"),
    )
    rows = tuple(
        (
            found.model,
            found.recipe,
            found.data,
            found.mean,
            *([found.deviation] if several else []),
            found.interval,
            found.runs,
            found.epochs,
            found.seconds,
            (1, *found.input),
            macs,
        )
        for _, found, macs in trained
    )
    return Table(columns, rows)


def _verdict(context: Context, data: str, trained: Sequence[Trained]) -> str:
    reached = [one.accuracy for one in trained]
    best = winner(reached)
    if best is None:
        return context.words("note.overlap", data=data)
    return context.words("note.winner", data=data, label=_labels(trained)[reached.index(best)])


def _accuracy_charts(
    context: Context, data: str, trained: Sequence[Trained], number: int
) -> Iterator[Block]:
    """Of one data set; points where there are two, and every run's curve."""
    from archcalc.report import charts

    labels = _labels(trained)
    points = [
        (label, macs, found.mean, found.low, found.high)
        for label, (_, found, macs) in zip(labels, trained, strict=True)
        if macs
    ]
    if len(points) > 1:
        joined = charts.pareto([(macs, -mean) for _, macs, mean, _, _ in points])
        caption = context.words("figure.accuracy", data=data)
        caption += context.words("figure.better") if len(joined) > 1 else ""
        spec = charts.accuracy(points, context.words, context.units)
        yield Chart(f"accuracy-{number}", caption, spec, "models")
    lines = {label: one.runs for label, one in zip(labels, trained, strict=True)}
    drawn = charts.curves(lines, context.words)
    if drawn is not None:
        yield Chart(
            f"curves-{number}", context.words("figure.curves", data=data), drawn, "training"
        )


def _labels(trained: Sequence[Trained]) -> list[str]:
    """The shortest names that tell these ways of training apart."""
    parts = [
        (
            one.accuracy.model,
            one.accuracy.recipe,
            describe_input((1, *one.accuracy.input)),
            str(one.runs[0].config["precision"]),
            one.runs[0].folder.name,
        )
        for one in trained
    ]
    for length in range(1, len(parts[0])):
        labels = [", ".join(part[:length]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [", ".join(part) for part in parts]


def _environments(trained: Sequence[Trained]) -> dict[str, list[str]]:
    """Where the runs ran: by a line on the machine, the models."""
    found: dict[str, list[str]] = {}
    for one in trained:
        for run in one.runs:
            there = run.config.get("environment", {})
            parts = [
                there.get("gpu") or there.get("processor"),
                f"{there['threads']} threads" if there.get("threads") else None,
                run.config["precision"],
                f"torch {there['torch']}" if there.get("torch") else None,
            ]
            found.setdefault(", ".join(filter(None, parts)), []).append(run.model)
    return found


def _times(context: Context, found: Sequence[Latency]) -> Table:
    columns = context.columns(
        ("model", "text"),
        ("setting", "prose"),
        ("median", "seconds"),
        ("p10", "seconds"),
        ("p90", "seconds"),
        ("throughput", "number"),
        ("macs", "count"),
        ("achieved", "giga"),
        ("of_ceiling", "share"),
        ("bound", "seconds"),
    )
    rows = tuple(
        (
            row.spec,
            str(row.setting),
            row.median,
            row.p10,
            row.p90,
            row.throughput,
            row.macs,
            row.flops_per_second,
            row.share_of_ceiling,
            row.bound,
        )
        for row in found
    )
    return Table(columns, rows)


def _reasons(context: Context, setting: str, rows: Sequence[Latency]) -> Iterator[Block]:
    """Why fewer multiply-adds are, or are not, faster than the baseline's."""
    base = next((row for row in rows if row.spec == context.told.comparison.baseline.spec), rows[0])
    for row in rows:
        told = why_so_fast(base, row) if row is not base else None
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
