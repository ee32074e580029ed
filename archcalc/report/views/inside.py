"""One model from the inside: its layers, formulas, parameters, memory and receptive fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from archcalc.analysis.memory import Activation, Memory, Step, liveness
from archcalc.analysis.memory import memory as memory_of
from archcalc.analysis.profile import Module, Profile, profile
from archcalc.analysis.receptive_field import Reach
from archcalc.analysis.worked_example import counted
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.ops.window import Why
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.sections import weights_by_dtype
from archcalc.report.table import Cell, Column, Table, raw
from archcalc.report.views.common import (
    class_table,
    conventions,
    output_column,
    outside,
    title,
    total,
)

WHY_UNKNOWN: dict[Why, str] = {
    "unlisted": "{node} is not in the operator table",
    "values": "{node} reads where values tell it to",
    "wraps": "{node} wraps around the border",
    "order": "{node} reverses positions",
    "windows": "{node} cuts out overlapping windows",
    "sequence": "{node} runs along a sequence",
    "transform": "{node} mixes positions",
    "layout": "{node} rearranges dimensions in a way that is not followed",
    "strides": "branches of different strides meet at {node}",
    "inputs": "the input is not one image size",
    "bare": "it depends on no input",
}

ROWS_AT_A_GLANCE = 40
"""``show`` folds deeper levels away when there would be more rows than this."""


def layers(found: Profile, depth: int | None = None) -> Document:
    """``archcalc show``: a row a module, repeated neighbours folded into one."""
    modules = found.modules(depth or depth_at_a_glance(found))
    rows: list[tuple[Cell, ...]] = [
        (
            folded_name(run),
            run[0].op,
            run[-1].output,
            sum(module.params for module in run),
            _sum(module.macs for module in run),
        )
        for run in fold(modules)
    ]
    rows.append(("total", "", found.output, found.params_executed, total(found, "macs")))
    columns = (
        Column("name", "name"),
        Column("op", "operator", priority=1),
        output_column(found.graph),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
    )
    notes = conventions([found])
    hidden = len(found.layers) - len(modules)
    if hidden:
        notes = (
            f"{len(found.layers)} nodes, gathered by module; --depth 9 shows each.",
            *notes,
        )
    table = Table(columns, tuple(rows), title(found), total=True)
    return answer((table,), records.models([found]), notes)


def explanation(found: Profile, pattern: str = "") -> Document:
    """``archcalc explain``: the working of every node with multiply-adds; with a pattern, all the
    work and the reasons of the nodes that match. Raises UsageError when none does."""
    chosen = [layer for layer in found.layers if _matches(layer.name, pattern)]
    if pattern and not chosen:
        near = ", ".join(module.name for module in found.modules(1)[:6])
        raise UsageError(f"no node of {found.spec} matches {pattern!r}; its modules: {near}, ...")
    rows: list[tuple[Cell, ...]] = []
    if pattern:
        for layer in chosen:
            for field, formula in (layer.formulas or {layer.status: layer.reason}).items():
                rows.append((layer.name, field, formula))
    else:
        rows = [(layer.name, "macs", layer.formula) for layer in counted(found)]
    macs = sum(layer.macs or 0 for layer in chosen)
    rows.append(("total", "macs", f"{macs:,}"))
    columns = (
        Column("name", "node"),
        Column("class", "class"),
        Column("formula", "working", "prose"),
    )
    return answer(
        (Table(columns, tuple(rows), title(found), total=True), class_table(found)),
        records.models([found]),
        conventions([found]),
    )


def parameters(found: Profile, depth: int | None = None) -> Document:
    """``archcalc params``: where the parameters are, and which this pass leaves out."""
    modules = [module for module in found.modules(depth) if module.params]
    everything = found.params
    rows: list[tuple[Cell, ...]] = []
    for module in modules:
        weights = module.layers[0].node.weights if len(module.layers) == 1 else ()
        shapes = ", ".join(raw(weight.shape) for weight in weights)
        rows.append((module.name, shapes, module.params, module.params / everything))
    idle = everything - found.params_executed
    if idle:
        rows.append(("not run in this pass", "", idle, idle / everything))
    rows.append(("total", "", everything, 1.0 if everything else None))
    columns = (
        Column("name", "name"),
        Column("weights", "weights", "prose", 1),
        Column("params", "params", "count"),
        Column("share", "share", "share"),
    )
    return answer(
        (Table(columns, tuple(rows), title(found), total=True), weights_by_dtype.table(found)),
        records.models([found]),
        (
            "Weights are written as torch keeps them: out × in/groups × window, then the bias.",
            *outside([found]),
        ),
    )


def memory(found: Profile, optimizer: str = "sgd", depth: int | None = None) -> Document:
    """``archcalc memory``: weights, every activation, the peak, and what training keeps.

    In training mode the totals are those of a step with this optimizer. With ``depth``, a row is a
    module: its last output, the most that is live in it, and the sum of what it saves.
    """
    reading = memory_of(found.graph, optimizer=optimizer)
    step = reading.step if found.graph.training else None
    peak = reading.peak
    data = records.models([found])
    data["models"][0]["memory"] = {
        "weight_bytes": reading.weight_bytes,
        "peak_activation_bytes": reading.peak_bytes,
        "peak_at": peak.name if peak else None,
        "eager_peak_activation_bytes": reading.eager_peak_bytes,
        "eager_peak_at": reading.eager_peak_at or None,
        "training_step": reading.step
        and {
            **reading.step._asdict(),
            "peak": reading.step.peak,
            "at": reading.step.peak_phase,
        },
        "saved_for_backward_bytes": reading.saved_bytes,
        "activations": [row._asdict() for row in reading.activations],
        "saved": [{"name": row.name, "bytes": row.nbytes} for row in reading.saved],
    }
    return answer(
        (_activations(found, reading, depth), _of_step(step) if step else _of_pass(reading)),
        data,
        (
            *(() if step else (LIVE,)),
            "Saved: what autograd keeps of this node for the backward pass in training.",
            PEAK_OF_STEP if step else PEAKS_OF_PASS,
            "No workspace of a library and no fragmentation.",
        ),
    )


LIVE = "Live: outputs that some later node still reads, while this node runs. Views are free."
PEAKS_OF_PASS = (
    "Least: the minimum that any allocator needs. Eager: the caller holds the input, and Python "
    "frames hold what they name."
)
PEAK_OF_STEP = (
    "A peak is everything held at a time: weights, gradients, the optimizer's state and "
    "activations, as eager torch holds them on the CPU."
)


def _activations(found: Profile, reading: Memory, depth: int | None) -> Table:
    """A row for each node or module. In training every node that runs then, auxiliary heads too;
    what is live in inference says nothing of that."""
    training = found.graph.training
    ran = liveness(found.graph.forward) if training else reading.activations
    saved = {row.name: row for row in reading.saved}
    modules: dict[str, list[Activation]] = {}
    for each in ran:
        modules.setdefault(_module(each.name, depth), []).append(each)
    rows: list[tuple[Cell, ...]] = []
    for name, inside in modules.items():
        keeps = [saved[row.name].nbytes for row in inside if row.name in saved]
        at_peak = not training and any(row is reading.peak for row in inside)
        rows.append(
            (
                f"{name} ←peak" if at_peak else name,
                inside[-1].shape,
                inside[-1].nbytes,
                *(() if training else (max(row.live for row in inside),)),
                sum(keeps) if keeps else None,
            )
        )
    columns = (
        Column("name", "node"),
        output_column(found.graph),
        Column("bytes", "output", "bytes"),
        *(() if training else (Column("live_bytes", "live", "bytes"),)),
        Column("saved_bytes", "saved", "bytes"),
    )
    return Table(columns, tuple(rows), title(found))


TOTALS = Column("what", "memory"), Column("bytes", "bytes", "bytes"), Column("where", "where")


def _of_pass(reading: Memory) -> Table:
    peak = reading.peak
    return Table(
        TOTALS,
        (
            ("weights", reading.weight_bytes, ""),
            ("least activations, inference", reading.peak_bytes, peak.name if peak else ""),
            ("activations in eager torch", reading.eager_peak_bytes, reading.eager_peak_at),
            ("kept for backward, training", reading.saved_bytes, ""),
        ),
    )


PHASES = {"forward": "forward pass", "backward": "backward pass", "step": "optimizer's step"}


def _of_step(step: Step) -> Table:
    return Table(
        TOTALS[:2],
        (
            ("weights", step.weights),
            ("gradients", step.gradients),
            (f"state of {step.optimizer}", step.optimizer_state),
            ("activations saved for backward", step.saved),
            ("peak of the forward pass", step.forward_peak),
            ("peak of the backward pass", step.backward_peak),
            ("peak of the optimizer's step", step.step_peak),
            (f"peak overall ({PHASES[step.peak_phase]})", step.peak),
        ),
    )


def _module(name: str, depth: int | None) -> str:
    """The first ``depth`` parts of a node's name; all of it for None."""
    return ".".join(name.split(".")[:depth])


def receptive_field(found: Profile, depth: int | None = None) -> Document:
    """``archcalc receptive-field``: how much of the input one output position sees.

    With ``depth``, a row is a module and shows its last node.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, layer in {_module(each.name, depth): each for each in found.layers}.items():
        reach = found.receptive_fields.get(layer.name)
        if not isinstance(reach, Reach):
            why = WHY_UNKNOWN[reach.why].format(node=reach.node) if reach else "not followed"
            rows.append((name, layer.output, f"unknown: {why}", "", ""))
        else:
            rows.append((name, layer.output, str(reach), *_stride_and_offset(reach)))
    columns = (
        Column("name", "node"),
        output_column(found.graph),
        Column("receptive_field", "receptive field", "prose"),
        Column("stride", "stride", priority=1),
        Column("offset", "offset", priority=2),
    )
    data = records.models([found])
    data["models"][0]["receptive_fields"] = {
        name: records.reach(reach) for name, reach in found.receptive_fields.items()
    }
    return answer(
        (Table(columns, tuple(rows), title(found)),),
        data,
        (
            "Pixels of the input, height×width; smallest to largest where branches differ.",
            "Offset: where the first window starts; negative is inside the padding.",
        ),
    )


def partial(graph: Graph, failed: str) -> str:
    """The table up to the node that could not be added, for an error's reader."""
    from archcalc.report.formats.terminal import terminal

    found = profile(graph)
    modules = found.modules(depth_at_a_glance(found))
    rows = [(folded_name(run), run[0].op, run[-1].output) for run in fold(modules)]
    columns = (
        Column("name", "name"),
        Column("op", "operator"),
        output_column(found.graph),
    )
    table = Table(columns, (*rows, (failed, "fails", None)))
    return terminal(answer((table,), {}))


def depth_at_a_glance(found: Profile) -> int | None:
    """The deepest level that still fits a screen; None when everything does."""
    if len(found.layers) <= ROWS_AT_A_GLANCE:
        return None
    deepest = max(layer.name.count(".") + 1 for layer in found.layers)
    fitting = [
        depth for depth in range(1, deepest) if len(fold(found.modules(depth))) <= ROWS_AT_A_GLANCE
    ]
    return max(fitting, default=1)


def fold(modules: Sequence[Module]) -> list[list[Module]]:
    """Runs of neighbours that are the same but for their names."""
    runs: list[list[Module]] = []
    for module in modules:
        if runs and len(module.layers) > 1 and _structure(runs[-1][-1]) == _structure(module):
            runs[-1].append(module)
        else:
            runs.append([module])
    return runs


def _structure(module: Module) -> list[tuple[Any, ...]]:
    return [
        (
            layer.op,
            layer.node.attrs,
            [weight.shape for weight in layer.node.weights],
            [value.shape for value in (*layer.node.inputs, *layer.node.outputs)],
        )
        for layer in module.layers
    ]


def folded_name(run: Sequence[Module]) -> str:
    if len(run) == 1:
        return run[0].name
    return f"{run[0].name} … {run[-1].name.rpartition('.')[2]} ({len(run)}×)"


def _matches(name: str, pattern: str) -> bool:
    """A shell pattern on the whole name, or a module's name for everything in it."""
    return not pattern or fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")


def _stride_and_offset(reach: Reach) -> tuple[str, str]:
    fields = [field for field in dict.fromkeys(reach) if not field.is_global]

    def both(part: str) -> str:
        texts = dict.fromkeys(_square(getattr(field, part)) for field in fields)
        return " to ".join(texts)

    return both("stride"), both("offset")


def _square(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [found for found in counts if found is not None]
    return sum(known) if known else None
