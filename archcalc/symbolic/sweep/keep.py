"""The candidates that a sweep keeps: the front, the best, an even sample.

Each keeps a bounded number of rows whatever the number of candidates. A row is the candidate's
positions on the axes and its figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from archcalc.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Direction = Literal["min", "max"]


class Objective(NamedTuple):
    """A figure that should be small or large."""

    direction: Direction
    figure: str


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """``min:macs,max:params``; a figure without a direction should be small. Raises UsageError.

    >>> parse_objectives("macs,max:params")
    (Objective(direction='min', figure='macs'), Objective(direction='max', figure='params'))
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        direction, colon, figure = part.rpartition(":")
        if colon and direction not in ("min", "max"):
            raise UsageError(f"{part!r}: write min:FIGURE or max:FIGURE")
        found.append(Objective("max" if direction == "max" else "min", figure))
    return tuple(found)


@dataclass
class Rows:
    """Some candidates: positions by axis (one column each) and figures by name."""

    positions: NDArray[np.int64]
    figures: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, which: NDArray[Any]) -> Rows:
        chosen = {name: column[which] for name, column in self.figures.items()}
        return Rows(self.positions[which], chosen)

    def and_then(self, other: Rows) -> Rows:
        import numpy as np

        joined = {
            name: np.concatenate([column, other.figures[name]])
            for name, column in self.figures.items()
        }
        return Rows(np.concatenate([self.positions, other.positions]), joined)

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        figures = {name: column.tolist() for name, column in self.figures.items()}
        return {"positions": self.positions.tolist(), "figures": figures}

    @staticmethod
    def from_plain(data: Mapping[str, Any], axes: int) -> Rows:
        import numpy as np

        positions = np.array(data["positions"], np.int64).reshape(-1, axes)
        return Rows(positions, {name: np.array(each) for name, each in data["figures"].items()})


@dataclass
class Front:
    """The candidates that no other beats in every objective; of equal ones the first."""

    objectives: tuple[Objective, ...]
    rows: Rows | None = None

    def add(self, rows: Rows) -> None:
        import numpy as np

        costs = self._costs(rows)
        if self.rows is not None:
            hopeful = np.flatnonzero(~_beaten(costs, self._costs(self.rows)))
            if not hopeful.size:
                return
            rows = self.rows.and_then(rows.take(hopeful))
            costs = self._costs(rows)
        self.rows = rows.take(undominated(costs))

    def _costs(self, rows: Rows) -> NDArray[Any]:
        import numpy as np

        columns = [
            rows.figures[figure] if direction == "min" else -rows.figures[figure]
            for direction, figure in self.objectives
        ]
        return np.stack(columns, axis=1)


@dataclass
class Best:
    """The first ``count`` candidates by one figure; of equal ones those met first."""

    objective: Objective
    count: int
    rows: Rows | None = None

    def add(self, rows: Rows) -> None:
        import numpy as np

        everything = rows if self.rows is None else self.rows.and_then(rows)
        costs = everything.figures[self.objective.figure]
        if self.objective.direction == "max":
            costs = -costs
        if len(everything) > self.count:
            edge = np.partition(costs, self.count - 1)[self.count - 1]
            below = np.flatnonzero(costs < edge)
            level = np.flatnonzero(costs == edge)[: self.count - len(below)]
            kept = np.sort(np.concatenate([below, level]))
            everything, costs = everything.take(kept), costs[kept]
        self.rows = everything.take(np.argsort(costs, kind="stable")[: self.count])


@dataclass
class Sample:
    """An even sample: the candidates with the smallest random keys. The keys of a chunk depend on
    the seed and the chunk's number, so the sample is the same however the chunks are computed."""

    count: int
    seed: int = 0
    rows: Rows | None = None
    keys: Any = field(default=None, repr=False)

    def add(self, rows: Rows, chunk: int) -> None:
        import numpy as np

        keys = np.random.default_rng((self.seed, chunk)).random(len(rows))
        if self.rows is not None:
            if len(self.keys) == self.count:
                smaller = np.flatnonzero(keys < self.keys.max())
                rows, keys = rows.take(smaller), keys[smaller]
            rows = self.rows.and_then(rows)
            keys = np.concatenate([self.keys, keys])
        if len(keys) > self.count:
            kept = np.sort(np.argpartition(keys, self.count)[: self.count])
            rows, keys = rows.take(kept), keys[kept]
        self.rows, self.keys = rows, keys


def _beaten(costs: NDArray[Any], front: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows a front of at most two objectives beats or equals. It is cheap, so that most of a
    chunk is never sorted; of more objectives it says nothing."""
    import numpy as np

    if costs.shape[1] > 2:
        return np.zeros(len(costs), bool)
    order = np.argsort(front[:, 0], kind="stable")
    least = np.minimum.accumulate(front[order, -1])
    at = np.searchsorted(front[order, 0], costs[:, 0], side="right") - 1
    return (at >= 0) & (least[np.maximum(at, 0)] <= costs[:, -1])


def undominated(costs: NDArray[Any]) -> NDArray[np.intp]:
    """The rows that no other row beats by being at most as large everywhere and smaller somewhere.
    All costs should be small; of equal rows the first is kept.

    >>> import numpy as np
    >>> undominated(np.array([[1, 5], [2, 2], [3, 3], [4, 1], [2, 2]])).tolist()
    [0, 1, 3]
    """
    import numpy as np

    order = np.lexsort(costs.T[::-1])  # by the first objective, then the second, ...
    ordered = costs[order]
    if costs.shape[1] <= 2:
        last = ordered[:, -1]
        before = np.minimum.accumulate(last)
        kept = np.ones(len(last), bool)
        kept[1:] = last[1:] < before[:-1]
        if costs.shape[1] == 1:
            kept[1:] = False
        return np.sort(order[kept])
    kept_rows: list[int] = []
    alive = np.arange(len(ordered))
    while alive.size:
        first = alive[0]  # nothing that comes later in this order can beat it
        kept_rows.append(int(first))
        rest = alive[1:]
        alive = rest[(ordered[rest] < ordered[first]).any(axis=1)]
    return np.sort(order[kept_rows])


def row_values(rows: Rows, axes: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows as dictionaries: each axis's value, then each figure."""
    made = []
    for index, positions in enumerate(rows.positions.tolist()):
        values = {axis.name: axis.values[at] for axis, at in zip(axes, positions, strict=True)}
        figures = {name: column[index].item() for name, column in rows.figures.items()}
        made.append({**values, **figures})
    return made
