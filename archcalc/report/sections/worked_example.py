"""The worked example: ``archcalc flops`` without a model, and a section of a report."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.profile import Profile
from archcalc.analysis.worked_example import Side, WorkedExample, counted
from archcalc.lookup.inputs import describe_input
from archcalc.report import records
from archcalc.report.document import Block, Chart, Document, Subsection, Tabular, Text, answer
from archcalc.report.messages import Words
from archcalc.report.sections.common import ENGLISH, total
from archcalc.report.sections.context import Context
from archcalc.report.sections.conventions import notes
from archcalc.report.sections.totals import by_convention
from archcalc.report.table import Cell, Column, Table, text


def show(example: WorkedExample) -> Document:
    """The working of both sides, and the ratios."""
    profiles = example.profiles
    sides = (example.branch, example.module)
    tables = [
        _working(side, ENGLISH, f"{side.title}, {describe_input(side.direct.input)}")
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
    yield Text(context.words("example.intro"))
    for name, side in (("branch", example.branch), ("module", example.module)):
        given = describe_input(side.direct.input)
        yield Subsection(context.words(f"example.{name}", input=given))
        yield Text(
            context.words(
                f"example.{name}_says",
                before=text(total(side.direct, "macs"), "count", context.units),
                after=text(total(side.reduced, "macs"), "count", context.units),
                ratio=f"{side.ratio:.2f}",
            )
        )
        yield Tabular(_working(side, context.words))
    if context.charts:
        from archcalc.report import charts

        for key, draw in (("waterfall", charts.waterfall), ("branches", charts.branches)):
            spec = draw(example.module, context.words, context.units)
            yield Chart(key, context.words(f"figure.{key}"), spec, "example")


def _working(side: Side, words: Words, title: str = "") -> Table:
    """The sums of both forms, step by step."""
    rows: list[tuple[Cell, ...]] = []
    for form, found in ((side.before, side.direct), ("reduced", side.reduced)):
        label = words.term(form)
        steps = counted(found)
        rows += [(label, layer.name, layer.formula) for layer in steps]
        if len(steps) > 1:
            sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
            rows.append((label, words.term("sum"), f"{sizes} = {_exact(found)}"))
    fewer = words(
        "example.fewer",
        before=_exact(side.direct),
        after=_exact(side.reduced),
        ratio=f"{side.ratio:.2f}",
    )
    rows.append((words.term("ratio"), "", fewer))
    columns = (
        Column("form", words("column.form")),
        Column("node", words("column.node")),
        Column("macs", words("column.working_macs"), "prose"),
    )
    return Table(columns, tuple(rows), title, total=True)


def _exact(found: Profile) -> str:
    return text(total(found, "macs"), "exact")
