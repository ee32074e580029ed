"""Charts of training: loss, accuracy and error over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from archcalc.analysis.runs import Epoch, Run
from archcalc.language import _
from archcalc.report.charts import style
from archcalc.report.document import Spec


def _axis(against: str) -> str:
    """The title of the axis that accuracy is drawn over."""
    titles = {"epoch": _("epoch"), "minutes": _("minutes of training"), "pflop": _("PFLOP spent")}
    return titles[against]


def curves(runs: Mapping[str, Sequence[Run]], against: str = "epoch") -> Spec | None:
    """Accuracy on the images held out after every epoch, one line per run, by label; None where no
    images were held out, or where a run's work is not known."""
    alt = style.altair()
    rows: list[dict[str, Any]] = [
        {
            "model": label,
            "run": f"{label} {run.seed}",
            "x": x,
            "y": 100 * row.validation_accuracy,
            "exact": f"{100 * row.validation_accuracy:.2f} %",
        }
        for label, group in runs.items()
        for run in group
        for x, row in zip(_progress(run, against), run.history, strict=False)
        if row.validation_accuracy is not None
    ]
    if not rows:
        return None
    steps = {"tickMinStep": 1, "format": "d"} if against == "epoch" else {}
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=22))
        .encode(
            x=alt.X("x:Q", title=_axis(against), axis=alt.Axis(grid=False, **steps)),
            y=alt.Y(
                "y:Q",
                title=_("validation accuracy, %"),
                scale=alt.Scale(zero=False),
                axis=style.axis(alt, style.PLAIN),
            ),
            detail="run:N",
            color=style.model_colour(alt, list(runs)),
            tooltip=[
                alt.Tooltip("model:N", title=_("model")),
                alt.Tooltip("x:Q", title=_axis(against)),
                alt.Tooltip("exact:N", title=_("validation accuracy")),
            ],
        )
    )
    return style.finished(chart, 0, height=260)


def _progress(run: Run, against: str) -> list[float]:
    """The position of each epoch on the axis; empty if an epoch's FLOPs are unknown."""
    if against == "epoch":
        return [row.epoch for row in run.history]
    if against == "minutes":
        return list(accumulate(row.seconds / 60 for row in run.history))
    if run.flops is None:
        return []
    return list(accumulate((row.flops or 0) / 1e15 for row in run.history))


def learning(history: Sequence[Epoch]) -> Spec:
    """A run's loss and accuracy after every epoch, on the training images and on those held out."""
    training, held_out = _("training"), _("validation")
    loss = {
        training: [(row.epoch, row.train_loss) for row in history],
        held_out: [
            (row.epoch, row.validation_loss) for row in history if row.validation_loss is not None
        ],
    }
    accuracy = {
        training: [(row.epoch, 100 * row.train_accuracy) for row in history],
        held_out: [
            (row.epoch, 100 * row.validation_accuracy)
            for row in history
            if row.validation_accuracy is not None
        ],
    }
    return _side_by_side({_("loss"): loss, _("accuracy, %"): accuracy})


def errors(runs: Sequence[Run], label: Callable[[Run], str]) -> Spec:
    """The errors of several runs after every epoch, as NiN's Figure 3 shows dropout: on the
    training images, and on those held out."""
    training = {
        label(run): [(row.epoch, 100 * (1 - row.train_accuracy)) for row in run.history]
        for run in runs
    }
    held_out = {
        label(run): [
            (row.epoch, 100 * (1 - row.validation_accuracy))
            for row in run.history
            if row.validation_accuracy is not None
        ]
        for run in runs
    }
    panels = {_("training error, %"): training, _("validation error, %"): held_out}
    return _side_by_side(panels)


Line = Sequence[tuple[int, float]]
"""A value for each epoch."""


def _side_by_side(panels: Mapping[str, Mapping[str, Line]]) -> Spec:
    """A line chart for each panel: by the title of its axis, then by the label of the line."""
    alt = style.altair()
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    colours = [style.OKABE_ITO[place % len(style.OKABE_ITO)] for place in range(len(labels))]
    charts = []
    for title, lines in panels.items():
        rows = [
            {"line": label, "epoch": epoch, "y": value}
            for label, line in lines.items()
            for epoch, value in line
        ]
        chart = (
            alt.Chart(alt.Data(values=rows))
            .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=22))
            .encode(
                x=alt.X(
                    "epoch:Q",
                    title=_("epoch"),
                    axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
                ),
                y=alt.Y(
                    "y:Q",
                    title=title,
                    scale=alt.Scale(zero=False),
                    axis=style.axis(alt, style.PLAIN),
                ),
                color=alt.Color(
                    "line:N",
                    title=None,
                    scale=alt.Scale(domain=labels, range=colours),
                    legend=alt.Legend(orient="bottom", labelLimit=180),
                ),
            )
        )
        charts.append(chart.properties(width=style.WIDTH // 2, height=220))
    return style.styled(alt.hconcat(*charts))
