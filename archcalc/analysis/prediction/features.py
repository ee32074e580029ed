"""What a call's time is predicted from: numbers about one node and what ran before it.

The numbers come from the shapes, the operator table and the storages of the graph. Nothing depends
on an operator's name, so an operator that is new to the table has them as well.
"""

from __future__ import annotations

from math import log2, prod
from typing import NamedTuple

from archcalc.analysis.storage import Key, Storages, key
from archcalc.graph import Graph, Node
from archcalc.ops import TABLE
from archcalc.ops.operator import Operator, operands

VIEW = "view"
"""The kind of calls that move no byte: views, dropout in evaluation, reshapes that need no copy."""

NAMES = (
    "macs",
    "other_ops",
    "bytes_read",
    "weight_bytes",
    "bytes_written",
    "batch",
    "channels_in",
    "channels_out",
    "places_in",
    "places_out",
    "rows",
    "width_in",
    "width_out",
    "window",
    "longest_window",
    "stride",
    "dilation",
    "groups",
    "group_in",
    "group_out",
    "macs_per_output",
    "macs_per_byte",
    "waste_in",
    "waste_out",
    "waste_width",
    "tile_waste_in",
    "tile_waste_out",
    "inputs",
    "broadcast",
    "in_place",
    "strided",
    "channels_last",
    "least_distance",
    "largest_distance",
    "footprint",
)
"""Features in their order. Counts, sizes and bytes are logarithms to the base 2 of 1 + value."""

LANES = 16
"""Channels that a vector instruction takes at once: a kernel pads to a multiple of them."""
TILE = 64
"""Channels that a fast kernel keeps in registers at once, where their number is a multiple."""


class Call(NamedTuple):
    """One node that takes time, as a model sees it."""

    name: str
    op: str
    kind: str
    """Of the operator table, or :data:`VIEW`; empty for an operator that is not in the table."""
    flops: int
    nbytes: int
    """Read and written."""
    values: tuple[float, ...]
    """By :data:`NAMES`."""


def calls(graph: Graph) -> tuple[Call, ...]:
    """Every executed node that runs code, in order; inputs and parameters run none."""
    context = _Context(graph)
    found = []
    for node in graph.executed:
        row = TABLE.get(node.op)
        if row is None or row.kind != "input":
            found.append(_call(node, row, context))
        context.add(node, row)
    return tuple(found)


class _Context:
    """What lies in the caches when a node runs: how many bytes moved since a tensor was made."""

    def __init__(self, graph: Graph) -> None:
        self.training = graph.training
        self.storages = Storages(graph)
        self.moved = 0
        self.made: dict[Key, int] = {}
        """Bytes moved in all when each storage was last written."""
        # Weights are read once per pass, so between two uses lies everything that a pass moves.
        self.footprint = sum(weight.nbytes for weight in graph.weights) + sum(
            self.storages.size.values()
        )

    def add(self, node: Node, row: Operator | None) -> None:
        self.moved += sum(weight.nbytes for weight in node.weights)
        for value in node.outputs:
            owner = self.storages.owner[key(value)]
            if owner == key(value):
                self.moved += value.nbytes
            elif not node.attrs.get("inplace"):
                continue  # a view is as old as what it looks at
            if row is None or row.kind != "input":
                self.made[owner] = self.moved

    def distances(self, node: Node) -> list[int]:
        """Bytes moved since each input was written; a whole pass for the network's own inputs."""
        owners = [self.storages.owner[key(value)] for value in node.inputs]
        return [
            self.moved - self.made[owner] if owner in self.made else self.footprint
            for owner in owners
        ]

    def is_view(self, node: Node) -> bool:
        """Whether the output lies in an input's storage and nothing is computed."""
        if not node.outputs or node.attrs.get("inplace"):
            return not node.outputs
        first = key(node.outputs[0])
        return self.storages.owner[first] != first


def _call(node: Node, row: Operator | None, context: _Context) -> Call:
    """A node's features. Sizes that an operator does not have are 0."""
    view = context.is_view(node)
    cost = row.cost(node, context.training) if row is not None and not view else None
    macs = cost.macs if cost is not None else 0
    flops = cost.flops if cost is not None else 0
    output = node.outputs[0].shape if node.outputs else ()
    given = node.inputs[0].shape if node.inputs else ()
    weights = operands(node) if node.weights else ()
    kernel = weights[0][2:] if weights and len(weights[0]) > 2 else node.attrs.get("kernel_size")
    window = _sizes(kernel) if kernel else _window(given, output, row)
    stated = node.attrs.get("groups", node.attrs.get("num_groups", 1))
    groups = max(1, stated) if isinstance(stated, int) else 1
    channels_in, places_in = _split(given)
    channels_out, places_out = _split(output)
    read = sum(value.nbytes for value in node.inputs)
    if row is not None and row.reads is not None and not view:
        read = row.reads(node)
    held = sum(weight.nbytes for weight in node.weights)
    written = 0 if view else sum(value.nbytes for value in node.outputs)
    distances = context.distances(node) or [0]
    lies = [value for value in node.inputs if len(value.shape) > 1]
    numbers = (
        macs,
        flops - 2 * macs,
        read,
        held,
        written,
        output[0] if output else 1,
        channels_in,
        channels_out,
        places_in,
        places_out,
        prod(output[:-1]),
        given[-1] if given else 0,
        output[-1] if output else 0,
        prod(window),
        max(window, default=0),
        max(_sizes(node.attrs.get("stride", 1)), default=1),
        max(_sizes(node.attrs.get("dilation", 1)), default=1),
        groups,
        channels_in // groups,
        channels_out // groups,
        macs / max(1, sum(value.numel for value in node.outputs)),
        macs / max(1, read + held + written),
    )
    layout = context.storages
    flags = (
        _waste(channels_in // groups),
        _waste(channels_out),
        _waste(output[-1] if output else 0),
        _waste(channels_in // groups, TILE),
        _waste(channels_out // groups, TILE),
        float(len(node.inputs)),
        float(len({value.shape for value in node.inputs}) > 1),
        float(bool(node.attrs.get("inplace"))),
        float(any(not layout.contiguous(value) for value in lies)),
        float(any(layout.channels_last(value) for value in lies)),
        _log(min(distances)),
        _log(max(distances)),
        _log(context.footprint),
    )
    kind = VIEW if view else row.kind if row is not None else ""
    moved = 0 if view else read + held + written
    return Call(node.name, node.op, kind, flops, moved, (*map(_log, numbers), *flags))


def _window(given: tuple[int, ...], output: tuple[int, ...], row: Operator | None) -> list[int]:
    """Of an adaptive pool or a reduction: how many places become one."""
    if row is None or row.kind not in ("pooling", "reduction") or not output:
        return []
    return [max(1, prod(given) // max(1, prod(output)))]


def _split(shape: tuple[int, ...]) -> tuple[int, int]:
    """(channels, places) of (N, C, *spatial); a matrix has its columns for channels."""
    if len(shape) < 2:
        return (shape[0] if shape else 1), 1
    return shape[1], prod(shape[2:])


def _sizes(value: object) -> list[int]:
    found = value if isinstance(value, tuple | list) else (value,)
    return [size for size in found if isinstance(size, int)]


def _waste(channels: int, at_once: int = LANES) -> float:
    """The share of padding, if channels are taken ``at_once``."""
    return 1 - channels / (-(-channels // at_once) * at_once) if channels else 0.0


def _log(value: float) -> float:
    return log2(1 + value)
