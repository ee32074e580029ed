"""The candidates that a sweep keeps: the Pareto front, the best, and a uniform sample.

Each class keeps a limited number of rows. A row has the positions of a candidate on the axes, and
its figures.
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
    """A figure to minimize or maximize."""

    direction: Direction
    figure: str


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Parse ``min:macs,max:params``. A figure without a direction is minimized. Raises UsageError.

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
    """Some candidates: their positions (candidates, axes), and their figures by name."""

    positions: NDArray[np.int64]
    figures: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, which: NDArray[Any]) -> Rows:
        chosen = {name: column[which] for name, column in self.figures.items()}
        return Rows(self.positions[which], chosen)

    def followed_by(self, other: Rows) -> Rows:
        import numpy as np

        joined = {
            name: np.concatenate([column, other.figures[name]])
            for name, column in self.figures.items()
        }
        return Rows(np.concatenate([self.positions, other.positions]), joined)

    def to_plain(self) -> dict[str, Any]:
        """The rows as plain data for JSON."""
        figures = {name: column.tolist() for name, column in self.figures.items()}
        return {"positions": self.positions.tolist(), "figures": figures}

    @staticmethod
    def from_plain(data: Mapping[str, Any], axes: int) -> Rows:
        import numpy as np

        positions = np.array(data["positions"], np.int64).reshape(-1, axes)
        return Rows(positions, {name: np.array(each) for name, each in data["figures"].items()})


@dataclass
class Front:
    """The Pareto front. Of equal candidates, it keeps the first."""

    objectives: tuple[Objective, ...]
    rows: Rows | None = None

    def add(self, rows: Rows) -> None:
        import numpy as np

        costs = self._costs(rows)
        if self.rows is not None:
            possible = np.flatnonzero(~_dominated(costs, self._costs(self.rows)))
            if not possible.size:
                return
            rows = self.rows.followed_by(rows.take(possible))
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
    """The best ``count`` candidates by one figure. Of equal candidates, it keeps the first."""

    objective: Objective
    count: int
    rows: Rows | None = None

    def add(self, rows: Rows) -> None:
        import numpy as np

        everything = rows if self.rows is None else self.rows.followed_by(rows)
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
    """A uniform sample: the candidates with the smallest random keys. The keys of a chunk depend
    only on the seed and the chunk's number, so the sample is reproducible."""

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
            rows = self.rows.followed_by(rows)
            keys = np.concatenate([self.keys, keys])
        if len(keys) > self.count:
            kept = np.sort(np.argpartition(keys, self.count)[: self.count])
            rows, keys = rows.take(kept), keys[kept]
        self.rows, self.keys = rows, keys


def _dominated(costs: NDArray[Any], front: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows the front dominates or equals. This cheap test avoids sorting most of a chunk.
    With more than two objectives, it is False for all rows."""
    import numpy as np

    if costs.shape[1] > 2:
        return np.zeros(len(costs), bool)
    order = np.argsort(front[:, 0], kind="stable")
    least = np.minimum.accumulate(front[order, -1])
    at = np.searchsorted(front[order, 0], costs[:, 0], side="right") - 1
    return (at >= 0) & (least[np.maximum(at, 0)] <= costs[:, -1])


def undominated(costs: NDArray[Any]) -> NDArray[np.intp]:
    """The indices of the rows that no other row dominates, with all costs to be minimized. A row
    dominates another if no cost is larger and one is smaller. Of equal rows, the first is kept.

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
        first = alive[0]  # no later row in this order dominates it
        kept_rows.append(int(first))
        rest = alive[1:]
        alive = rest[(ordered[rest] < ordered[first]).any(axis=1)]
    return np.sort(order[kept_rows])


def row_values(rows: Rows, axes: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows as dictionaries: the value on each axis, then each figure."""
    made = []
    for index, positions in enumerate(rows.positions.tolist()):
        values = {axis.name: axis.values[at] for axis, at in zip(axes, positions, strict=True)}
        figures = {name: column[index].item() for name, column in rows.figures.items()}
        made.append({**values, **figures})
    return made
