"""Progress: one live line on a terminal, and one line per epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archcalc.analysis.profiles import Follow
from archcalc.analysis.runs import Epoch, Evaluating, Result
from archcalc.report.escape import for_terminal

if TYPE_CHECKING:
    from archcalc.pytorch.train import Settings

BAR = 24


@contextmanager
def following(what: str = "") -> Iterator[Follow]:
    """Show a bar with the remaining time, if standard error is a terminal.

    The block receives a function to call with the number of finished steps, the number of all
    steps, and the name of the next one.
    """
    if not sys.stderr.isatty():
        yield lambda done, total, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (BarColumn(BAR), MofNCompleteColumn(), TimeLeft(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def follow(done: int, total: int, name: str) -> None:
            shown = for_terminal(name or what).replace("[", "\\[")
            progress.update(task, completed=done, total=total, description=shown)

        yield follow


@contextmanager
def following_runs(folder: Path, speaks: bool, several: bool) -> Iterator[Callable[..., None]]:
    """Yield a function to call with the settings and each event of the runs in ``folder``.

    With several runs, each line names its run. Of the processes that torchrun starts, only one
    ``speaks``. On an interruption, a message says what is kept.
    """
    try:
        yield (lambda settings, event: _tell(settings, event, several)) if speaks else _nothing
    except KeyboardInterrupt:
        if speaks:
            _say(
                f"\narchcalc: interrupted; {folder} has every finished epoch; continue with "
                "--resume\n"
            )
        raise


def _nothing(settings: Settings, event: Any) -> None:
    pass


def _tell(settings: Settings, event: Any, several: bool) -> None:
    live = sys.stderr.isatty() and not several
    if isinstance(event, Result):
        _say(
            f"{_clear(live)}{settings.folder}: test accuracy {100 * event.accuracy:.2f} % "
            f"({event.images:,} images, weights of epoch {event.epoch})\n"
        )
    elif isinstance(event, Epoch):
        which = f"{settings.folder}: " if several else ""
        _say(f"{_clear(live)}{which}{epoch_line(event, settings.recipe.epochs)}\n")
    elif live:
        line = evaluation_line(event) if isinstance(event, Evaluating) else step_line(event)
        _say(f"{_clear(live)}{line}")


def epoch_line(row: Epoch, epochs: int) -> str:
    """A finished epoch as one line."""
    text = (
        f"epoch {row.epoch}/{epochs}  lr {row.lr:.3g}  loss {row.train_loss:.4f}  "
        f"accuracy {100 * row.train_accuracy:.2f} %"
    )
    if row.validation_accuracy is not None:
        text += f"  validation {100 * row.validation_accuracy:.2f} %"
    left = _clock((epochs - row.epoch) * row.seconds)
    return f"{text}  {row.images_per_second:,.0f} images/s  left {left}"


def step_line(step: Any) -> str:
    """The progress of an epoch as one line: a bar, the loss so far, the remaining time of the
    run."""
    left = (step.of - step.images + (step.epochs - step.epoch) * step.of) / step.images_per_second
    return (
        f"epoch {step.epoch}/{step.epochs} {_bar(step.images / step.of)} "
        f"loss {step.loss:.4f}  {step.images_per_second:,.0f} images/s  left {_clock(left)}"
    )


def evaluation_line(step: Evaluating) -> str:
    return f"evaluation {_bar(step.images / step.of)} {step.images:,} of {step.of:,} images"


def _bar(part: float) -> str:
    filled = round(BAR * part)
    return f"[{'█' * filled}{'·' * (BAR - filled)}]"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _clear(live: bool) -> str:
    return "\r\x1b[K" if live else ""


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
