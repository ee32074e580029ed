"""Weights, activations, the peak, and what training keeps: ``archcalc memory`` and reports."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis import fold
from archcalc.analysis.memory import Activation, Memory, Step, liveness
from archcalc.analysis.memory import memory as memory_of
from archcalc.analysis.profile import Profile
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Tabular, Text, answer
from archcalc.report.sections.common import gathered, output_column, slug, title
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Column, Table


def show(found: Profile, optimizer: str = "sgd", depth: int | None = None) -> Document:
    """``archcalc memory``: a row per node, then the totals.

    In training mode the totals are those of a step with this optimizer. Long tables are
    folded. A row of several nodes has its last output, the most that is live in it, and the sum of
    what it saves.
    """
    memory = memory_of(found.graph, optimizer=optimizer)
    step = memory.step if found.graph.training else None
    data = records.models([found])
    data["models"][0]["memory"] = _record(memory)
    return answer(
        (_activations(found, memory, depth), _of_step(step) if step else _of_pass(memory)),
        data,
        (
            *gathered(found, fold.rows(found, depth)),
            *(() if step else (LIVE,)),
            "Saved: what autograd keeps of this node for the backward pass in training.",
            PEAK_OF_STEP if step else PEAKS_OF_PASS,
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


LIVE = "Live: outputs that some later node still reads, while this node runs. Views are free."
PEAKS_OF_PASS = (
    "Least: the minimum that any allocator needs. Eager: the caller holds the input, and Python "
    "frames hold what they name."
)
PEAK_OF_STEP = (
    "A peak is everything held at a time: weights, gradients, the optimizer's state and "
    "activations, as eager torch holds them on the CPU."
)


def _activations(found: Profile, memory: Memory, depth: int | None) -> Table:
    """A row for each node or module. In training every node that runs then, auxiliary heads too;
    what is live in inference says nothing of that."""
    training = found.graph.training
    ran = liveness(found.graph.forward) if training else memory.activations
    saved = {row.name: row for row in memory.saved}
    shown = fold.labels(fold.rows(found, depth))
    modules: dict[str, list[Activation]] = {}
    for each in ran:
        modules.setdefault(shown.get(each.name, each.name), []).append(each)
    rows: list[tuple[Cell, ...]] = []
    for name, inside in modules.items():
        keeps = [saved[row.name].nbytes for row in inside if row.name in saved]
        at_peak = not training and any(row is memory.peak for row in inside)
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
        output_column(found.graph)._replace(priority=1),
        Column("bytes", "output", "bytes"),
        *(() if training else (Column("live_bytes", "live", "bytes"),)),
        Column("saved_bytes", "saved", "bytes"),
    )
    return Table(columns, tuple(rows), title(found))


TOTALS = Column("what", "memory"), Column("bytes", "bytes", "bytes"), Column("where", "where")


def _of_pass(memory: Memory) -> Table:
    peak = memory.peak
    return Table(
        TOTALS,
        (
            ("weights", memory.weight_bytes, ""),
            ("least activations, inference", memory.peak_bytes, peak.name if peak else ""),
            ("activations in eager torch", memory.eager_peak_bytes, memory.eager_peak_at),
            ("kept for backward, training", memory.saved_bytes, ""),
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
