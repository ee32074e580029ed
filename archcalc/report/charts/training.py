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
    """Accuracy after every epoch, one line per run, by label; None where a run's work is not known.

    It is that on the images held out or, dashed, on the training images where none are held out. A
    diamond at the end of a line is the accuracy on the test images.
    """
    alt = style.altair()
    rows: list[dict[str, Any]] = []
    tested: list[dict[str, Any]] = []
    for label, group in runs.items():
        for run in group:
            common = {"model": label, "run": f"{label} {run.seed}"}
            positions = _progress(run, against)
            for x, row in zip(positions, run.history, strict=False):
                held_out = row.validation_accuracy is not None
                value = row.validation_accuracy if held_out else row.train_accuracy
                images = _("validation") if held_out else _("training")
                rows.append({**common, "x": x, "images": images, **_percent(value)})
            if positions and run.result:
                end = {"x": positions[-1], "images": _("test")}
                tested.append({**common, **end, **_percent(run.result.accuracy)})
    if not rows:
        return None
    steps = {"tickMinStep": 1, "format": "d"} if against == "epoch" else {}
    encoding = {
        "x": alt.X("x:Q", title=_axis(against), axis=alt.Axis(grid=False, **steps)),
        "y": alt.Y(
            "y:Q",
            title=_("accuracy, %"),
            scale=alt.Scale(zero=False),
            axis=style.axis(alt, style.PLAIN),
        ),
        "color": style.model_colour(alt, list(runs)),
        "tooltip": [
            alt.Tooltip("model:N", title=_("model")),
            alt.Tooltip("x:Q", title=_axis(against)),
            alt.Tooltip("images:N", title=_("images")),
            alt.Tooltip("exact:N", title=_("accuracy")),
        ],
    }
    dashes = alt.Scale(domain=[_("validation"), _("training")], range=[[1, 0], [4, 3]])
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=22))
        .encode(
            **encoding,
            detail="run:N",
            strokeDash=alt.StrokeDash("images:N", scale=dashes, legend=None),
        )
    )
    ends = (
        alt.Chart(alt.Data(values=tested))
        .mark_point(shape="diamond", filled=True, size=90, opacity=1)
        .encode(**encoding)
    )
    return style.finished(alt.layer(lines, ends), 0, height=260)


def _percent(value: float | None) -> dict[str, Any]:
    return {} if value is None else {"y": 100 * value, "exact": f"{100 * value:.2f} %"}


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
