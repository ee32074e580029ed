"""Sweeps: count and filter many candidates of one network; keep the front, the best and a sample.

    archcalc.sweep("inception-reduced", over={"c5_reduce": range(4, 65, 4)}, where="macs <= 100e6")

Candidates are processed in chunks, and the kept ones (:mod:`~archcalc.symbolic.sweep.keep`) are
bounded in number, so memory does not grow with the number of candidates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archcalc.analysis.record import Record
from archcalc.errors import UsageError
from archcalc.lookup.registry import Architecture
from archcalc.lookup.resolve import find_declared
from archcalc.lookup.spec import ModelSpec
from archcalc.symbolic.figures import FIGURES
from archcalc.symbolic.sweep.count import ByFormula, Counter, OneByOne, Traced
from archcalc.symbolic.sweep.jobs import Jobs
from archcalc.symbolic.sweep.keep import (
    Best,
    Front,
    Objective,
    Rows,
    Sample,
    parse_objectives,
    row_values,
)
from archcalc.symbolic.sweep.rows import RowFile
from archcalc.symbolic.sweep.search import search
from archcalc.symbolic.sweep.space import CHUNK, Axis, Space, parse_space
from archcalc.symbolic.sweep.where import Condition, parse_condition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN = ("params", "macs")
"""Figures that every sweep includes."""

SAMPLE = 10_000
"""The number of candidates from which distributions and curves are drawn."""

MOST_ROWS = 1_000_000
"""The most rows that a sweep keeps in memory."""

REASONS = 3
"""The number of reasons quoted if the network refuses every candidate."""


@dataclass(frozen=True, repr=False)
class Sweep(Record):
    """The result of a sweep."""

    spec: str
    axes: tuple[Axis, ...]
    objectives: tuple[Objective, ...]
    figures: tuple[str, ...]
    where: str
    candidates: int
    """The number of candidates."""
    valid: int
    """The number of candidates that the network accepts."""
    kept: int
    """The number of accepted candidates that meet the condition."""
    refusals: Mapping[str, int]
    """The number of refused candidates, by reason."""
    front: tuple[Mapping[str, Any], ...]
    """The Pareto front of the kept candidates."""
    best: tuple[Mapping[str, Any], ...]
    """The first candidates by one figure, if requested."""
    sample: tuple[Mapping[str, Any], ...]
    """A uniform sample of the kept candidates, or all of them if they are few."""
    everything: tuple[Mapping[str, Any], ...] = ()
    """Every kept candidate, if requested."""
    predicted_for: str = ""
    """The machine and setting of predicted latencies; empty without predictions."""

    def rows(self) -> list[dict[str, Any]]:
        """Every kept candidate with ``rows``, else the best, else the front."""
        return [dict(row) for row in self.everything or self.best or self.front]


@dataclass
class Progress:
    """The progress of a sweep."""

    done: int
    total: int


@dataclass
class _Kept:
    """The state of a sweep between chunks."""

    front: Front
    best: Best | None
    sample: Sample
    chunks: int = 0
    candidates: int = 0
    valid: int = 0
    kept: int = 0
    refusals: dict[str, int] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        def plain(rows: Rows | None) -> Any:
            return None if rows is None else rows.to_plain()

        return {
            "chunks": self.chunks,
            "candidates": self.candidates,
            "valid": self.valid,
            "kept": self.kept,
            "refusals": self.refusals,
            "front": plain(self.front.rows),
            "best": plain(self.best.rows) if self.best else None,
            "sample": plain(self.sample.rows),
            "keys": [] if self.sample.keys is None else self.sample.keys.tolist(),
        }

    def restore(self, data: Mapping[str, Any], axes: int) -> None:
        import numpy as np

        for name in ("chunks", "candidates", "valid", "kept", "refusals"):
            setattr(self, name, data[name])
        for keeper, name in ((self.front, "front"), (self.best, "best"), (self.sample, "sample")):
            if keeper is not None and data[name] is not None:
                keeper.rows = Rows.from_plain(data[name], axes)
        if self.sample.rows is not None:
            self.sample.keys = np.array(data["keys"])


def sweep(
    model: str,
    over: Sequence[str] | Mapping[str, Sequence[Any]] = (),
    *,
    input: str | tuple[int, ...] | None = None,
    batch: int = 1,
    training: bool = False,
    options: Mapping[str, Any] | None = None,
    where: str = "",
    pareto: str = "",
    top: int = 0,
    by: str = "",
    figures: Sequence[str] = (),
    sample: int = 0,
    seed: int = 0,
    replacement: bool = False,
    jobs: Jobs | None = None,
    trials: int = 0,
    study: str = "",
    rows: bool = False,
    output: str = "",
    predict: str = "",
    measure: Callable[[Mapping[str, Any]], Mapping[str, float]] | None = None,
    measures: Sequence[str] = (),
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Sweep:
    """Count every combination of some axes, or ``sample`` of them.

    ``over`` has texts (``"c5_reduce=4:64:4"``) or values by name. Names are the model's options,
    ``input`` (square), ``height``, ``width`` and ``batch``; the default is the space that the
    network declares. ``where`` is a condition on figures and axes, and ``pareto`` has the
    objectives of the front (``"min:macs,max:params"``). ``top`` is the number of candidates to
    keep, ordered by the figure ``by``. ``rows`` keeps every candidate in the record; ``output``
    writes them to a ``.csv``, ``.jsonl`` or ``.parquet`` file chunk by chunk. With ``trials``, that
    many candidates are proposed by optuna's NSGA-II, which continues from the file ``study`` if it
    exists.

    ``predict`` names a calibration, as for :func:`archcalc.predict`. It adds the figures
    ``latency_ms``, ``latency_low_ms`` and ``latency_high_ms``, the ends of the interval.
    ``measure`` returns further figures of one candidate, such as an accuracy, with the names
    ``measures``.

    Declared networks are counted through formulas, unless ``predict`` or ``measure`` is given.
    Other models are traced one by one, in parallel with ``jobs``. If a sweep with an ``output`` is
    interrupted, the same call continues after its finished chunks. Raises UsageError for an invalid
    axis, condition or figure, and if the network refuses every candidate.

    >>> found = sweep("inception-reduced", {"c5_reduce": range(4, 65, 4)}, where="macs <= 130e6")
    >>> found.candidates, found.kept
    (16, 4)
    """
    source = ""
    if predict:
        from archcalc.symbolic.sweep.predicted import LATENCIES, Predicted

        predicted = Predicted(
            model,
            predict,
            dict(options or {}),
            (input,) if isinstance(input, str) else (),
            batch,
            measure,
        )
        predicted.check()
        source = predicted.source
        measure, measures = predicted, (*measures, *LATENCIES)
    asked = ModelSpec.parse(model, options=options)
    declared = find_declared(asked)
    space = parse_space(over or (declared.space if declared else ()))
    condition = parse_condition(where) if where else None
    objectives = parse_objectives(pareto or "min:macs,max:params")
    order = parse_objectives(by)[0] if by else Objective("min", objectives[0].figure)
    wanted = _wanted(space, condition, (*objectives, order), (*SHOWN, *figures), measures)
    chosen = dict(asked.options)
    if declared is not None:
        _check_choices(declared, space)
    run_jobs = jobs or Jobs()
    count: Counter
    if declared is not None and measure is None:
        from archcalc.lookup.inputs import parse_input

        shape = parse_input(input) if isinstance(input, str) else (input or declared.input)
        count = ByFormula(declared, space, wanted, chosen, (batch, *shape), training)
        chunk = CHUNK
    else:
        texts = (input,) if isinstance(input, str) else ()
        counted = tuple(name for name in wanted if name not in measures)
        one = Traced(model, counted, chosen, texts, batch, training)
        count = OneByOne(space, wanted, _Both(one, measure), run_jobs.map)
        chunk = max(16, 4 * run_jobs.count)
    if trials and (sample or output):
        raise UsageError("--search cannot be combined with --sample or a file of rows")
    if sample:
        chunks = space.sample(sample, seed=seed, replacement=replacement, chunk=chunk)
    else:
        chunks = space.grid(chunk)
    total = sample or space.size
    kept = _Kept(Front(objectives), Best(order, top) if top else None, Sample(SAMPLE, seed))
    settings = [model, repr(space), where, pareto, top, by, wanted, sample, seed, replacement]
    settings += [str(input), batch, training, repr(sorted(chosen.items())), predict]
    file = RowFile.open(output, _fingerprint(settings)) if output else None
    everything: list[Rows] = []
    if file is not None and (before := file.state()) is not None:
        kept.restore(before, len(space.axes))
    if trials:
        chunks = iter(())

        def look(positions: Sequence[NDArray[np.int64]]) -> tuple[bool, bool, dict[str, Any]]:
            before = kept.valid
            found = _chunk(count, positions, space, condition, kept, kept.chunks)
            progress(Progress(kept.candidates, trials))
            if kept.valid == before:
                return False, False, {}
            if len(found):
                return True, True, {name: each[0] for name, each in found.figures.items()}
            return True, False, {name: each[0] for name, each in count(positions).figures.items()}

        search(space, look, objectives, trials=trials, seed=seed, study=study)
    for number, positions in enumerate(chunks):
        if number < kept.chunks:
            continue
        found = _chunk(count, positions, space, condition, kept, number)
        if file is not None:
            file.add(number, row_values(found, space.axes), kept.to_plain())
        if rows:
            if kept.kept > MOST_ROWS:
                raise UsageError(
                    f"more than {MOST_ROWS:,} candidates are kept; write them to a file with -o, "
                    "or narrow them with --where"
                )
            everything.append(found)
        progress(Progress(kept.candidates, total))
    if kept.candidates and not kept.valid:
        if file is not None:
            file.discard()
        raise UsageError(_none_of(model, kept))
    if file is not None:
        file.finish([*(axis.name for axis in space.axes), *wanted])
    return Sweep(
        model,
        space.axes,
        objectives,
        wanted,
        where,
        kept.candidates,
        kept.valid,
        kept.kept,
        dict(sorted(kept.refusals.items(), key=lambda item: -item[1])),
        _listed(kept.front.rows, space),
        _listed(kept.best.rows if kept.best else None, space),
        _listed(kept.sample.rows, space),
        tuple(row for each in everything for row in row_values(each, space.axes)),
        source,
    )


@dataclass(frozen=True)
class _Both:
    """The counted figures of a candidate, and those that are measured."""

    count: Traced
    measure: Callable[[Mapping[str, Any]], Mapping[str, float]] | None

    def __call__(self, candidate: Mapping[str, Any]) -> dict[str, float]:
        found: dict[str, float] = dict(self.count(candidate))
        if self.measure is not None:
            found |= self.measure(candidate)
        return found


def _chunk(
    count: Counter,
    positions: Sequence[NDArray[np.int64]],
    space: Space,
    condition: Condition | None,
    kept: _Kept,
    number: int,
) -> Rows:
    """Count a chunk, and let everything that is kept see those of it that meet the condition."""
    import numpy as np

    found = count(positions)
    passed = found.valid
    if condition is not None and passed.any():
        columns: dict[str, Any] = dict(found.figures)
        for axis, at in zip(space.axes, positions, strict=True):
            if axis.name in condition.names and axis.name not in columns:
                columns[axis.name] = np.asarray(axis.values)[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            passed = passed & np.broadcast_to(condition(columns), passed.shape)
    rows = Rows(np.stack(list(positions), axis=1), found.figures)
    if not passed.all():
        rows = rows.take(np.flatnonzero(passed))
    kept.chunks = number + 1
    kept.candidates += len(passed)
    kept.valid += int(found.valid.sum())
    kept.kept += len(rows)
    for reason, times in found.refusals.items():
        kept.refusals[reason] = kept.refusals.get(reason, 0) + times
    if len(rows):
        kept.front.add(rows)
        if kept.best is not None:
            kept.best.add(rows)
        kept.sample.add(rows, number)
    return rows


def _wanted(
    space: Space,
    condition: Condition | None,
    objectives: Sequence[Objective],
    figures: Sequence[str],
    measures: Sequence[str],
) -> tuple[str, ...]:
    """All requested figures, without repetition. Raises UsageError for an unknown figure."""
    axes = {axis.name for axis in space.axes}
    asked = [*figures, *(objective.figure for objective in objectives), *measures]
    asked += sorted(name for name in (condition.names if condition else ()) if name not in axes)
    for name in asked:
        if name.startswith("latency") and name not in measures:
            raise UsageError(
                f"{name} needs a calibration: add --predict cpu, and run `archcalc calibrate` first"
            )
        if name not in FIGURES and name not in measures:
            raise UsageError(
                f"unknown figure {name!r}: one of {', '.join([*FIGURES, *measures])}"
                + (f", or an axis: {', '.join(sorted(axes))}" if condition else "")
            )
    return tuple(dict.fromkeys(asked))


def _check_choices(architecture: Architecture, space: Space) -> None:
    """Raise UsageError for a value that an option cannot have, before anything is counted."""
    for axis in space.axes:
        option = architecture.options.get(axis.name)
        if option is not None and option.type is not int:
            for value in axis.values:
                architecture.parse_options({axis.name: value})


def _none_of(model: str, kept: _Kept) -> str:
    """Why a space has no candidate that the network takes: the most frequent reasons."""
    by_count = sorted(kept.refusals.items(), key=lambda item: -item[1])
    reasons = [f"{times:,} because {reason}" for reason, times in by_count[:REASONS]]
    if len(by_count) > REASONS:
        reasons.append(f"the others for {len(by_count) - REASONS} further reasons")
    return f"{model} refuses every candidate: {'; '.join(reasons)}"


def _listed(rows: Rows | None, space: Space) -> tuple[Mapping[str, Any], ...]:
    return () if rows is None else tuple(row_values(rows, space.axes))


def _fingerprint(settings: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(settings, default=str).encode()).hexdigest()[:16]
