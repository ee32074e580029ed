"""Charts of training: accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archcalc.analysis.runs import Run
from archcalc.report.charts import style
from archcalc.report.document import Spec
from archcalc.report.messages import Words


def curves(runs: Mapping[str, Sequence[Run]], words: Words) -> Spec | None:
    """Accuracy on the images held out after every epoch, a line a run, by label; None where no
    images were held out."""
    alt = style.altair()
    rows: list[dict[str, Any]] = [
        {
            "model": label,
            "run": f"{label} {run.seed}",
            "epoch": row.epoch,
            "y": 100 * row.validation_accuracy,
            "exact": f"{100 * row.validation_accuracy:.2f} %",
        }
        for label, group in runs.items()
        for run in group
        for row in run.history
        if row.validation_accuracy is not None
    ]
    if not rows:
        return None
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=22))
        .encode(
            x=alt.X(
                "epoch:Q",
                title=words("axis.epoch"),
                axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
            ),
            y=alt.Y(
                "y:Q",
                title=words("axis.validation"),
                scale=alt.Scale(zero=False),
                axis=style.axis(alt, style.PLAIN),
            ),
            detail="run:N",
            color=style.model_colour(alt, list(runs), words),
            tooltip=[
                alt.Tooltip("model:N", title=words("legend.model")),
                alt.Tooltip("epoch:Q", title=words("column.epoch")),
                alt.Tooltip("exact:N", title=words("column.validation")),
            ],
        )
    )
    return style.finished(chart, 0, height=260)
