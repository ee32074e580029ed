"""What runs of training show: tables and curves. Records in, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape

from archcalc.analysis.compare import Comparison
from archcalc.analysis.runs import Accuracy, Epoch, Run, accuracies, winner
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table

INTERVALS = (
    "Intervals are 95 %: over several seeds of the mean, by Student's t; of a single run by "
    "Wilson's score, which knows only how many images it was tested on."
)
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


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


def curve(history: Sequence[Epoch]) -> str:
    """A run's learning curve as SVG: loss and accuracy over the epochs."""
    loss = {
        "training": [(row.epoch, row.train_loss) for row in history],
        "validation": [
            (row.epoch, row.validation_loss) for row in history if row.validation_loss is not None
        ],
    }
    accuracy = {
        "training": [(row.epoch, 100 * row.train_accuracy) for row in history],
        "validation": [
            (row.epoch, 100 * row.validation_accuracy)
            for row in history
            if row.validation_accuracy is not None
        ],
    }
    return panels({"loss": loss, "accuracy, %": accuracy})


def error_curves(runs: Sequence[Run], label: Callable[[Run], str]) -> str:
    """Error over the epochs of several runs in one picture, as NiN's Chart 3 shows dropout: while
    training, and on the images held out."""
    held_out = {}
    training = {}
    for run in runs:
        training[label(run)] = [(row.epoch, 100 * (1 - row.train_accuracy)) for row in run.history]
        held_out[label(run)] = [
            (row.epoch, 100 * (1 - row.validation_accuracy))
            for row in run.history
            if row.validation_accuracy is not None
        ]
    return panels({"training error, %": training, "validation error, %": held_out})


Line = Sequence[tuple[float, float]]


def panels(drawn: Mapping[str, Mapping[str, Line]], *, width: int = 360, height: int = 260) -> str:
    """Line charts side by side: by title, then by label, points of epoch and value."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(drawn)}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width * len(drawn)}" height="{height}" fill="white"/>',
    ]
    for position, (title, lines) in enumerate(drawn.items()):
        parts.append(f'<g transform="translate({position * width} 0)">')
        parts += _panel(title, {key: line for key, line in lines.items() if line}, width, height)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, lines: Mapping[str, Line], width: int, height: int) -> list[str]:
    left, right, top, bottom = 48, width - 12, 28, height - 40
    points = [point for line in lines.values() for point in line]
    if not points:
        return []
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    high = high if high > low else low + 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        return left + across * (right - left), bottom - (y - low) / (high - low) * (bottom - top)

    parts = [f'<text x="{left}" y="16" font-weight="bold">{escape(title)}</text>']
    for part in range(5):
        value = low + (high - low) * part / 4
        _, y = place(first, value)
        parts.append(
            f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>'
            f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    parts += [
        f'<text x="{place(x, low)[0]:.1f}" y="{bottom + 14}" text-anchor="middle">{x:g}</text>'
        for x in dict.fromkeys((first, round((first + last) / 2), last))
    ]
    for index, (label, line) in enumerate(lines.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        if len(line) == 1:  # one point draws no line
            x, y = place(*line[0])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>')
        parts.append(
            f'<text x="{left + index * (right - left) / len(lines):.0f}" y="{height - 8}" '
            f'fill="{colour}">{escape(label)}</text>'
        )
    return parts


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
