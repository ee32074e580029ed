"""The tables that runs of training show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archcalc.analysis.compare import Comparison
from archcalc.analysis.runs import Accuracy, Run, accuracies, winner
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table

INTERVALS = (
    "Intervals are 95 %: over several seeds of the mean, by Student's t; of a single run by "
    "Wilson's score, which knows only how many images it was tested on."
)


def trained(runs: Sequence[Run]) -> Document:
    """``archcalc train``: a run a row, and what they say together."""
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
    tables = [Table(columns, tuple(rows))]
    together = accuracies(runs)
    if any(one.runs > 1 for one in together) or len(together) > 1:
        tables.append(_accuracy_table(together))
    return answer(
        tuple(tables),
        records.head(runs=[_record(run) for run in runs], accuracies=_records(together)),
        ("The best epoch is chosen by images held out of the training set.", *_verdict(together)),
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


def with_accuracy(report: Document, found: Comparison, runs: Sequence[Run]) -> Document:
    """``archcalc compare --runs``: the comparison with the accuracies that were measured."""
    specs = {profile.spec for profile in found.profiles}
    measured = [one for one in accuracies(runs) if one.model in specs]
    first = report.tables[0]
    alone = {
        spec: [one for one in measured if one.model == spec] for spec in specs
    }  # a model trained in two ways has no one accuracy
    cells = [
        alone[profile.spec][0].mean if len(alone[profile.spec]) == 1 else None
        for profile in found.profiles
    ]
    tables = [
        replace(
            first,
            columns=(*first.columns, Column("test_accuracy", "test acc.", "percent")),
            rows=tuple((*row, cell) for row, cell in zip(first.rows, cells, strict=True)),
        )
    ]
    if measured:
        tables.append(_accuracy_table(measured))
    missing = [profile.spec for profile in found.profiles if not alone[profile.spec]]
    notes = list(_verdict(measured))
    if missing:
        notes.append(f"No finished run of {', '.join(missing)} was found.")
    return answer(
        (*tables, *report.tables[1:]),
        {**report.data, "accuracies": _records(measured)},
        (*report.notes, *notes),
    )


def _accuracy_table(found: Sequence[Accuracy]) -> Table:
    columns = (
        Column("model", "model"),
        Column("recipe", "recipe"),
        Column("data", "data"),
        Column("runs", "runs", "exact"),
        Column("test_accuracy", "test accuracy", "percent"),
        Column("deviation", "± deviation", "percent"),
        Column("interval", "95 % interval"),
        Column("epochs", "epochs", "exact"),
        Column("seconds", "training", "clock"),
    )
    rows = tuple(
        (
            one.model,
            one.recipe,
            one.data,
            one.runs,
            one.mean,
            one.deviation,
            one.interval,
            one.epochs,
            one.seconds,
        )
        for one in found
    )
    return Table(columns, rows, "Measured accuracy")


def _verdict(found: Sequence[Accuracy]) -> tuple[str, ...]:
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
