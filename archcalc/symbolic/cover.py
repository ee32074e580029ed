"""All regions that some ranges of sizes reach, so that every combination of sizes has a result.

    found = cover("googlenet", {"height": range(32, 513), "batch": range(1, 65)})
    found.regions     # each with its guards, and with its figures as expressions
    found.refusals    # each with its guards, the node that refuses, and the message
    found.narrowed    # the ranges that had to be reduced
    found.javascript("network")    # the whole cover as one program

The guards of each region split the ranges, until every combination of sizes belongs to a region. A
guard on one size splits the values of that size; a guard on several sizes splits their
combinations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from archcalc.analysis.memory import liveness
from archcalc.analysis.profile import Layer, Profile
from archcalc.errors import UsageError
from archcalc.ops.operator import Cost
from archcalc.symbolic.figures import TOTALS
from archcalc.symbolic.formula import LARGEST, Formula, Read, derive
from archcalc.symbolic.region import Region
from archcalc.symbolic.size import Recorder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_COMBINATIONS = 1 << 21
"""The most combinations of sizes that guards compare with each other."""

PIECES_PER_REGION = 16
"""The most pieces of the ranges per region, on average."""

BY_CLASS = Cost._fields[1:]


@dataclass(frozen=True)
class Cover:
    """The cost of a network, or the reason why it refuses, at every combination of some values."""

    formula: Formula
    ranges: Mapping[str, Sequence[int]]
    """The values of each size that the regions cover: all the requested ones, or fewer."""
    narrowed: Mapping[str, Sequence[int]]
    """The requested values of the sizes that now have fewer."""
    regions: tuple[Region, ...]
    """The regions that the network accepts, starting with the one at the defaults."""
    refusals: tuple[Region, ...]
    """The regions that it refuses: see :attr:`Region.refused_by` and :meth:`Region.why`."""

    def javascript(self, name: str = "network") -> str:
        """The program of :func:`archcalc.symbolic.live.javascript`."""
        from archcalc.symbolic.live import javascript

        return javascript(self, name)


def by_node(profile: Profile, recorder: Recorder) -> dict[str, Any]:
    """The default record of :func:`cover`: every figure under ``totals``, and one column per
    property of the nodes under ``nodes``. Costs are None if a node's operator is not in the
    table."""

    def cost(layer: Layer, field: str) -> int | None:
        return None if layer.cost is None else getattr(layer.cost, field)

    layers = profile.layers
    alive = {row.name: row.live for row in liveness(profile.graph.forward.eval())}
    moved = [layer.bytes_moved or (None, None) for layer in layers]
    return {
        "totals": {name: read(profile, recorder) for name, read in TOTALS.items()},
        "nodes": {
            "name": [layer.name for layer in layers],
            "op": [layer.op for layer in layers],
            "output": [layer.output for layer in layers],
            "params": [layer.params for layer in layers],
            "macs": [layer.macs for layer in layers],
            "flops": [layer.flops for layer in layers],
            **{field: [cost(layer, field) for layer in layers] for field in BY_CLASS},
            "bytes_read": [read for read, _ in moved],
            "bytes_written": [written for _, written in moved],
            "bytes_alive": [alive.get(layer.name) for layer in layers],
        },
    }


def cover(
    model: str | Formula,
    ranges: Mapping[str, Sequence[int]],
    *,
    options: Mapping[str, Any] | None = None,
    shape: Sequence[int] = (),
    training: bool = False,
    read: Read = by_node,
    limit: int = 64,
) -> Cover:
    """All regions of a declared network that these values of its sizes reach.

    ``ranges`` maps the names of sizes to increasing values: numeric options, ``batch``, ``height``
    and ``width``. ``options`` are fixed, and ``shape`` is the input (N, C, H, W) for the sizes that
    do not vary. ``read`` selects the integers of a profile that each region records. If there are
    more than ``limit`` regions, the ranges of the sizes that cause most of them are halved around
    the default until the limit holds. ``model`` is a name or a :class:`Formula`.

    >>> found = cover("googlenet", {"height": range(32, 513)}, training=True)
    >>> [region.conditions for region in found.regions]
    [('height ≥ 79',)]
    >>> found.refusals[0].refused_by, found.refusals[0].why({"height": 40})
    ('aux1.avg_pool', 'aux1.avg_pool: 5×5 window is larger than its 2×14 input (padding 0) (in a \
head that runs only in training)')

    Raises UsageError for an unknown size or an invalid range, and the errors of the network at its
    defaults.
    """
    for name, values in ranges.items():
        if not len(values) or values[0] < 1 or any(b <= a for a, b in pairwise(values)):
            raise UsageError(f"the values of {name} must be increasing whole numbers of at least 1")
    if isinstance(model, Formula):
        formula = model
    else:
        from archcalc.lookup.resolve import declared

        architecture, chosen = declared(model, options)
        formula = derive(
            architecture,
            list(ranges),
            options=chosen,
            shape=shape,
            figures=(),
            training=training,
            read=read,
        )
    if set(ranges) != set(formula.variables):
        raise UsageError(f"give a range for each of {', '.join(formula.variables)}")
    covered = dict(ranges)
    while True:
        try:
            found = _regions(formula, covered, limit)
        except _TooManyError as error:
            covered[error.name] = _halved(covered[error.name], formula.defaults[error.name])
            continue
        narrowed = {
            name: values for name, values in ranges.items() if len(covered[name]) < len(values)
        }
        accepted = tuple(region for region in found if not region.refusal)
        refused = tuple(region for region in found if region.refusal)
        return Cover(formula, covered, narrowed, accepted, refused)


class _TooManyError(Exception):
    """There are too many regions or combinations; ``name`` is the size that causes most of them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _halved(values: Sequence[int], default: int) -> Sequence[int]:
    """The half of the values that is closest to the default."""
    count = max(1, len(values) // 2)
    nearest = min(range(len(values)), key=lambda place: abs(values[place] - default))
    start = min(max(0, nearest - count // 2), len(values) - count)
    return values[start : start + count]


def _regions(formula: Formula, ranges: Mapping[str, Sequence[int]], limit: int) -> list[Region]:
    """The regions in the order in which they are found. Raises _TooManyError."""
    found: dict[int, Region] = {}
    edges: dict[str, set[str]] = {name: set() for name in ranges}
    pieces = 0
    todo = [_Piece.whole(ranges)]
    while todo:
        piece = todo.pop()
        pieces += 1
        region = formula.find(piece.nearest(formula.defaults))
        found[id(region)] = region
        if len(found) > limit or pieces > PIECES_PER_REGION * limit:
            several = [name for name in ranges if len(ranges[name]) > 1]
            raise _TooManyError(
                max(several, key=lambda each: (len(edges[each]), len(ranges[each])))
            )
        for place in range(len(region.guards)):
            names, piece, rest = piece.split(region, place)
            if rest is not None:
                todo.append(rest)
                for name in names:
                    edges[name].add(region.conditions[place])
    return list(found.values())


@dataclass(frozen=True)
class _Piece:
    """Some combinations of the sizes, as the product of tables. Each table has the combinations of
    sizes that guards have compared with each other."""

    tables: tuple[Mapping[str, NDArray[np.int64]], ...]

    @staticmethod
    def whole(ranges: Mapping[str, Sequence[int]]) -> _Piece:
        import numpy as np

        return _Piece(tuple({name: np.array(each, np.int64)} for name, each in ranges.items()))

    def nearest(self, defaults: Mapping[str, int]) -> dict[str, int]:
        """The combination closest to the defaults, by its largest difference in one size."""
        import numpy as np

        sizes: dict[str, int] = {}
        for table in self.tables:
            distances = [abs(column - defaults[name]) for name, column in table.items()]
            place = int(np.argmin(np.max(distances, axis=0)))
            sizes |= {name: int(column[place]) for name, column in table.items()}
        return sizes

    def split(self, region: Region, place: int) -> tuple[set[str], _Piece, _Piece | None]:
        """The names in a guard, and the pieces in which it holds and does not hold."""
        import numpy as np

        names = region.space.variables(dict(region.guards[place].polynomial))
        joined, others = self._joined(names)
        count = len(next(iter(joined.values())))
        fits = region.bound({**_largest(others), **_largest([joined])}) <= LARGEST
        columns = [joined.get(name, np.ones(1, np.int64)) for name in region.variables]
        if not fits:
            columns = [column.astype(object) for column in columns]  # Python's integers
        mask = np.broadcast_to(np.asarray(region.tests[place](*columns), bool), (count,))
        if mask.all():
            return names, self, None
        here, there = ({name: c[part] for name, c in joined.items()} for part in (mask, ~mask))
        return names, _Piece((*others, here)), _Piece((*others, there))

    def _joined(
        self, names: set[str]
    ) -> tuple[Mapping[str, NDArray[np.int64]], list[Mapping[str, NDArray[np.int64]]]]:
        """One table with these sizes, and the tables without any of them. Raises _TooManyError."""
        import numpy as np

        some = [table for table in self.tables if names & table.keys()]
        others = [table for table in self.tables if not names & table.keys()]
        lengths = [len(next(iter(table.values()))) for table in some]
        if len(some) > 1 and prod(lengths) > MOST_COMBINATIONS:
            longest = some[lengths.index(max(lengths))]
            raise _TooManyError(max(longest, key=lambda name: len(np.unique(longest[name]))))
        if len(some) == 1:
            return some[0], others
        rows = np.meshgrid(*(np.arange(length) for length in lengths), indexing="ij")
        return {
            name: column[row.reshape(-1)]
            for table, row in zip(some, rows, strict=True)
            for name, column in table.items()
        }, others


def _largest(tables: Sequence[Mapping[str, NDArray[np.int64]]]) -> dict[str, int]:
    return {name: int(column.max()) for table in tables for name, column in table.items()}
