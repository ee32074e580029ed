"""Accuracies of training runs: ``archcalc train`` and ``evaluate``, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from archcalc.analysis.compare import Comparison
from archcalc.analysis.latency import threads_text
from archcalc.analysis.runs import Accuracy, Run, accuracies, winner
from archcalc.language import _, listed, mark
from archcalc.lookup.inputs import describe_input
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table

if TYPE_CHECKING:
    from archcalc.report.gather import Trained

INTERVALS = mark(
    "Intervals are 95 %: over several seeds of the mean, by Student's t; of a single run by "
    "Wilson's score, which knows only how many images it was tested on."
)


def show(*runs: Run) -> Document:
    """``archcalc train``: a row per run, and a row per way of training."""
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
        Column("model", _("model")),
        Column("recipe", _("recipe")),
        Column("data", _("data")),
        Column("seed", _("seed"), "exact"),
        Column("epochs", _("epochs"), "exact"),
        Column("best_epoch", _("best"), "exact"),
        Column("validation_accuracy", _("validation"), "percent"),
        Column("test_accuracy", _("test"), "percent"),
        Column("seconds", _("training"), "clock"),
        Column("run", _("run")),
    )
    together = accuracies(runs)
    tables = [Table(columns, tuple(rows))]
    if any(one.runs > 1 for one in together) or len(together) > 1:
        tables.append(by_training(together, title=_("Measured accuracy")))
    return answer(
        tuple(tables),
        records.head(runs=[_record(run) for run in runs], accuracies=_records(together)),
        (*_choice(runs), *_conclusion(together)),
    )


def _choice(runs: Sequence[Run]) -> Iterator[str]:
    """How the tested epoch of these runs was chosen."""
    held_out = [run.recipe.validation > 0 for run in runs]
    if any(held_out):
        yield _("The best epoch is chosen by images held out of the training set.")
    if not all(held_out):
        yield _("No images are held out: the last epoch is tested.")


def evaluation(run: Run, score: tuple[float, float, int], data: str) -> Document:
    """``archcalc evaluate``: the accuracy now, beside the one in the run's record."""
    loss, accuracy, images = score
    written = run.result.accuracy if run.result and data == run.data else None
    columns = (
        Column("model", _("model")),
        Column("data", _("data")),
        Column("images", _("images"), "exact"),
        Column("loss", _("loss"), "exact"),
        Column("test_accuracy", _("test accuracy"), "percent"),
        Column("written", _("in the run"), "percent"),
    )
    row = (run.model, data, images, loss, accuracy, written)
    found = {"data": data, "images": images, "loss": loss, "accuracy": accuracy}
    return answer((Table(columns, (row,)),), records.head(run=_record(run), score=found))


def compared_notes(found: Comparison) -> tuple[str, ...]:
    """Notes on the accuracies in a comparison, and the models without any."""
    if found.accuracies is None:
        return ()
    trained = {one.model for one in found.accuracies}
    missing = [profile.spec for profile in found.profiles if profile.spec not in trained]
    lacking = (
        (_("No finished run of {models} was found.", models=listed(missing)),) if missing else ()
    )
    return (*_conclusion(found.accuracies), *lacking)


def compared_record(found: Comparison) -> dict[str, Any]:
    return {} if found.accuracies is None else {"accuracies": _records(found.accuracies)}


def by_training(found: Sequence[Accuracy], *, macs: Sequence[int] = (), title: str = "") -> Table:
    """A row per way of training, over its seeds. Columns that no row fills are left out."""
    columns = (
        Column("model", _("model")),
        Column("recipe", _("recipe")),
        Column("data", _("data")),
        Column("test_accuracy", _("test accuracy"), "percent"),
        Column("averaged", _("over views"), "percent"),
        Column("deviation", _("deviation"), "percent"),
        Column("interval", _("95 % interval")),
        Column("runs", _("seeds"), "exact"),
        Column("epochs", _("epochs"), "exact", 1),
        Column("seconds", _("training time"), "clock", 1),
        Column("flops", _("FLOPs spent"), "count", 2),
        Column("share", _("of matrix rate"), "share", 3),
        Column("input", _("trained at H×W×C"), "shape", 2),
        Column("macs", _("MACs"), "count", 2),
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
        return (_(INTERVALS),)
    best = winner(found)
    if len({one.data for one in found}) > 1:
        said = _("Accuracies on different data sets are not compared.")
    elif best is None:
        said = _("The intervals overlap: no winner.")
    else:
        said = _(
            "{model} ({recipe}) is the most accurate: its interval lies above.",
            model=best.model,
            recipe=best.recipe,
        )
    return (said, _(INTERVALS))


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
    """A row per way of training, then a verdict and charts per data set."""
    trained = context.report.trained
    if not trained:
        return
    yield Text(
        _(
            "Measured with archcalc train. The best epoch is selected on images held out of the "
            "training set, or is the last one where none are held out; the test images are used "
            "once. Intervals are 95 %: for several seeds, "
            "that of the mean by Student's t; for a single run, Wilson's score interval, which "
            "reflects only the number of test images. MACs are for the input and classes of the "
            "training."
        )
    )
    reached = [one.accuracy for one in trained]
    yield Tabular(by_training(reached, macs=[one.macs for one in trained]))
    sets: dict[str, list[Trained]] = {}
    for one in trained:
        sets.setdefault(one.accuracy.data, []).append(one)
    for data, found in sets.items():
        if len(found) > 1:
            yield Text(_verdict(context, data, found))
    if len(sets) > 1:
        yield Text(_("Accuracies on different data sets are not compared."))
    known = {one.model for one in reached}
    missing = [found.spec for found in context.report.profiles if found.spec not in known]
    if missing:
        yield Text(_("No finished run of {models}.", models=listed(missing)))
    for environment, where in _environments(trained).items():
        runs = listed(dict.fromkeys(where))
        yield Text(_("{runs} on {environment}.", runs=runs, environment=environment))
    if context.charts:
        for number, (data, found) in enumerate(sets.items(), start=1):
            yield from _accuracy_charts(context, data, found, number)


def _verdict(context: Context, data: str, trained: Sequence[Trained]) -> str:
    reached = [one.accuracy for one in trained]
    best = winner(reached)
    if best is None:
        return _("{data}: the intervals overlap, so no winner is named.", data=data)
    return _(
        "{data}: {label} is the most accurate; its interval lies above all others'.",
        data=data,
        label=_labels(trained)[reached.index(best)],
    )


def _accuracy_charts(
    context: Context, data: str, trained: Sequence[Trained], number: int
) -> Iterator[Block]:
    """Charts of one data set: a point per way of training, and the curve of each run."""
    from archcalc.report import charts

    labels = _labels(trained)
    points = [
        (label, macs, found.mean, found.low, found.high)
        for label, (_runs, found, macs) in zip(labels, trained, strict=True)
        if macs
    ]
    if len(points) > 1:
        joined = charts.pareto([(macs, -mean) for _label, macs, mean, _low, _high in points])
        caption = _("Measured test accuracy against MACs, {data}, with 95 % intervals", data=data)
        caption += (
            _("; the line joins those that no other beats in both") if len(joined) > 1 else ""
        )
        spec = charts.accuracy(points, context.units)
        yield Chart(f"accuracy-{number}", caption, spec, "models")
    lines = {label: one.runs for label, one in zip(labels, trained, strict=True)}
    captions = {
        "epoch": _("Accuracy epoch by epoch, {data}", data=data),
        "minutes": _("Accuracy against minutes of training, {data}", data=data),
        "pflop": _("Accuracy against PFLOP spent on training, {data}", data=data),
    }
    meaning = _(
        "; lines: on the images held out or, dashed, on the training images where none are held "
        "out; diamonds: on the test images"
    )
    for against, caption in captions.items():
        drawn = charts.curves(lines, against)
        if drawn is not None:
            name = f"curves-{number}" if against == "epoch" else f"curves-{against}-{number}"
            yield Chart(name, caption + meaning, drawn, "training")


def _labels(trained: Sequence[Trained]) -> list[str]:
    """The shortest names that distinguish these ways of training."""
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
    chosen: list[int] = []
    for place in range(len(parts[0])):
        if place and len({part[place] for part in parts}) == 1:
            continue  # says nothing
        chosen.append(place)
        labels = [", ".join(part[place] for place in chosen) for part in parts]
        if len(set(labels)) == len(labels):
            break
    return labels


def _environments(trained: Sequence[Trained]) -> dict[str, list[str]]:
    """The models that were trained on each machine, by its description."""
    found: dict[str, list[str]] = {}
    for one in trained:
        for run in one.runs:
            there = run.config.get("environment", {})
            parts = [
                there.get("gpu") or there.get("processor"),
                threads_text(there["threads"]) if there.get("threads") else None,
                run.config["precision"],
                f"torch {there['torch']}" if there.get("torch") else None,
            ]
            found.setdefault(", ".join(filter(None, parts)), []).append(run.model)
    return found
