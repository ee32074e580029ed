"""Search a space that is too large to enumerate, with optuna's NSGA-II."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archcalc.errors import UsageError, needs
from archcalc.symbolic.sweep.keep import Objective
from archcalc.symbolic.sweep.space import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Look = Callable[[Sequence["NDArray[np.int64]"]], tuple[bool, bool, Mapping[str, float]]]
"""(a candidate's positions) -> whether it is valid, whether it meets the condition, its figures."""


def search(
    space: Space,
    look: Look,
    objectives: Sequence[Objective],
    *,
    trials: int,
    seed: int = 0,
    study: str = "",
) -> None:
    """Call ``look`` with ``trials`` candidates that optuna proposes.

    An invalid candidate, or one that does not meet the condition, violates a constraint. ``study``
    is an SQLite file from which the search continues; ``look`` also gets its earlier candidates.
    Raises MissingExtraError if optuna is not installed, and UsageError for a study of another space
    or of other objectives.
    """
    with needs("sweep", "--search optuna"):
        import optuna
    import numpy as np

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{study}" if study else None
    directions: Any = ["minimize" if each.direction == "min" else "maximize" for each in objectives]
    try:
        made = optuna.create_study(
            study_name="archcalc",
            storage=storage,
            directions=directions,
            load_if_exists=True,
        )
    except Exception as error:  # errors of SQLAlchemy and optuna for a file that is not a study
        raise UsageError(f"{study} is not a study that optuna can open: {error}") from error
    if len(made.directions) != len(objectives):
        raise UsageError(f"{study} has {len(made.directions)} objectives, not {len(objectives)}")
    earlier = [trial.params for trial in made.trials if trial.state.is_finished()]
    for params in earlier:
        look([np.array([position]) for position in _positions(space, params, study)])
    made.sampler = optuna.samplers.NSGAIISampler(seed=seed + len(earlier))
    for _ in range(trials):
        trial = made.ask()
        at = [trial.suggest_int(axis.name, 0, len(axis.values) - 1) for axis in space.axes]
        exists, kept, figures = look([np.array([position]) for position in at])
        trial.set_constraint("where", 0.0 if exists and kept else 1.0)
        if exists:
            made.tell(trial, [float(figures[each.figure]) for each in objectives])
        else:
            made.tell(trial, state=optuna.trial.TrialState.FAIL)


def _positions(space: Space, params: Mapping[str, Any], study: str) -> list[int]:
    """The positions of an earlier candidate on the axes. Raises UsageError for other axes."""
    sizes = {axis.name: len(axis.values) for axis in space.axes}
    if params.keys() != sizes.keys() or any(params[name] >= sizes[name] for name in sizes):
        raise UsageError(f"{study} has a search over other axes: {', '.join(params)}")
    return [params[name] for name in sizes]
