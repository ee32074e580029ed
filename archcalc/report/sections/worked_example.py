"""The worked example: ``archcalc flops`` without a model, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.profile import Profile
from archcalc.analysis.worked_example import Side, WorkedExample, counted
from archcalc.language import _, term
from archcalc.lookup.inputs import describe_input
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Subsection, Tabular, Text, answer
from archcalc.report.sections.common import total
from archcalc.report.sections.context import Context
from archcalc.report.sections.conventions import notes
from archcalc.report.sections.totals import by_convention
from archcalc.report.table import Cell, Column, Table, text


def show(example: WorkedExample) -> Document:
    """The working of both sides, and the ratios."""
    profiles = example.profiles
    sides = (example.branch, example.module)
    tables = [
        _working(
            side,
            _("{title}, {input}", title=_(side.title), input=describe_input(side.direct.input)),
        )
        for side in sides
    ]
    tables += by_convention(profiles)
    ratios = {side.title: side.ratio for side in sides}
    return answer(tables, records.models(profiles, ratios=ratios), notes(profiles))


def of_report(context: Context) -> Iterator[Block]:
    """The worked example of the 5×5 branch and of the whole module, sums and charts."""
    example = context.report.example
    if example is None:
        return
    yield Text(
        _(
            "One multiply-add per output element and weight of its window: (output H×W×C) × "
            "(window × input channels)."
        )
    )
    given = describe_input(example.branch.direct.input)
    yield Subsection(_("The 5×5 branch, {input}", input=given))
    yield Text(
        _(
            "Applied directly to the input, the 5×5 needs {before} MACs. With a 1×1 before it, "
            "both together need {after}, {ratio} times fewer.",
            **_compared(example.branch, context),
        )
    )
    yield Tabular(_working(example.branch))
    given = describe_input(example.module.direct.input)
    yield Subsection(_("The whole Inception module, {input}", input=given))
    yield Text(
        _(
            "All four branches together go from {before} MACs to {after}, {ratio} times fewer.",
            **_compared(example.module, context),
        )
    )
    yield Tabular(_working(example.module))
    if context.charts:
        from archcalc.report import charts

        spec = charts.waterfall(example.module, context.units)
        caption = _(
            "From the naive module to the reduced one: what each change adds or saves, in MACs"
        )
        yield Chart("waterfall", caption, spec, "example")
        spec = charts.branches(example.module, context.units)
        caption = _("MACs inside one Inception module by branch and by window")
        yield Chart("branches", caption, spec, "example")


def _compared(side: Side, context: Context) -> dict[str, str]:
    """The totals of both forms, and their ratio."""
    return {
        "before": text(total(side.direct, "macs"), "count", context.units),
        "after": text(total(side.reduced, "macs"), "count", context.units),
        "ratio": f"{side.ratio:.2f}",
    }


def _working(side: Side, title: str = "") -> Table:
    """The sums of both forms, step by step."""
    rows: list[tuple[Cell, ...]] = []
    for form, found in ((side.before, side.direct), ("reduced", side.reduced)):
        label = term(form)
        steps = counted(found)
        rows += [(label, layer.name, layer.formula) for layer in steps]
        if len(steps) > 1:
            sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
            rows.append((label, term("sum"), f"{sizes} = {_exact(found)}"))
    fewer = _(
        "{before} / {after} = {ratio} times fewer MACs",
        before=_exact(side.direct),
        after=_exact(side.reduced),
        ratio=f"{side.ratio:.2f}",
    )
    rows.append((term("ratio"), "", fewer))
    columns = (
        Column("form", _("form")),
        Column("node", _("node")),
        Column("macs", _("MACs"), "prose"),
    )
    return Table(columns, tuple(rows), title, total=True)


def _exact(found: Profile) -> str:
    return text(total(found, "macs"), "exact")
