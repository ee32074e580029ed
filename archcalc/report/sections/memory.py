"""Weights, activations, the peak, and what training keeps: ``archcalc memory`` and reports."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.memory import Activation, Memory, Step
from archcalc.analysis.memory import memory as memory_of
from archcalc.analysis.profile import Profile
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.sections.common import module_of, output_column, slug, title
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def show(found: Profile, optimizer: str = "sgd", depth: int | None = None) -> Document:
    """``archcalc memory``: a row per node, then the totals.

    In training mode also the totals of a step with this optimizer. With ``depth``, a row is a
    module: its last output, the most that is live in it, and the sum of what it saves.
    """
    memory = memory_of(found.graph, optimizer=optimizer)
    data = records.models([found])
    data["models"][0]["memory"] = _record(memory)
    return answer(
        (_activations(found, memory, depth), _totals(found, memory)),
        data,
        (
            "Live: outputs that some later node still reads, while this node runs. Views are free.",
            "Saved: what autograd keeps of this node for the backward pass in training.",
            "Least: the minimum that any allocator needs. Eager: the caller holds the input, and "
            "Python frames hold what they name.",
            "No workspace of a library and no fragmentation.",
        ),
    )


def of_report(context: Context) -> Iterator[Block]:
    """Weights, the peak of the activations, and what training keeps."""
    rows: list[tuple[Cell, ...]] = []
    for found in context.report.profiles:
        memory = found.memory
        peak = memory.peak.name if memory.peak else ""
        rows.append((found.spec, memory.weight_bytes, memory.peak_bytes, peak, memory.saved_bytes))
    columns = context.columns(
        ("model", "text"),
        ("weights", "bytes"),
        ("peak", "bytes"),
        ("peak_at", "text"),
        ("saved", "bytes"),
    )
    yield Tabular(Table(columns, tuple(rows)))
    yield Text(context.words("note.memory"))
    if not context.charts:
        return
    from archcalc.report import charts

    for place, found in enumerate(context.report.profiles):
        spec = charts.memory(found, context.words, context.units)
        if spec is not None:
            caption = context.words("figure.memory", model=found.spec)
            yield Chart(f"{slug(found.spec)}-memory", caption, spec, f"model-{place}")


def _activations(found: Profile, memory: Memory, depth: int | None) -> Table:
    saved = {row.name: row for row in memory.saved}
    modules: dict[str, list[Activation]] = {}
    for each in memory.activations:
        modules.setdefault(module_of(each.name, depth), []).append(each)
    rows = [
        (
            f"{name} ←peak" if any(row is memory.peak for row in inside) else name,
            inside[-1].shape,
            inside[-1].nbytes,
            max(row.live for row in inside),
            sum(saved[row.name].nbytes for row in inside if row.name in saved)
            if any(row.name in saved for row in inside)
            else None,
        )
        for name, inside in modules.items()
    ]
    columns = (
        Column("name", "node"),
        output_column(found.graph),
        Column("bytes", "output", "bytes"),
        Column("live_bytes", "live", "bytes"),
        Column("saved_bytes", "saved", "bytes"),
    )
    return Table(columns, tuple(rows), title(found))


def _totals(found: Profile, memory: Memory) -> Table:
    step = memory.step
    columns = (
        Column("what", "memory"),
        Column("bytes", "bytes", "bytes"),
        Column("where", "where"),
    )
    rows: list[tuple[Cell, ...]] = [
        ("weights", memory.weight_bytes, ""),
        (
            "least activations, inference",
            memory.peak_bytes,
            memory.peak.name if memory.peak else "",
        ),
        ("activations in eager torch", memory.eager_peak_bytes, memory.eager_peak_at),
        ("kept for backward, training", memory.saved_bytes, ""),
    ]
    if found.graph.training and step:
        rows += _step(step)
    return Table(columns, tuple(rows))


def _step(step: Step) -> list[tuple[Cell, ...]]:
    return [
        ("gradients", step.gradients, ""),
        (f"state of {step.optimizer}", step.optimizer_state, ""),
        ("peak of the forward pass", step.forward_peak, ""),
        ("peak of the backward pass", step.backward_peak, ""),
        ("peak of the optimizer's step", step.step_peak, ""),
        ("peak of a training step", step.peak, step.peak_phase),
    ]


def _record(memory: Memory) -> dict[str, Cell]:
    step = memory.step
    return {
        "weight_bytes": memory.weight_bytes,
        "peak_activation_bytes": memory.peak_bytes,
        "peak_at": memory.peak.name if memory.peak else None,
        "eager_peak_activation_bytes": memory.eager_peak_bytes,
        "eager_peak_at": memory.eager_peak_at or None,
        "training_step": step and {**step._asdict(), "peak": step.peak, "at": step.peak_phase},
        "saved_for_backward_bytes": memory.saved_bytes,
        "activations": [row._asdict() for row in memory.activations],
        "saved": [{"name": row.name, "bytes": row.nbytes} for row in memory.saved],
    }
