"""What the models cost: the counted sections."""

from __future__ import annotations

from collections.abc import Iterator

from archcalc.analysis.profile import Module, Profile
from archcalc.analysis.where import block_depth, work_of
from archcalc.analysis.worked_example import Side, counted
from archcalc.lookup.inputs import describe_input
from archcalc.report import views
from archcalc.report.document import (
    Block,
    Chart,
    Diagram,
    LayerList,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.sections.context import Context
from archcalc.report.table import Cell, Kind, Table
from archcalc.report.units import count
from archcalc.report.views.common import total


def summary(context: Context) -> Iterator[Block]:
    """Each model in a row, with its ratios to the baseline."""
    found = context.told.comparison
    columns = context.columns(
        ("model", "text"),
        ("input", "shape"),
        ("params", "count"),
        ("macs", "count"),
        ("flops", "count"),
        ("peak", "bytes"),
        ("params_ratio", "ratio"),
        ("macs_ratio", "ratio"),
    )
    yield Tabular(Table(columns, views.side_by_side(found)))
    if len(found.profiles) > 1:
        yield Text(context.words("note.baseline", baseline=found.baseline.spec))
    if context.charts and len([profile for profile in found.profiles if profile.macs]) > 1:
        from archcalc.report import charts

        spec = charts.scatter(found, context.words, context.units)
        caption = context.words("figure.scatter") + context.front(
            [(profile.macs, profile.params_executed) for profile in found.profiles]
        )
        yield Chart("scatter", caption, spec, "models")


def example(context: Context) -> Iterator[Block]:
    """The worked example of the 5×5 branch and of the whole module, sums and charts."""
    example = context.told.example
    if example is None:
        return
    yield Text(context.words("example.intro"))
    for name, side in (("branch", example.branch), ("module", example.module)):
        given = describe_input(side.direct.input)
        yield Subsection(context.words(f"example.{name}", input=given))
        yield Text(
            context.words(
                f"example.{name}_says",
                before=count(side.direct.macs, context.units),
                after=count(side.reduced.macs, context.units),
                ratio=f"{side.ratio:.2f}",
            )
        )
        yield Tabular(_working(context, side))
    if context.charts:
        from archcalc.report import charts

        for key, draw in (("waterfall", charts.waterfall), ("branches", charts.branches)):
            spec = draw(example.module, context.words, context.units)
            yield Chart(key, context.words(f"figure.{key}"), spec, "example")


def layers(context: Context) -> Iterator[Block]:
    """Every layer of every model, and the diagram of its modules."""
    from archcalc.report.mermaid import mermaid

    for profile in context.told.profiles:
        yield Subsection(_title(profile))
        yield LayerList(profile, _short(context, profile), _full(context, profile))
        yield Diagram(
            context.words("figure.diagram", model=profile.spec), mermaid(profile, context.units)
        )


def where(context: Context) -> Iterator[Block]:
    """Blocks by their shares of parameters and MACs."""
    for place, profile in enumerate(context.told.profiles):
        yield Subsection(_title(profile))
        yield Tabular(_blocks(context, profile))
        if not context.charts:
            continue
        from archcalc.report import charts

        for measure in ("macs", "params", "other"):
            spec = charts.cost_by_block(profile, measure, context.words, context.units)
            if spec is not None:
                caption = context.words(f"figure.{measure}", model=profile.spec)
                key = f"{_slug(profile.spec)}-{measure}"
                yield Chart(key, caption, spec, f"model-{place}")


def memory(context: Context) -> Iterator[Block]:
    """Weights, the peak of the activations, and what training keeps."""
    rows: list[tuple[Cell, ...]] = []
    for profile in context.told.profiles:
        reading = profile.memory
        peak = reading.peak
        rows.append(
            (
                profile.spec,
                reading.weight_bytes,
                reading.peak_bytes,
                peak.name if peak else "",
                reading.saved_bytes,
            )
        )
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

    for place, profile in enumerate(context.told.profiles):
        spec = charts.memory(profile, context.words, context.units)
        if spec is not None:
            caption = context.words("figure.memory", model=profile.spec)
            yield Chart(f"{_slug(profile.spec)}-memory", caption, spec, f"model-{place}")


def _working(context: Context, side: Side) -> Table:
    """The sums of both forms, step by step."""
    rows: list[tuple[Cell, ...]] = []
    for form, found in ((side.before, side.direct), ("reduced", side.reduced)):
        label = context.words.term(form)
        steps = counted(found)
        rows += [(label, layer.name, layer.formula) for layer in steps]
        if len(steps) > 1:
            sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
            rows.append((label, context.words.term("sum"), f"{sizes} = {found.macs:,}"))
    fewer = context.words(
        "example.fewer",
        before=f"{side.direct.macs:,}",
        after=f"{side.reduced.macs:,}",
        ratio=f"{side.ratio:.2f}",
    )
    rows.append((context.words.term("ratio"), "", fewer))
    columns = context.columns(("form", "text"), ("node", "text"), ("working_macs", "prose"))
    return Table(columns, tuple(rows), total=True)


def _short(context: Context, profile: Profile) -> Table:
    """The layers as ``archcalc show`` gathers them, in this language."""
    shown = views.layers(profile).tables[0]
    *rows, total = shown.rows
    columns = context.columns(
        ("name", "text"),
        ("op", "text"),
        _output(profile),
        ("params", "count"),
        ("macs", "count"),
    )
    return Table(columns, (*rows, (context.words.term("total"), *total[1:])), total=True)


def _full(context: Context, profile: Profile) -> Table:
    """Every layer by itself, with all that is known of it."""
    image = profile.graph.declared
    rows = [
        (
            layer.name,
            layer.op,
            context.words.term(work_of(layer)),
            layer.input,
            layer.output,
            layer.params,
            layer.macs,
            layer.macs / profile.macs if layer.macs and profile.macs else None,
            layer.flops,
            sum(layer.bytes_moved) if layer.bytes_moved else None,
            "; ".join(f"{key}: {text}" for key, text in layer.formulas.items()) or layer.reason,
        )
        for layer in profile.layers
    ]
    columns = context.columns(
        ("name", "text"),
        ("op", "text"),
        ("kind", "text"),
        ("given", "shape" if image else "size"),
        _output(profile),
        ("params", "count"),
        ("macs", "count"),
        ("macs_share", "share"),
        ("flops", "count"),
        ("moved", "bytes"),
        ("working", "prose"),
    )
    return Table(columns, tuple(rows))


def _blocks(context: Context, profile: Profile) -> Table:
    """Blocks with parameters or work, and their shares."""
    blocks: list[Module] = [
        block for block in profile.modules(block_depth(profile)) if block.params or block.macs
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            block.name,
            block.params,
            _share(block.params, profile.params_executed),
            block.macs,
            _share(block.macs, profile.macs),
        )
        for block in blocks
    ]
    rows.append(
        (
            context.words.term("total"),
            profile.params_executed,
            _share(profile.params_executed, profile.params_executed),
            total(profile, "macs"),
            _share(profile.macs, profile.macs),
        )
    )
    columns = context.columns(
        ("block", "text"),
        ("params", "count"),
        ("params_share", "share"),
        ("macs", "count"),
        ("macs_share", "share"),
    )
    return Table(columns, tuple(rows), total=True)


def _title(profile: Profile) -> str:
    given = ", ".join(describe_input(node.output.shape) for node in profile.graph.inputs)
    return f"{profile.spec}, {given}" if given else profile.spec


def _output(profile: Profile) -> tuple[str, Kind]:
    """H×W×C where the graph is declared; of a traced one nothing says which dimension is which."""
    return ("output", "shape") if profile.graph.declared else ("output_any", "size")


def _share(part: int | None, whole: int) -> float | None:
    return part / whole if part is not None and whole else None


def _slug(name: str) -> str:
    """A name as a part of a file's: ``nin,head=fc`` is ``nin-head-fc``."""
    plain = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in name.lower())
    return "-".join(plain.split())[:60] or "model"
