"""Weights, activations, the peak, and what training keeps: ``archcalc memory`` and reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archcalc.analysis import fold
from archcalc.analysis.memory import Activation, Memory, StepMemory, liveness
from archcalc.analysis.memory import memory as memory_of
from archcalc.analysis.profile import Profile
from archcalc.language import _, mark
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
        (
            _activations(found, memory, depth),
            of_steps({found.spec: step}) if step else totals({found.spec: memory}),
        ),
        data,
        (
            *gathered(found, fold.rows(found, depth)),
            *(() if step else (_(LIVE),)),
            _("Saved: what autograd keeps of this node for the backward pass in training."),
            _(PEAK_OF_STEP if step else PEAKS_OF_PASS),
            _("No workspace of a library and no fragmentation."),
        ),
    )


def of_report(context: Context) -> Iterator[Block]:
    """Weights, the peak of the activations, and what training keeps."""
    profiles = context.report.profiles
    passes = {found.spec: found.memory for found in profiles if not found.graph.training}
    steps = {
        found.spec: step
        for found in profiles
        if found.graph.training and (step := found.memory.step)
    }
    if passes:
        yield Tabular(totals(passes))
    if steps:
        yield Tabular(of_steps(steps))
    yield Text(
        _(
            "Alive: outputs that a later node still reads while this node runs; views take no "
            "memory. Kept for backward: what autograd saves in a training step. Workspaces, "
            "fragmentation, gradients and optimizer state are not included."
        )
    )
    if not context.charts:
        return
    from archcalc.report import charts

    for place, found in enumerate(context.report.profiles):
        spec = charts.memory(found, context.units)
        if spec is not None:
            caption = _(
                "{model}: bytes of activations alive at each node, inference", model=found.spec
            )
            yield Chart(f"{slug(found.spec)}-memory", caption, spec, f"model-{place}")


LIVE = mark("Live: outputs that some later node still reads, while this node runs. Views are free.")
PEAKS_OF_PASS = mark(
    "Least: the minimum that any allocator needs. Eager: the caller holds the input, and Python "
    "frames hold what they name."
)
PEAK_OF_STEP = mark(
    "A peak is everything held at a time: weights, gradients, the optimizer's state and "
    "activations, as eager torch holds them on the CPU."
)


def _activations(found: Profile, memory: Memory, depth: int | None) -> Table:
    """A row for each node or module. In training, auxiliary heads have rows too, and the column of
    live bytes is left out, because it describes inference."""
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
                _("{node} ←peak", node=name) if at_peak else name,
                inside[-1].shape,
                inside[-1].nbytes,
                *(() if training else (max(row.live for row in inside),)),
                sum(keeps) if keeps else None,
            )
        )
    columns = (
        Column("name", _("node")),
        output_column(found.graph)._replace(priority=3),
        Column("bytes", _("output"), "bytes", 2),
        *(() if training else (Column("live_bytes", _("live"), "bytes"),)),
        Column("saved_bytes", _("saved"), "bytes"),
    )
    return Table(columns, tuple(rows), title(found))


def totals(memories: Mapping[str, Memory]) -> Table:
    """A row per model: what a pass holds, in inference and for training."""
    rows: list[tuple[Cell, ...]] = []
    for model, memory in memories.items():
        peak = memory.peak.name if memory.peak else None
        rows.append(
            (
                model,
                memory.weight_bytes,
                memory.peak_bytes,
                peak,
                memory.eager_peak_bytes,
                memory.eager_peak_at or None,
                memory.saved_bytes,
            )
        )
    columns = (
        Column("model", _("model")),
        Column("weight_bytes", _("weights"), "bytes"),
        Column("peak_activation_bytes", _("least activations"), "bytes"),
        Column("peak_at", _("peak at"), priority=1),
        Column("eager_peak_activation_bytes", _("in eager torch"), "bytes"),
        Column("eager_peak_at", _("eager peak at"), priority=1),
        Column("saved_bytes", _("kept for backward"), "bytes"),
    )
    return Table(columns, tuple(rows))


def of_steps(steps: Mapping[str, StepMemory]) -> Table:
    """A row per model: what a training step holds, and the peak of each of its phases."""
    columns = (
        Column("model", _("model")),
        Column("optimizer", _("optimizer"), priority=2),
        Column("weights", _("weights"), "bytes"),
        Column("gradients", _("gradients"), "bytes"),
        Column("optimizer_state", _("optimizer state"), "bytes"),
        Column("saved", _("kept for backward"), "bytes"),
        Column("forward_peak", _("forward peak"), "bytes", 1),
        Column("backward_peak", _("backward peak"), "bytes", 1),
        Column("step_peak", _("update peak"), "bytes", 1),
        Column("peak", _("peak"), "bytes"),
    )
    rows = tuple(
        (
            model,
            step.optimizer,
            step.weights,
            step.gradients,
            step.optimizer_state,
            step.saved,
            step.forward_peak,
            step.backward_peak,
            step.step_peak,
            step.peak,
        )
        for model, step in steps.items()
    )
    return Table(columns, rows)


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
