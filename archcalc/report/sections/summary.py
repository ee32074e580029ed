"""The summary of a model: its modules as an indented tree, and its totals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from archcalc.analysis.profile import Layer, Module, Profile
from archcalc.graph import times
from archcalc.language import _, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections.common import output_column, sum_of, title, total
from archcalc.report.sections.conventions import notes as conventions
from archcalc.report.table import Cell, Column, Table, text
from archcalc.report.units import size

DEPTH = 3
TOTAL = "total"


def show(found: Profile, *, depth: int | None = DEPTH, frozen: Collection[str] = ()) -> Document:
    """A row per module down to ``depth``, then the totals.

    The row of a module adds up the rows inside it. ``frozen`` has the names of the parameters that
    are not trained.
    """
    rows = [_row(name, level, layers, frozen) for name, level, layers in tree(found.layers, depth)]
    rows.append(_row(TOTAL, 0, found.layers, frozen))
    columns = (
        Column("name", _("module")),
        Column("op", _("operator"), priority=2),
        Column("kernel", _("kernel"), priority=4),
        output_column(found.graph)._replace(priority=1),
        Column("params", _("params"), "count"),
        Column("trainable", _("trainable"), "count"),
        Column("macs", _("MACs"), "count"),
        Column("bytes", _("output memory"), "bytes", 3),
    )
    notes = (*_totals(found, frozen), *conventions([found]))
    table = Table(columns, tuple(rows), title(found), total=True)
    return answer((table,), records.models([found]), notes)


def tree(
    layers: Sequence[Layer], depth: int | None, level: int = 0
) -> Iterator[tuple[str, int, Sequence[Layer]]]:
    """The modules in order of first use, each before the modules inside it: name, level, layers."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.name.split(".")[level], []).append(layer)
    for name, inside in groups.items():
        yield name, level, inside
        deeper = [layer for layer in inside if layer.name.count(".") > level]
        if deeper and (depth is None or level + 1 < depth):
            yield from tree(deeper, depth, level + 1)


def _row(
    name: str, level: int, layers: Sequence[Layer], frozen: Collection[str]
) -> tuple[Cell, ...]:
    module = Module(name, tuple(layers))
    alone = layers[0] if len(layers) == 1 else None
    params = module.params
    return (
        f"{'│  ' * (level - 1)}{'├─ ' if level else ''}{term(name)}",
        "" if name == TOTAL else module.op,
        _kernel(alone) if alone else "",
        module.output,
        params,
        params - _frozen(layers, frozen),
        sum_of(layers, "macs"),
        sum(value.nbytes for layer in layers for value in layer.node.outputs) if alone else None,
    )


def _kernel(layer: Layer) -> str:
    """The window of a convolution or a pooling."""
    if layer.kind == "conv" and layer.node.weights:
        return times(layer.node.weights[0].shape[2:])
    given = layer.node.attrs.get("kernel_size")
    if isinstance(given, int):
        return f"{given}×{given}"
    return times(tuple(given)) if given else ""


def _frozen(layers: Sequence[Layer], frozen: Collection[str]) -> int:
    names = {weight.name: weight.numel for layer in layers for weight in layer.node.weights}
    return sum(number for name, number in names.items() if name in frozen)


def _totals(found: Profile, frozen: Collection[str]) -> tuple[str, ...]:
    still = sum(weight.numel for weight in found.graph.weights if weight.name in frozen)
    inputs = sum(value.nbytes for node in found.graph.inputs for value in node.outputs)
    written = sum(
        value.nbytes
        for layer in found.layers
        if layer.op != "input" and layer.status != "free"
        for value in layer.node.outputs
    )
    together = inputs + written + found.weight_bytes
    return (
        _(
            "Parameters: {params:,}; trainable: {trainable:,}; not trainable: {frozen:,}.",
            params=found.params,
            trainable=found.params - still,
            frozen=still,
        ),
        _(
            "MACs: {macs}; FLOPs: {flops}.",
            macs=_both(total(found, "macs")),
            flops=_both(total(found, "flops")),
        ),
        _(
            "Memory: input {input}, outputs of all operations {outputs}, parameters {params}; "
            "{together} together.",
            input=size(inputs),
            outputs=size(written),
            params=size(found.weight_bytes),
            together=size(together),
        ),
    )


def _both(value: int) -> str:
    """All digits, then as people read it."""
    return f"{text(value, 'exact')} ({text(value, 'count')})"
