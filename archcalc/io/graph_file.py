"""Write and read a Graph as JSON with a schema version.

A file is data and never code. Reading checks everything that analyzers rely on: a tensor is
produced before it is used, sizes are nonnegative integers, and dtypes are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec

from archcalc.errors import UsageError
from archcalc.graph import DTYPES, Attributes, Graph, Maker, Node, Phase, Shape, Value, Weight
from archcalc.guard import first_line
from archcalc.io.files import write_text
from archcalc.io.limits import check_limits, read_text
from archcalc.language import Message
from archcalc.ops import TABLE
from archcalc.version import VERSION

SUFFIX = ".graph.json"
SCHEMA_VERSION = 1
LARGEST_SIZE = 2**62
"""The largest size of one dimension."""
MAKE_ONE = "`archcalc flops MODEL --save-graph FILE` writes one"


class _Tensor(msgspec.Struct, array_like=True):
    shape: tuple[int, ...]
    dtype: str


class _Given(msgspec.Struct, array_like=True):
    """An input of a node: an output of an earlier node. Shape and dtype are written only if they
    differ from those of the output, as after an in-place call."""

    source: int
    port: int
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


class _Weight(msgspec.Struct, array_like=True):
    name: str
    shape: tuple[int, ...]
    dtype: str


class _Node(msgspec.Struct, omit_defaults=True):
    name: str
    op: str
    outputs: list[_Tensor]
    inputs: list[_Given] = []
    attrs: dict[str, Any] = {}
    weights: list[_Weight] = []
    training_only: bool = False
    phase: Phase = "forward"
    where: str = ""


FORMATS = ("", ",", ".0f", ".1f", ".2f", ".3g")
"""The formats that a note may use for its values."""


class _Note(msgspec.Struct):
    """A translatable note: its English pattern, and the values or notes that it contains."""

    pattern: str
    values: dict[str, int | float | str | _Note]


class _File(msgspec.Struct):
    schema_version: int
    archcalc: str
    name: str
    spec: str
    training: bool
    declared: bool
    notes: list[str | _Note]
    nodes: list[_Node]
    outputs: dict[str, _Given]
    unused: list[_Weight]
    lifetimes: list[tuple[int, int, int]]
    made_by: dict[str, tuple[str, bool]] | None = None


def save(graph: Graph, path: str | Path) -> None:
    """Write a graph. Raises UsageError if the file cannot be written, or if JSON cannot represent
    an attribute of a node."""
    if not str(path).endswith(SUFFIX):
        raise UsageError(f"{path}: the name of a graph's file must end in {SUFFIX}")
    write_text(path, encode(graph).decode() + "\n")


def load(path: str | Path) -> Graph:
    """Read the file of a graph. Raises UsageError if it is missing or is not a graph."""
    graph = decode(read_text(path, MAKE_ONE).encode(), path)
    for node in graph:
        if node.op not in TABLE:
            continue  # not counted, as in any graph
        try:
            TABLE[node.op].cost(node, graph.training)
            TABLE[node.op].bytes_moved(node, graph.training)
        except Exception as error:  # any operator's rule may miss an attribute or an input
            raise UsageError(
                f"{path}: the node {node.name[:80]!r} is not a {node.op} that can be counted "
                f"({type(error).__name__}: {first_line(error)})"
            ) from None
    return graph


def encode(graph: Graph) -> bytes:
    """The graph as JSON. Raises UsageError if JSON cannot represent an attribute."""
    file = _File(
        SCHEMA_VERSION,
        VERSION,
        graph.name,
        graph.spec,
        graph.training,
        graph.declared,
        [_note(note) for note in graph.notes],
        [_node(node, graph.nodes) for node in graph.nodes],
        {name: _given(value, graph.nodes) for name, value in graph.outputs.items()},
        [_Weight(*weight) for weight in graph.unused],
        [(node, port, last) for (node, port), last in graph.lifetimes.items()],
        None if graph.made_by is None else {name: (*by,) for name, by in graph.made_by.items()},
    )
    return msgspec.json.encode(file)


def decode(text: bytes, path: str | Path) -> Graph:
    """The graph of a JSON text. Raises UsageError, with a message that names ``path``."""
    try:
        file = msgspec.json.decode(text, type=_File)
        check_limits([node.attrs for node in file.nodes], path)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not the file of a graph: {error}; {MAKE_ONE}") from None
    if file.schema_version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {file.schema_version}; this archcalc reads "
            f"{SCHEMA_VERSION}: write the file again with --save-graph"
        )
    try:
        return _graph(file)
    except ValueError as error:
        raise UsageError(f"{path} is not the file of a graph: {error}") from None


def _node(node: Node, nodes: Sequence[Node]) -> _Node:
    return _Node(
        node.name,
        node.op,
        [_Tensor(value.shape, value.dtype) for value in node.outputs],
        [_given(value, nodes) for value in node.inputs],
        {key: _plain(value, node) for key, value in node.attrs.items()},
        [_Weight(*weight) for weight in node.weights],
        node.training_only,
        node.phase,
        node.where,
    )


def _given(value: Value, nodes: Sequence[Node]) -> _Given:
    made = nodes[value.source].outputs[value.port]
    if made == value:
        return _Given(value.source, value.port)
    return _Given(value.source, value.port, value.shape, value.dtype)


def _plain(value: Any, node: Node) -> Any:
    """An attribute as JSON. Infinities, NaN and tables become a table with one key, ``float`` or
    ``table``."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, tuple | list):
        return [_plain(item, node) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"table": {key: _plain(item, node) for key, item in value.items()}}
    raise UsageError(
        f"the graph cannot be written: {node.name} has an attribute of type {type(value).__name__}"
    )


def _attribute(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_attribute, value))
    if isinstance(value, dict):
        [(kind, held)] = value.items() if len(value) == 1 else [("", None)]
        if kind == "float" and held in ("inf", "-inf", "nan"):
            return float(held)
        if kind == "table" and isinstance(held, dict):
            return {key: _attribute(item) for key, item in held.items()}
        raise ValueError("an attribute is a table that archcalc does not write")
    return value


def _graph(file: _File) -> Graph:
    nodes: list[Node] = []
    names: set[str] = set()
    for place, found in enumerate(file.nodes):
        if found.name in names:
            raise ValueError(f"two nodes are called {found.name[:80]!r}")
        names.add(found.name)
        nodes.append(
            Node(
                found.name,
                found.op,
                tuple(_values(found.inputs, nodes)),
                tuple(
                    Value(*_checked(each.shape, each.dtype), place, port)
                    for port, each in enumerate(found.outputs)
                ),
                Attributes({key: _attribute(value) for key, value in found.attrs.items()}),
                tuple(_weights(found.weights)),
                found.training_only,
                found.phase,
                found.where,
            )
        )
    outputs = dict(zip(file.outputs, _values(file.outputs.values(), nodes), strict=True))
    if not outputs:
        raise ValueError("it has no output")
    lifetimes = {}
    for source, port, last in file.lifetimes:
        _made(source, port, nodes)
        if not 0 <= last <= len(nodes):  # len(nodes): until the end of the run
            raise ValueError(f"a tensor lives until node {last} of {len(nodes)}")
        lifetimes[source, port] = last
    return Graph(
        file.name,
        tuple(nodes),
        outputs,
        file.training,
        tuple(_weights(file.unused)),
        file.spec,
        tuple(_parsed_note(note) for note in file.notes),
        lifetimes,
        declared=file.declared,
        made_by=None
        if file.made_by is None
        else {name: Maker(*by) for name, by in file.made_by.items()},
    )


def _note(note: Any) -> Any:
    """A note, or a value inside one, as it is written."""
    if not isinstance(note, Message):
        return note
    return _Note(note.pattern, {name: _note(value) for name, value in note.values.items()})


def _parsed_note(note: Any) -> Any:
    """A note, or a value inside one, from the file. Raises ValueError for an invalid pattern."""
    if not isinstance(note, _Note):
        return note
    values = {name: _parsed_note(value) for name, value in note.values.items()}
    fields = [(name, spec) for _text, name, spec, _how in Formatter().parse(note.pattern) if name]
    # Allow only values in simple formats. A pattern could otherwise access attributes, or use a
    # width that fills the memory.
    if any(name not in values or spec not in FORMATS for name, spec in fields):
        raise ValueError(f"the note {note.pattern[:80]!r} lacks its values")
    return Message(note.pattern, **values)


def _values(given: Iterable[_Given], nodes: Sequence[Node]) -> Iterator[Value]:
    for each in given:
        made = _made(each.source, each.port, nodes)
        if each.shape is None or each.dtype is None:
            yield made
        else:
            yield Value(*_checked(each.shape, each.dtype), each.source, each.port)


def _made(source: int, port: int, nodes: Sequence[Node]) -> Value:
    if not 0 <= source < len(nodes) or not 0 <= port < len(nodes[source].outputs):
        raise ValueError(f"a tensor comes from output {port} of node {source}, which is not before")
    return nodes[source].outputs[port]


def _weights(found: Iterable[_Weight]) -> Iterator[Weight]:
    for weight in found:
        yield Weight(weight.name, *_checked(weight.shape, weight.dtype))


def _checked(shape: Shape, dtype: str) -> tuple[Shape, str]:
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype[:40]!r}")
    if not all(0 <= size <= LARGEST_SIZE for size in shape):
        raise ValueError("a size is negative or too large")
    return shape, dtype
