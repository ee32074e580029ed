"""What each command shows: records in, a Report out. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.inputs import describe_input
from archcalc.readings.compare import METRICS, Comparison
from archcalc.readings.diff import Diff
from archcalc.readings.profile import Module, Profile, profile
from archcalc.readings.receptive_field import Reach
from archcalc.readings.worked_example import Side, WorkedExample, counted
from archcalc.registry import Architecture
from archcalc.report import json
from archcalc.report.table import Cell, Column, Report, Table, raw

MACS = "MACs: multiply-adds of convolutions, linear layers and matrix products."
FLOPS = "FLOPs: 2 per MAC and 1 per other counted operation."
ROWS_AT_A_GLANCE = 40
"""``show`` folds deeper levels away when there would be more rows than this."""


def listing(architectures: Iterable[Architecture]) -> Report:
    """``archcalc list``."""
    rows, records = [], []
    for found in architectures:
        priced = profile(found.graph())
        rows.append((found.name, priced.input, priced.params_executed, priced.macs, found.source))
        records.append(_architecture_record(found, priced))
    columns = (
        Column("name", "model"),
        Column("input", "input H×W×C", "shape"),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("source", "source", "prose"),
    )
    return Report(
        (Table(columns, tuple(rows)),),
        json.head(architectures=records),
        (
            f"{MACS} Params are those that run in evaluation: no auxiliary heads.",
            "archcalc list MODEL tells its options.",
        ),
    )


def card(found: Architecture) -> Report:
    """``archcalc list MODEL``: what it is, where it comes from, how it can be set."""
    priced = profile(found.graph())
    about = (
        ("source", found.source),
        ("input", describe_input(priced.input)),
        ("params", f"{priced.params:,}, of which {priced.params_executed:,} run in evaluation"),
        ("macs", f"{priced.macs:,}"),
        ("aliases", ", ".join(found.aliases) or "none"),
    )
    options = [
        (option.name, str(option.default).lower(), option.wanted)
        for option in found.options.values()
    ]
    tables = [
        Table((Column("what", found.name), Column("is", found.summary, "prose")), about),
        Table(
            (Column("option", "option"), Column("default", "default"), Column("values", "values")),
            tuple(options),
        ),
    ]
    return Report(
        tuple(tables if options else tables[:1]),
        json.head(architectures=[_architecture_record(found, priced)]),
        (f"Set an option with --set KEY=VALUE, or by name: {found.name},KEY=VALUE.",)
        * bool(options),
    )


def layers(found: Profile, depth: int | None = None) -> Report:
    """``archcalc show``: a row a module, repeated neighbours folded into one."""
    modules = found.modules(depth or _depth_at_a_glance(found))
    rows: list[tuple[Cell, ...]] = [
        (
            _folded_name(run),
            run[0].op,
            run[-1].output,
            sum(module.params for module in run),
            _sum(module.macs for module in run),
        )
        for run in _fold(modules)
    ]
    rows.append(("total", "", found.output, found.params_executed, found.macs))
    columns = (
        Column("name", "name"),
        Column("op", "operator"),
        _output_column(found.graph),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
    )
    notes = _conventions([found])
    hidden = len(found.layers) - len(modules)
    if hidden:
        notes = (
            f"{len(found.layers)} nodes, gathered by module; --depth 9 shows each.",
            *notes,
        )
    title = _title(found)
    return Report((Table(columns, tuple(rows), title, total=True),), json.models([found]), notes)


def explanation(found: Profile, pattern: str = "") -> Report:
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
    title = _title(found)
    return Report(
        (Table(columns, tuple(rows), title, total=True), _class_table(found)),
        json.models([found]),
        _conventions([found]),
    )


def totals(profiles: Sequence[Profile]) -> Report:
    """``archcalc flops MODEL...``: the totals, and the work by class."""
    return Report(
        (
            _totals_table(profiles),
            *map(_class_table, profiles),
            *_phase_and_convention_tables(profiles),
        ),
        json.models(profiles),
        _conventions(profiles),
    )


def worked(example: WorkedExample) -> Report:
    """``archcalc flops`` without a model: the worked example, with the working and the ratios."""
    profiles = example.profiles
    tables = (
        *(_side_table(side) for side in (example.branch, example.module)),
        *_convention_tables(profiles),
    )
    ratios = {side.title: side.ratio for side in (example.branch, example.module)}
    return Report(tables, json.models(profiles, ratios=ratios), _conventions(profiles))


def comparison(found: Comparison, differences: Diff | None = None) -> Report:
    """``archcalc compare``: figures and ratios, a model a row."""
    columns = [
        Column("model", "model"),
        Column("input", "input H×W×C", "shape"),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("peak_activation_bytes", "peak act.", "bytes"),
        Column("params_ratio", "× params", "ratio"),
        Column("macs_ratio", "× MACs", "ratio"),
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            priced.spec,
            priced.input,
            priced.params_executed,
            priced.macs,
            priced.flops,
            priced.memory.peak_bytes,
            found.ratio(priced, "params_executed"),
            found.ratio(priced, "macs"),
        )
        for priced in found.profiles
    ]
    tables = [Table(tuple(columns), tuple(rows)), *_phase_and_convention_tables(found.profiles)]
    fields: dict[str, Any] = {
        "baseline": found.baseline.spec,
        "ratios": [
            {"name": priced.name, "spec": priced.spec}
            | {metric: found.ratio(priced, metric) for metric in METRICS}
            for priced in found.profiles
        ],
    }
    if differences is not None:
        tables.append(_diff_table(differences))
        fields["diff"] = differences.rows()
    notes = (f"Ratios are to {found.baseline.spec}.", *_conventions(found.profiles))
    return Report(tuple(tables), json.models(found.profiles, **fields), notes)


def parameters(found: Profile, depth: int | None = None) -> Report:
    """``archcalc params``: where the parameters are, and which this pass leaves out."""
    modules = [module for module in found.modules(depth) if module.params]
    everything = found.params
    rows: list[tuple[Cell, ...]] = []
    for module in modules:
        weights = module.layers[0].node.weights if len(module.layers) == 1 else ()
        shapes = ", ".join(raw(weight.shape) for weight in weights)
        rows.append((module.name, shapes, module.params, module.params / everything))
    outside = everything - found.params_executed
    if outside:
        rows.append(("not run in this pass", "", outside, outside / everything))
    rows.append(("total", "", everything, 1.0 if everything else None))
    columns = (
        Column("name", "name"),
        Column("weights", "weights", "prose"),
        Column("params", "params", "count"),
        Column("share", "share", "share"),
    )
    title = _title(found)
    return Report(
        (Table(columns, tuple(rows), title, total=True),),
        json.models([found]),
        (
            "Weights are written as torch keeps them: out × in/groups × window, then the bias.",
            *_outside([found]),
        ),
    )


def memory(found: Profile) -> Report:
    """``archcalc memory``: weights, every activation, the peak, and what training keeps."""
    reading = found.memory
    saved = {row.name: row for row in reading.saved}
    peak = reading.peak
    rows = [
        (
            f"{row.name} ←peak" if row is peak else row.name,
            row.shape,
            row.nbytes,
            row.live,
            saved[row.name].nbytes if row.name in saved else None,
        )
        for row in reading.activations
    ]
    activations = Table(
        (
            Column("name", "node"),
            _output_column(found.graph),
            Column("bytes", "output", "bytes"),
            Column("live_bytes", "live", "bytes"),
            Column("saved_bytes", "saved", "bytes"),
        ),
        tuple(rows),
        _title(found),
    )
    summary = Table(
        (Column("what", "memory"), Column("bytes", "bytes", "bytes"), Column("where", "where")),
        (
            ("weights", reading.weight_bytes, ""),
            ("peak activations, inference", reading.peak_bytes, peak.name if peak else ""),
            ("kept for backward, training", reading.saved_bytes, ""),
        ),
    )
    data = json.models([found])
    data["models"][0]["memory"] = {
        "weight_bytes": reading.weight_bytes,
        "peak_activation_bytes": reading.peak_bytes,
        "peak_at": peak.name if peak else None,
        "saved_for_backward_bytes": reading.saved_bytes,
        "activations": [row._asdict() for row in reading.activations],
        "saved": [{"name": row.name, "bytes": row.nbytes} for row in reading.saved],
    }
    return Report(
        (activations, summary),
        data,
        (
            "Live: outputs that some later node still reads, while this node runs. Views are free.",
            "Saved: what autograd keeps of this node for the backward pass in training.",
            "No workspace, fragmentation, gradients or optimizer state.",
        ),
    )


def receptive_field(found: Profile) -> Report:
    """``archcalc receptive-field``: how much of the input one output position sees."""
    rows: list[tuple[Cell, ...]] = []
    for layer in found.layers:
        reach = found.receptive_fields.get(layer.name)
        if reach is None:
            rows.append((layer.name, layer.output, "unknown", "", ""))
        else:
            rows.append((layer.name, layer.output, str(reach), *_stride_and_offset(reach)))
    columns = (
        Column("name", "node"),
        _output_column(found.graph),
        Column("receptive_field", "receptive field"),
        Column("stride", "stride"),
        Column("offset", "offset"),
    )
    data = json.models([found])
    data["models"][0]["receptive_fields"] = {
        name: json.reach(reach) for name, reach in found.receptive_fields.items()
    }
    return Report(
        (Table(columns, tuple(rows), _title(found)),),
        data,
        (
            "Pixels of the input, height×width; smallest to largest where branches differ.",
            "Offset: where the first window starts; negative is inside the padding.",
        ),
    )


def partial(graph: Graph, failed: str) -> str:
    """The table up to the node that could not be added, for an error's reader."""
    from archcalc.report.terminal import terminal

    found = profile(graph)
    modules = found.modules(_depth_at_a_glance(found))
    rows = [(_folded_name(run), run[0].op, run[-1].output) for run in _fold(modules)]
    columns = (
        Column("name", "name"),
        Column("op", "operator"),
        _output_column(found.graph),
    )
    table = Table(columns, (*rows, (failed, "fails", None)))
    return terminal(Report((table,), {}))


def _architecture_record(found: Architecture, priced: Profile) -> dict[str, Any]:
    return {
        "name": found.name,
        "aliases": found.aliases,
        "input": priced.input,
        "params": priced.params,
        "params_executed": priced.params_executed,
        "macs": priced.macs,
        "source": found.source,
        "summary": found.summary,
        "options": {
            option.name: {"default": option.default, "values": option.wanted}
            for option in found.options.values()
        },
    }


def _output_column(graph: Graph) -> Column:
    """H×W×C as the papers write it; in a traced model nothing says which dimension is which."""
    if graph.declared:
        return Column("output", "output H×W×C", "shape")
    return Column("output", "output", "size")


def _title(found: Profile) -> str:
    """The model as it was asked for, and what it is given."""
    given = found.graph.inputs
    if len(given) == 1:
        return f"{found.spec}, {describe_input(given[0].output.shape)}"
    each = ", ".join(f"{node.name} {describe_input(node.output.shape)}" for node in given)
    return f"{found.spec}, {each}" if each else found.spec


def _totals_table(profiles: Sequence[Profile]) -> Table:
    columns = (
        Column("model", "model"),
        Column("input", "input H×W×C", "shape"),
        Column("output", "output", "shape"),
        Column("params", "params", "count"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
    )
    rows = [
        (found.spec, found.input, found.output, found.params_executed, found.macs, found.flops)
        for found in profiles
    ]
    return Table(columns, tuple(rows))


def _class_table(found: Profile) -> Table:
    columns = (
        Column("class", "class of work"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("share", "share of FLOPs", "share"),
    )
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.macs or None, row.flops, row.flops / found.flops) for row in found.by_class
    ]
    rows.append(("total", found.macs, found.flops, None))
    return Table(columns, tuple(rows), f"{found.spec}: work by class", total=True)


def _phase_and_convention_tables(profiles: Sequence[Profile]) -> list[Table]:
    phases = [_phase_table(found) for found in profiles if len(found.by_phase) > 1]
    return phases + _convention_tables(profiles)


def _phase_table(found: Profile) -> Table:
    """A traced training step, apart: forward, backward, and the optimizer's."""
    columns = (
        Column("phase", "phase"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("nodes", "nodes", "count"),
    )
    rows: list[tuple[Cell, ...]] = [
        (phase.name, phase.macs, phase.flops, len(phase.layers)) for phase in found.by_phase
    ]
    rows.append(("total", found.macs, found.flops, len(found.layers)))
    return Table(columns, tuple(rows), f"{found.spec}: work by phase", total=True)


def _convention_tables(profiles: Sequence[Profile]) -> list[Table]:
    """From our multiply-adds to the total that the chosen counter reports; none for our own."""
    tables = []
    for found in profiles:
        if found.convention == "paper":
            continue
        given = found.convention_total
        rows: list[tuple[Cell, ...]] = [(step, value) for step, value in given.steps]
        rows.append((f"as {found.convention} counts", given.value))
        columns = (Column("step", "step"), Column("value", given.unit, "count"))
        title = f"{found.spec} by the convention of {found.convention}"
        tables.append(Table(columns, tuple(rows), title, total=True))
    return tables


def _side_table(side: Side) -> Table:
    direct, reduced = side.direct, side.reduced
    rows: list[tuple[Cell, ...]] = []
    for label, found in ((side.before, direct), ("reduced", reduced)):
        steps = counted(found)
        rows += [(label, layer.name, layer.formula) for layer in steps]
        if len(steps) > 1:
            sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
            rows.append((label, "sum", f"{sizes} = {found.macs:,}"))
    rows.append(
        ("ratio", "", f"{direct.macs:,} / {reduced.macs:,} = {side.ratio:.2f} times fewer MACs")
    )
    columns = (Column("form", "form"), Column("node", "node"), Column("macs", "MACs", "prose"))
    title = f"{side.title}, {describe_input(direct.input)}"
    return Table(columns, tuple(rows), title, total=True)


def _diff_table(differences: Diff) -> Table:
    columns = (
        Column("change", ""),
        Column("name", "node"),
        Column("what", "what", "prose"),
        Column("params", "Δ params", "signed"),
        Column("macs", "Δ MACs", "signed"),
    )
    sign = {"added": "+", "removed": "−", "changed": "~"}
    rows: list[tuple[Cell, ...]] = [
        (sign[change.kind], change.name, change.what, change.params, change.macs)
        for change in differences.changes
    ]
    params = sum(change.params for change in differences.changes)
    macs = sum(change.macs for change in differences.changes)
    rows.append(("", "total", "", params, macs))
    title = f"{differences.before.spec} -> {differences.after.spec}"
    return Table(columns, tuple(rows), title, total=True)


def _conventions(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """The three lines that every report ends with, and what each graph wants to be told."""
    mode = "training" if profiles[0].graph.training else "evaluation"
    batch = profiles[0].input[0] if profiles[0].input else 1
    notes = [
        f"{MACS} {FLOPS}",
        f"Batch {batch}, {mode} mode; params are those that this pass reads.",
    ]
    notes += _outside(profiles)
    for found in profiles:
        notes += [f"{found.spec}: {note}." for note in found.graph.notes]
        if found.not_counted:
            listed = ", ".join(
                f"{row.op} ({row.calls}×{f' at {row.where}' if row.where else ''})"
                for row in found.not_counted
            )
            notes.append(f"Not counted in {found.spec}: {listed}. The totals are lower bounds.")
    return tuple(notes)


def _outside(profiles: Sequence[Profile]) -> list[str]:
    return [
        f"{found.spec}: {found.params - found.params_executed:,} more parameters do not run in "
        f"this pass ({found.params:,} in all)."
        for found in profiles
        if found.params != found.params_executed
    ]


def _depth_at_a_glance(found: Profile) -> int | None:
    """The deepest level that still fits a screen; None when everything does."""
    if len(found.layers) <= ROWS_AT_A_GLANCE:
        return None
    deepest = max(layer.name.count(".") + 1 for layer in found.layers)
    fitting = [
        depth for depth in range(1, deepest) if len(_fold(found.modules(depth))) <= ROWS_AT_A_GLANCE
    ]
    return max(fitting, default=1)


def _fold(modules: Sequence[Module]) -> list[list[Module]]:
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


def _folded_name(run: Sequence[Module]) -> str:
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
