"""What several views share: titles, columns, and the lines that every report ends with."""

from __future__ import annotations

from collections.abc import Sequence

from archcalc.analysis.figures import FIGURES, read
from archcalc.analysis.profile import Profile
from archcalc.graph import Graph
from archcalc.lookup.inputs import describe_input
from archcalc.report.table import AtLeast, Cell, Column, Table

MACS = "MACs: multiply-adds of convolutions, linear layers and matrix products."
FLOPS = "FLOPs: 2 per MAC and 1 per other counted operation."


def total(found: Profile, key: str) -> int:
    """A figure of the whole network; a marked lower bound where work is not counted."""
    value = read(found, key)
    return AtLeast(value) if found.not_counted and FIGURES[key].is_lower_bound else value


def output_column(graph: Graph) -> Column:
    """H×W×C as the papers write it; a traced model keeps torch's order."""
    if graph.declared:
        return Column("output", "output H×W×C", "shape")
    return Column("output", "output (torch's order)", "size")


def title(found: Profile) -> str:
    """The model as it was asked for, and what it is given."""
    given = found.graph.inputs
    if len(given) == 1:
        return f"{found.spec}, {describe_input(given[0].output.shape)}"
    each = ", ".join(f"{node.name} {describe_input(node.output.shape)}" for node in given)
    return f"{found.spec}, {each}" if each else found.spec


def class_table(found: Profile) -> Table:
    columns = (
        Column("class", "class of work"),
        Column("macs", "MACs", "count"),
        Column("flops", "FLOPs", "count"),
        Column("share", "share of FLOPs", "share"),
    )
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.macs or None, row.flops, row.flops / found.flops) for row in found.by_class
    ]
    rows.append(("total", total(found, "macs"), total(found, "flops"), None))
    return Table(columns, tuple(rows), f"{found.spec}: work by class", total=True)


def conventions(profiles: Sequence[Profile]) -> tuple[str, ...]:
    """The three lines that every report ends with, and what each graph wants to be told."""
    mode = "training" if profiles[0].graph.training else "evaluation"
    batch = profiles[0].input[0] if profiles[0].input else 1
    notes = [
        f"{MACS} {FLOPS}",
        f"Batch {batch}, {mode} mode; params are those that this pass reads.",
    ]
    notes += outside(profiles)
    for found in profiles:
        notes += [f"{found.spec}: {note}." for note in found.graph.notes]
        if found.not_counted:
            listed = ", ".join(
                f"{row.op} ({row.calls}×{f' at {row.where}' if row.where else ''})"
                for row in found.not_counted
            )
            notes.append(f"Not counted in {found.spec}: {listed}. The totals are lower bounds.")
    return tuple(notes)


def outside(profiles: Sequence[Profile]) -> list[str]:
    return [
        f"{found.spec}: {found.params - found.params_executed:,} more parameters do not run in "
        f"this pass ({found.params:,} in all)."
        for found in profiles
        if found.params != found.params_executed
    ]
