"""What training runs reached: ``archcalc train`` and ``evaluate``, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.runs import Accuracy, Run, accuracies, winner
from archcalc.lookup.inputs import describe_input
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table

if TYPE_CHECKING:
    from archcalc.report.gather import Trained

INTERVALS = (
    "Intervals are 95 %: over several seeds of the mean, by Student's t; of a single run by "
    "Wilson's score, which knows only how many images it was tested on."
)
CURVES = {
    "epoch": "figure.curves_epoch",
    "minutes": "figure.curves_minutes",
    "pflop": "figure.curves_pflop",
}
"""What the accuracies of epochs are drawn against, and the caption."""


def show(*runs: Run) -> Document:
    """``archcalc train``: a row per run, and what they say together."""
    rows: list[tuple[Cell, ...]] = []
    for run in runs:
        best = run.best
        rows.append(
            (
                run.model,
                run.recipe_name,
                run.data,
                run.seed,
                len(run.history),
                best.epoch if best else None,
                best.validation_accuracy if best else None,
                run.result.accuracy if run.result else None,
                sum(row.seconds for row in run.history),
                str(run.folder),
            )
        )
    columns = (
        Column("model", "model"),
        Column("recipe", "recipe"),
        Column("data", "data"),
        Column("seed", "seed", "exact"),
        Column("epochs", "epochs", "exact"),
        Column("best_epoch", "best", "exact"),
        Column("validation_accuracy", "validation", "percent"),
        Column("test_accuracy", "test", "percent"),
        Column("seconds", "training", "clock"),
        Column("run", "run"),
    )
    together = accuracies(runs)
    tables = [Table(columns, tuple(rows))]
    if any(one.runs > 1 for one in together) or len(together) > 1:
        tables.append(by_training(together, title="Measured accuracy"))
    return answer(
        tuple(tables),
        records.head(runs=[_record(run) for run in runs], accuracies=_records(together)),
        (
            "The best epoch is chosen by images held out of the training set.",
            *_conclusion(together),
        ),
    )


def evaluation(run: Run, score: tuple[float, float, int], data: str) -> Document:
    """``archcalc evaluate``: the accuracy now, beside what the run wrote down."""
    loss, accuracy, images = score
    written = run.result.accuracy if run.result and data == run.data else None
    columns = (
        Column("model", "model"),
        Column("data", "data"),
        Column("images", "images", "exact"),
        Column("loss", "loss", "exact"),
        Column("test_accuracy", "test accuracy", "percent"),
        Column("written", "in the run", "percent"),
    )
    row = (run.model, data, images, loss, accuracy, written)
    found = {"data": data, "images": images, "loss": loss, "accuracy": accuracy}
    return answer((Table(columns, (row,)),), records.head(run=_record(run), score=found))


def compared_notes(found: Comparison) -> tuple[str, ...]:
    """What the accuracies in a comparison say together, and which models have none."""
    if found.accuracies is None:
        return ()
    trained = {one.model for one in found.accuracies}
    missing = [profile.spec for profile in found.profiles if profile.spec not in trained]
    lacking = (f"No finished run of {', '.join(missing)} was found.",) if missing else ()
    return (*_conclusion(found.accuracies), *lacking)


def compared_record(found: Comparison) -> dict[str, Any]:
    return {} if found.accuracies is None else {"accuracies": _records(found.accuracies)}


def by_training(
    found: Sequence[Accuracy], words: Words = ENGLISH, *, macs: Sequence[int] = (), title: str = ""
) -> Table:
    """A row per way of training, over its seeds. Columns that no row fills are left out."""
    columns = (
        Column("model", words("column.model")),
        Column("recipe", words("column.recipe")),
        Column("data", words("column.data")),
        Column("test_accuracy", words("column.test_accuracy"), "percent"),
        Column("averaged", words("column.averaged"), "percent"),
        Column("deviation", words("column.deviation"), "percent"),
        Column("interval", words("column.interval")),
        Column("runs", words("column.runs"), "exact"),
        Column("epochs", words("column.epochs"), "exact", 1),
        Column("seconds", words("column.training"), "clock", 1),
        Column("flops", words("column.spent"), "count", 2),
        Column("share", words("column.of_matrix_rate"), "share", 3),
        Column("input", words("column.trained_at"), "shape", 2),
        Column("macs", words("column.macs"), "count", 2),
    )
    rows = [
        (
            one.model,
            one.recipe,
            one.data,
            one.mean,
            one.averaged,
            one.deviation,
            one.interval,
            one.runs,
            one.epochs,
            one.seconds,
            one.flops and round(one.flops),
            one.share,
            (1, *one.input),
            work,
        )
        for one, work in zip_longest(found, macs)
    ]
    return Table(columns, tuple(rows), title).without_empty()


def _conclusion(found: Sequence[Accuracy]) -> tuple[str, ...]:
    if not found:
        return ()
    if len(found) == 1:
        return (INTERVALS,)
    best = winner(found)
    if len({one.data for one in found}) > 1:
        said = "Accuracies on different data sets are not compared."
    elif best is None:
        said = "The intervals overlap: no winner."
    else:
        said = f"{best.model} ({best.recipe}) is the most accurate: its interval lies above."
    return (said, INTERVALS)


def _record(run: Run) -> dict[str, Cell]:
    return {
        "folder": str(run.folder),
        **run.config,
        "history": [row._asdict() for row in run.history],
        "result": run.result._asdict() if run.result else None,
    }


def _records(found: Sequence[Accuracy]) -> list[dict[str, Cell]]:
    return [one._asdict() for one in found]


def of_report(context: Context) -> Iterator[Block]:
    """What runs reached: a row a way of training, a verdict and charts a data set."""
    trained = context.report.trained
    if not trained:
        return
    yield Text(context.words("note.accuracy"))
    reached = [one.accuracy for one in trained]
    yield Tabular(by_training(reached, context.words, macs=[one.macs for one in trained]))
    sets: dict[str, list[Trained]] = {}
    for one in trained:
        sets.setdefault(one.accuracy.data, []).append(one)
    for data, found in sets.items():
        if len(found) > 1:
            yield Text(_verdict(context, data, found))
    if len(sets) > 1:
        yield Text(context.words("note.data_apart"))
    known = {one.model for one in reached}
    missing = [found.spec for found in context.report.profiles if found.spec not in known]
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
    for against, described in CURVES.items():
        drawn = charts.curves(lines, context.words, against)
        if drawn is not None:
            name = f"curves-{number}" if against == "epoch" else f"curves-{against}-{number}"
            caption = context.words(described, data=data)
            yield Chart(name, caption, drawn, "training")


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
