"""Helpers of several sections: titles, columns, and the mark of a lower bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archcalc.analysis.figures import FIGURES, read
from archcalc.analysis.fold import Row
from archcalc.analysis.profile import Layer, Profile
from archcalc.graph import Graph
from archcalc.language import _, listed
from archcalc.lookup.inputs import describe_input
from archcalc.report.table import AtLeast, Column


def total(found: Profile, key: str) -> int:
    """A figure of the whole network; a marked lower bound where work is not counted."""
    value = read(found, key)
    return AtLeast(value) if found.not_counted and FIGURES[key].is_lower_bound else value


def sum_of(layers: Iterable[Layer], key: str) -> int | None:
    """The MACs or FLOPs of some layers: a marked lower bound where one of them is not counted, and
    None where none is."""
    values = [getattr(layer, key) for layer in layers]
    known = [value for value in values if value is not None]
    if not known:
        return None
    return sum(known) if len(known) == len(values) else AtLeast(sum(known))


def output_column(graph: Graph) -> Column:
    """H×W×C as the papers write it; a traced model keeps torch's order."""
    if graph.declared:
        return Column("output", _("output H×W×C"), "shape")
    return Column("output", _("output (torch's order)"), "size")


def title(found: Profile) -> str:
    """The model's specification and the sizes of its inputs."""
    given = found.graph.inputs
    if len(given) == 1:
        return f"{found.spec}, {describe_input(given[0].output.shape)}"
    each = listed(f"{node.name} {describe_input(node.output.shape)}" for node in given)
    return f"{found.spec}, {each}" if each else found.spec


def gathered(found: Profile, rows: Sequence[Row]) -> tuple[str, ...]:
    """The note of a table that gathers nodes by module."""
    if len(rows) == len(found.layers):
        return ()
    return (_("{count} nodes, gathered by module; --depth 9 shows each.", count=len(found.layers)),)


def slug(name: str) -> str:
    """A name as part of a file name: ``nin,head=fc`` becomes ``nin-head-fc``."""
    plain = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in name.lower())
    return "-".join(plain.split())[:60] or "model"
