"""A network's figures as functions of its sizes, region by region.

A definition runs on sizes that carry their expressions. The result is valid for all sizes that take
the same path through the definition: a :class:`Region`. A :class:`Formula` keeps its regions and
derives a new one for sizes outside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import ArchcalcError, NoFormulaError, UsageError
from archcalc.graph import Graph
from archcalc.lookup.registry import Architecture
from archcalc.symbolic import expression as ex
from archcalc.symbolic.figures import FIGURES, WINDOW
from archcalc.symbolic.region import Region, strongest
from archcalc.symbolic.size import Guard, Quoted, Recorder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

INPUT = ("batch", "channels", "height", "width")
"""The sizes of the input (N, C, H, W) by name."""

DEFAULT = ("params", "macs", "flops")

LARGEST = 2**63 - 1
"""The largest int64."""

Declare = Callable[[Mapping[str, int]], Graph]
"""Values of all sizes by name -> the network. Raises ArchcalcError if it refuses them."""


Read = Callable[[Profile, Recorder], Any]
"""(profile, recorder) -> the record that a formula describes: integers in dictionaries and lists,
possibly with text."""


@dataclass(frozen=True)
class Columns(Mapping[str, "NDArray[np.int64]"]):
    """Each figure of every candidate, by key; 0 if the network refuses the candidate."""

    figures: Mapping[str, NDArray[np.int64]]
    valid: NDArray[np.bool_]
    refusals: Mapping[str, int]
    """The number of refused candidates, by the reason for the first one of each region."""

    def __getitem__(self, key: str) -> NDArray[np.int64]:
        return self.figures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)


@dataclass(eq=False)
class Formula:
    """The cost of a network as a function of some of its sizes.

    >>> import archcalc
    >>> formula = archcalc.derive("googlenet", over=["height", "width", "num_classes"])
    >>> formula.macs(height=224, width=224, num_classes=1000)
    1582671872
    >>> print(archcalc.derive("inception-reduced", over=["c5_reduce"])["macs"])
    777,728·c5_reduce + 115,605,504

    Each figure is a method, such as ``formula.macs(**sizes)``. Omitted sizes have their defaults.
    Raises what :func:`archcalc.graph` raises for sizes that the network refuses.
    """

    spec: str
    variables: tuple[str, ...]
    defaults: Mapping[str, int]
    figures: tuple[str, ...]
    declare: Declare = field(repr=False)
    node: str = ""
    """The module that the figures describe; empty for the whole network."""
    read: Read | None = field(default=None, repr=False)
    """Selects other integers of a profile than :attr:`figures`. They become the
    :attr:`Region.record` of each region."""
    regions: list[Region] = field(default_factory=list, repr=False)
    """The regions derived so far, starting with the one at the defaults."""
    _others: dict[str, Formula] = field(default_factory=dict, repr=False)

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name not in FIGURES:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return partial(self.value, name)

    def __getitem__(self, figure: str) -> str:
        """The expression of one figure at the defaults. Raises KeyError for an unknown figure."""
        from archcalc.symbolic.emit import inline

        if figure not in FIGURES:
            raise KeyError(f"{figure!r} is not one of {', '.join(FIGURES)}")
        owner = self._with(figure)
        region = owner.region()
        return inline(region.space, region.figures[figure])

    def value(self, figure: str, **sizes: int) -> int:
        """One figure at these sizes, exact for integers of any size."""
        owner = self._with(figure)
        region = owner.region(**sizes)
        given = owner._complete(sizes)
        values = region.values(*(given[name] for name in self.variables))
        return values[owner.figures.index(figure)]

    def region(self, **sizes: int) -> Region:
        """The region of these sizes, derived if it is new. Raises the network's own errors."""
        given = self._complete(sizes)
        for name, value in given.items():
            if type(value) is not int or value < 1:
                raise UsageError(f"{name}={value!r} is not a whole number of at least 1")
        region = self.find(given)
        if region.refusal:
            self.declare(given)  # raises the error for these sizes
            raise ArchcalcError(region.refusal)
        return region

    def find(self, sizes: Mapping[str, int]) -> Region:
        """The region of these sizes, derived if it is new, even if the network refuses them.
        ``sizes`` must be complete."""
        values = [sizes[name] for name in self.variables]
        for region in self.regions:
            if region.holds(*values):
                return region
        self.regions.append(self._derived(sizes))
        return self.regions[-1]

    def profile(self) -> Profile:
        """The profile at the defaults, whose sizes carry expressions."""
        recorder = Recorder()
        found = profile(self.declare(self._symbolic(recorder, self.defaults)))
        return _part(found, self.node) if self.node else found

    def evaluate(self, **columns: ArrayLike) -> Columns:
        """Every figure for many candidates at once, as columns of int64.

        Columns are broadcast against each other. Raises OverflowError if a figure does not fit
        int64, and UsageError for a column that does not have integers of at least 1.
        """
        import numpy as np

        given = {name: _column(value, name) for name, value in self._complete(columns).items()}
        try:
            shape = np.broadcast_shapes(*(column.shape for column in given.values()))
        except ValueError:
            lengths = ", ".join(f"{name} has {column.size}" for name, column in given.items())
            raise UsageError(f"the columns have different lengths: {lengths}") from None
        ordered = [np.broadcast_to(given[name], shape).reshape(-1) for name in self.variables]
        count = ordered[0].size
        results = {name: np.zeros(count, np.int64) for name in self.figures}
        valid = np.zeros(count, bool)
        refusals: dict[str, int] = {}
        if count and min(int(column.min()) for column in ordered) < 1:
            raise UsageError("sizes must be at least 1; the columns have smaller ones")
        for rows, region in self._assigned(ordered, count):
            if region.refusal:
                refusals[region.refusal] = refusals.get(region.refusal, 0) + _size(rows, count)
                continue
            chosen = ordered if rows is None else [column[rows] for column in ordered]
            place = slice(None) if rows is None else rows
            valid[place] = True
            for name, values in zip(self.figures, _figures(region, chosen), strict=True):
                results[name][place] = values
        shaped = {name: column.reshape(shape) for name, column in results.items()}
        return Columns(shaped, valid.reshape(shape), refusals)

    def _assigned(
        self, columns: list[NDArray[np.int64]], count: int
    ) -> Iterator[tuple[NDArray[np.intp] | None, Region]]:
        """Each region of the candidates with their rows; None means all rows."""
        import numpy as np

        rest: NDArray[np.intp] | None = None
        known = list(self.regions)
        while rest is None or rest.size:
            chosen = columns if rest is None else [column[rest] for column in columns]
            size = count if rest is None else rest.size
            if not size:
                return
            if known:
                region = known.pop(0)
            else:
                first = {n: int(c[0]) for n, c in zip(self.variables, chosen, strict=True)}
                region = self._derived(first)
                self.regions.append(region)
            mask = _mask(region, chosen, size)
            if rest is None and mask.all():
                yield None, region
                return
            rows = np.arange(count) if rest is None else rest
            if mask.any():
                yield rows[mask], region
            rest = rows[~mask]

    def _with(self, figure: str) -> Formula:
        """This formula, or another one of the same network that has the figure."""
        if figure in self.figures:
            return self
        if figure not in self._others:
            self._others[figure] = Formula(
                self.spec, self.variables, self.defaults, (figure,), self.declare, self.node
            )
        return self._others[figure]

    def _complete(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        for name in sizes:
            if name not in self.variables:
                known = ", ".join(self.variables)
                raise UsageError(f"the formula has no variable {name!r}; its variables are {known}")
        return {**self.defaults, **sizes}

    def _derived(self, sizes: Mapping[str, int]) -> Region:
        """The region of these sizes, without guards that do not change the figures.

        For example, a definition may test ``batch == 1`` only to omit the batch from a text.
        """
        region, requested = self._run(sizes), sizes
        tried: set[tuple[str, int]] = set()
        while not region.refusal:
            edges = [_edge(region, guard) for guard in region.guards if guard.relation != ">="]
            edge = next((each for each in edges if each and each not in tried), None)
            if edge is None:
                break
            tried.add(edge)
            name, value = edge
            on_edge, off_edge = {**sizes, name: value}, {**sizes, name: value + 1}
            if sizes[name] == value:
                there, here = region, self._run(off_edge)
            else:
                there, here, off_edge = self._run(on_edge), region, dict(sizes)
            merged = _without(here, name, value)
            if _agree(here, there, name, value) and merged.contains(requested):
                region, sizes = merged, off_edge
                tried.clear()  # regions that differed only by this guard now agree
        return region

    def _run(self, sizes: Mapping[str, int]) -> Region:
        recorder = Recorder()
        try:
            found = profile(self.declare(self._symbolic(recorder, sizes)))
            read = self.read or self._figures
            leaves: list[int] = []
            record = _skeleton(read(found, recorder), leaves)
        except NoFormulaError:
            raise
        except ArchcalcError:
            return self._refused(recorder, sizes)
        names = self.figures if self.read is None else map(str, range(len(leaves)))
        figures = {
            name: recorder.polynomial(leaf) for name, leaf in zip(names, leaves, strict=True)
        }
        guards = strongest(recorder.space, tuple(recorder.guards))
        return Region(
            recorder.space, self.variables, guards, figures, record=record, lines=recorder.lines
        )

    def _refused(self, recorder: Recorder, sizes: Mapping[str, int]) -> Region:
        """The region of sizes that the network refuses. Raises the current error again if it
        accepts them as ordinary integers."""
        guards = strongest(recorder.space, tuple(recorder.guards))
        try:
            self.declare(sizes)
        except ArchcalcError as error:
            refusal, node = str(error), getattr(error, "node", "")
        else:
            raise  # the error came from the symbolic sizes
        region = Region(recorder.space, self.variables, guards, {}, refusal, node, (refusal,))
        quoting = Recorder(quotes=True)
        try:
            self.declare(self._symbolic(quoting, sizes))
        except ArchcalcError as error:
            general = replace(region, space=quoting.space, message=quoting.pieces(str(error)))
            if general.why(sizes) == refusal:
                return replace(region, message=_moved(general, recorder.space))
        return region

    def _symbolic(self, recorder: Recorder, sizes: Mapping[str, int]) -> Any:
        """The sizes as integers that carry expressions."""
        return {name: recorder.variable(name, value) for name, value in sizes.items()}

    def _figures(self, found: Profile, recorder: Recorder) -> list[int]:
        if not self.node:
            return [FIGURES[name](found, recorder) for name in self.figures]
        part = _part(found, self.node)
        last = part.layers[-1].name  # its receptive field depends on the whole network before it
        return [
            WINDOW[name](found, recorder, last) if name in WINDOW else FIGURES[name](part, recorder)
            for name in self.figures
        ]


def derive(
    architecture: Architecture,
    over: Sequence[str],
    *,
    options: Mapping[str, Any] | None = None,
    shape: Sequence[int] = (),
    figures: Sequence[str] = DEFAULT,
    node: str = "",
    training: bool = False,
    read: Read | None = None,
) -> Formula:
    """The figures of a declared network as functions of the sizes named by ``over``.

    ``over`` names integer options of the network, ``height``, ``width``, ``input`` (both),
    ``batch`` and ``channels``. ``options`` are fixed; ``shape`` is the default input (N, C, H, W).
    Raises UsageError for another name, and the errors of the network at its defaults.
    """
    check_figures(figures)
    fixed = architecture.parse_options(options or {})
    start = tuple(shape) or (1, *architecture.input)
    names = side_names(architecture)
    sides = dict(zip(names.values(), start, strict=True))
    defaults: dict[str, int] = {}
    for name in over:
        for each in (names["height"], names["width"]) if name == "input" else (name,):
            defaults[each] = _default(architecture, each, sides, fixed)

    def declare(sizes: Mapping[str, int]) -> Graph:
        shape = tuple(sizes.get(side, size) for side, size in sides.items())
        chosen = {**fixed, **{k: v for k, v in sizes.items() if k not in sides}}
        return architecture.declare(shape, chosen, training=training)

    settings = "".join(f",{key}={value!s}" for key, value in fixed.items())
    formula = Formula(
        architecture.name + settings, tuple(defaults), defaults, tuple(figures), declare, node, read
    )
    formula.region()
    return formula


def check_figures(figures: Sequence[str]) -> None:
    """Raises UsageError for a figure that is not in the table."""
    for name in figures:
        if name not in FIGURES:
            raise UsageError(f"unknown figure {name!r}: one of {', '.join(FIGURES)}")


def side_names(architecture: Architecture) -> dict[str, str]:
    """The name of each size of the input: ``width``, or ``input_width`` if an option has that
    name."""
    options = architecture.options
    return {side: f"input_{side}" if side in options else side for side in INPUT}


def _default(
    architecture: Architecture, name: str, sides: Mapping[str, int], fixed: Mapping[str, Any]
) -> int:
    options = architecture.options
    if name in options:
        option = options[name]
        if option.type is not int:
            raise UsageError(
                f"{architecture.name}: {name} is {option.wanted}, not a size; give it a value with "
                f"--set {name}=... and derive once for each"
            )
        value: int = fixed.get(name, option.default)
        return value
    if name in sides:
        return sides[name]
    sizes = [key for key, option in options.items() if option.type is int]
    raise UsageError(
        f"{architecture.name} has no size {name!r}: one of {', '.join([*sizes, 'input', *sides])}"
    )


def _part(found: Profile, pattern: str) -> Profile:
    """The profile of one module, or of the layers that match a pattern."""
    from fnmatch import fnmatchcase

    from archcalc.analysis.profile import add_up

    layers = tuple(
        layer
        for layer in found.layers
        if fnmatchcase(layer.name, pattern) or layer.name.startswith(f"{pattern}.")
    )
    if not layers:
        near = ", ".join(module.name for module in found.modules(1)[:6])
        raise UsageError(f"no node of {found.spec} matches {pattern!r}; its modules: {near}, ...")
    nodes = tuple(layer.node for layer in layers)
    graph = replace(found.graph, nodes=nodes, unused=())
    return replace(found, graph=graph, layers=layers, cost=add_up(layers))


def _skeleton(record: Any, leaves: list[int]) -> Any:
    """The record with each integer replaced by its index in ``leaves``, to which it is appended."""
    if isinstance(record, Mapping):
        return {name: _skeleton(value, leaves) for name, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [_skeleton(value, leaves) for value in record]
    if isinstance(record, int) and not isinstance(record, bool):
        leaves.append(record)
        return len(leaves) - 1
    return record


def _moved(region: Region, space: ex.Space) -> tuple[str | Quoted, ...]:
    """The message of a region with expressions of another space."""
    move = region.space.moved(space, {})
    return tuple(
        piece
        if isinstance(piece, str)
        else piece._replace(polynomial=ex.key(move(dict(piece.polynomial))))
        for piece in region.message
    )


def _edge(region: Region, guard: Guard) -> tuple[str, int] | None:
    """The variable and the number in a guard such as ``batch ≠ 1``."""
    polynomial = dict(guard.polynomial)
    constant = polynomial.pop(ex.ONE, 0)
    if len(polynomial) != 1:
        return None
    ((monomial, count),) = polynomial.items()
    if len(monomial) != 1 or abs(count) != 1:
        return None
    atom, value = region.space.atoms[monomial[0]], -constant * count
    return (atom.name, value) if isinstance(atom, ex.Variable) and value >= 1 else None


def _agree(region: Region, at: Region, name: str, value: int) -> bool:
    """Whether ``region`` is also correct for sizes in the region ``at``, where ``name`` is
    ``value``: whether it has the same figures there, and all guards of ``at``."""
    if region.refusal or at.refusal:
        return False
    space = ex.Space()
    figures, guards = [], []
    for each in (region, at):
        move = each.space.moved(space, {name: value})
        try:
            figures.append({key: ex.key(move(found)) for key, found in each.figures.items()})
            moved = [(move(dict(guard.polynomial)), guard.relation) for guard in each.guards]
        except ZeroDivisionError:  # a guard rules this value out
            return False
        guards.append({(ex.key(p), relation) for p, relation in moved if not ex.is_constant(p)})
    return figures[0] == figures[1] and guards[1] <= guards[0] and region.record == at.record


def _without(region: Region, name: str, value: int) -> Region:
    kept = tuple(guard for guard in region.guards if _edge(region, guard) != (name, value))
    return replace(region, guards=kept)


def _column(value: Any, name: str) -> NDArray[np.int64]:
    import numpy as np

    column = np.asarray(value)
    if column.dtype.kind not in "iu":
        raise UsageError(f"the column {name} has the dtype {column.dtype}; expected whole numbers")
    if column.dtype == np.uint64 and column.size and int(column.max()) > LARGEST:
        raise OverflowError(f"the column {name} does not fit int64")
    return column.astype(np.int64, copy=False)


def _size(rows: NDArray[np.intp] | None, count: int) -> int:
    return count if rows is None else rows.size


def _fits(region: Region, columns: Sequence[NDArray[np.int64]]) -> bool:
    largest = {
        name: int(column.max()) for name, column in zip(region.variables, columns, strict=True)
    }
    return region.bound(largest) <= LARGEST


def _mask(region: Region, columns: Sequence[NDArray[np.int64]], size: int) -> NDArray[np.bool_]:
    import numpy as np

    if not _fits(region, columns):
        columns = [column.astype(object) for column in columns]  # Python's integers
    return np.broadcast_to(np.asarray(region.mask(*columns), bool), (size,))


def _figures(region: Region, columns: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], ...]:
    """The figures as columns, computed with Python's integers if int64 might overflow."""
    import numpy as np

    if _fits(region, columns):
        return region.columns(*columns)
    exact = region.columns(*(column.astype(object) for column in columns))
    for name, values in zip(region.figures, exact, strict=True):
        if max(map(abs, np.atleast_1d(np.asarray(values, object)).tolist())) > LARGEST:
            raise OverflowError(f"{name} does not fit int64; evaluate single values instead")
    return tuple(np.asarray(values, object).astype(np.int64) for values in exact)


def crossings(
    one: Formula, other: Formula, size: str, figure: str, *, most: int = 1 << 20
) -> tuple[int, ...]:
    """The values of ``size`` up to ``most`` at which ``one`` reaches the figure of ``other``.

    Each is the first value at which the difference of the figures is 0 or has changed its sign. A
    network without this size has a constant figure. Values that a network refuses are skipped.
    Raises UsageError if neither network has the size.

    >>> import archcalc
    >>> naive, reduced = (
    ...     archcalc.derive(name, over=[size])
    ...     for name, size in (("inception-5x5", "c5"), ("inception-5x5-reduced", "c5_reduce"))
    ... )
    >>> crossings(reduced, naive, "c5_reduce", "macs")
    (155,)
    """
    import numpy as np

    values = np.arange(1, most + 1)
    columns, valid = [], np.ones(most, bool)
    if not any(size in formula.variables for formula in (one, other)):
        raise UsageError(f"neither {one.spec} nor {other.spec} was derived over {size}")
    for formula in (one, other):
        given = {size: values} if size in formula.variables else {}
        found = formula._with(figure).evaluate(**given)
        columns.append(np.broadcast_to(found[figure], most))
        valid &= np.broadcast_to(found.valid, most)
    signs = np.sign(columns[0] - columns[1])[valid]
    changed = np.flatnonzero((signs[1:] != signs[:-1]) & (signs[:-1] != 0)) + 1
    if signs.size and signs[0] == 0:
        changed = np.concatenate([[0], changed])
    return tuple(values[valid][changed].tolist())
