"""A whole report on some networks: what is told, section by section, before it has a format.

A :class:`Story` holds the records; :func:`document` puts them into words, tables and charts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archcalc import registry
from archcalc.errors import UsageError
from archcalc.inputs import describe_input
from archcalc.readings.compare import Comparison, compare
from archcalc.readings.profile import Module, Profile
from archcalc.readings.where import block_depth, work_of
from archcalc.readings.worked_example import Side, WorkedExample, counted, worked_example
from archcalc.report import json, views
from archcalc.report.document import (
    Block,
    Diagram,
    Document,
    Figure,
    LayerList,
    Listing,
    Section,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.messages import Lang, Words
from archcalc.report.table import Cell, Column, Kind, Table
from archcalc.report.units import Units, count
from archcalc.version import VERSION

SECTIONS = (
    "summary",
    "example",
    "layers",
    "where",
    "memory",
    "conventions",
    "citation",
)
"""Every section in the order in which they are told."""


@dataclass(frozen=True)
class Story:
    """The records that a report is made of."""

    title: str
    """Empty for one that names the models."""
    comparison: Comparison
    example: WorkedExample | None
    """None where the report has no Inception in it."""
    sections: tuple[str, ...] = SECTIONS

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return self.comparison.profiles


def story(
    profiles: Sequence[Profile],
    *,
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
) -> Story:
    """Gather what a report on these models tells.

    Without ``sections`` it tells all that there is; the worked example where one of the models is
    GoogLeNet or an Inception module. Raises UsageError for a section that does not exist.
    """
    for name in sections:
        if name not in SECTIONS:
            raise UsageError(f"unknown section {name!r}: one of {', '.join(SECTIONS)}")
    wanted = tuple(name for name in SECTIONS if not sections or name in sections)
    of_inception = any(
        word in found.name for found in profiles for word in ("inception", "googlenet")
    )
    told = of_inception if not sections else "example" in sections
    return Story(
        title,
        compare(profiles, baseline=baseline),
        worked_example() if told else None,
        wanted,
    )


def document(
    told: Story, *, lang: Lang = "en", units: Units | None = None, charts: bool = True
) -> Document:
    """The report in words. ``units`` are the language's own unless given. Raises MissingExtraError
    where charts are wanted and altair is not installed."""
    teller = _Teller(told, Words(lang), units or ("zh" if lang == "zh" else "si"), charts)
    sections = []
    for name in told.sections:
        blocks = tuple(getattr(teller, name)())
        if blocks:
            sections.append(Section(name, teller.words(f"section.{name}"), blocks))
    return _with_own_keys(Document(teller.title(), lang, teller.units, tuple(sections)))


def table(told: Story) -> Table:
    """For CSV: every layer of every model, in raw numbers."""
    columns = (
        ("model", "text"),
        ("name", "text"),
        ("op", "text"),
        ("input", "shape"),
        ("output", "shape"),
        ("params", "count"),
        ("macs", "count"),
        ("flops", "count"),
        ("bytes_read", "bytes"),
        ("bytes_written", "bytes"),
        ("formula", "text"),
    )
    rows = [
        (profile.spec, *(row[key] for key, _ in columns[1:]))
        for profile in told.profiles
        for row in profile.rows()
    ]
    kinds: dict[str, Kind] = dict(columns)  # type: ignore[arg-type]  # literals, seen as str
    return Table(tuple(Column(key, key, kinds[key]) for key, _ in columns), tuple(rows))


def record(told: Story) -> dict[str, Any]:
    """For JSON: the models, layer by layer, their ratios, and the worked example."""
    fields: dict[str, Any] = {
        "title": told.title or _Teller(told, Words("en"), "si", False).title(),
        "baseline": told.comparison.baseline.spec,
        "comparison": told.comparison.rows(),
    }
    if told.example is not None:
        fields["worked_example"] = {
            "steps": told.example.rows(),
            "ratios": {
                side.title: side.ratio for side in (told.example.branch, told.example.module)
            },
        }
    return json.models(told.profiles, **fields)


@dataclass(frozen=True)
class _Teller:
    """The sections, each a method of its name that yields blocks."""

    told: Story
    words: Words
    units: Units
    charts: bool

    def title(self) -> str:
        """The given one, or one that names the models, as many as a line takes."""
        if self.told.title:
            return self.told.title
        names = [found.spec for found in self.told.profiles]
        if len(names) > 3:
            listed = self.words("title.more", first=names[0], more=len(names) - 1, total=len(names))
        else:
            *first, last = names
            listed = self.words("title.comma").join(first)
            listed = f"{listed}{self.words('title.and')}{last}" if first else last
        return self.words("title", models=listed)

    def summary(self) -> Iterator[Block]:
        found = self.told.comparison
        rows = tuple(
            (
                profile.spec,
                profile.input,
                profile.params_executed,
                profile.macs,
                profile.flops,
                profile.memory.peak_bytes,
                found.ratio(profile, "params_executed"),
                found.ratio(profile, "macs"),
            )
            for profile in found.profiles
        )
        columns = self._columns(
            ("model", "text"),
            ("input", "shape"),
            ("params", "count"),
            ("macs", "count"),
            ("flops", "count"),
            ("peak", "bytes"),
            ("params_ratio", "ratio"),
            ("macs_ratio", "ratio"),
        )
        yield Tabular(Table(columns, rows))
        if len(found.profiles) > 1:
            yield Text(self.words("note.baseline", baseline=found.baseline.spec))
        if self.charts and len([profile for profile in found.profiles if profile.macs]) > 1:
            from archcalc.report import charts

            spec = charts.scatter(found, self.words, self.units)
            caption = self.words("figure.scatter") + self._front(
                [(profile.macs, profile.params_executed) for profile in found.profiles]
            )
            yield Figure("scatter", caption, spec, "models")

    def example(self) -> Iterator[Block]:
        example = self.told.example
        if example is None:
            return
        yield Text(self.words("example.intro"))
        for name, side in (("branch", example.branch), ("module", example.module)):
            given = describe_input(side.direct.input)
            yield Subsection(self.words(f"example.{name}", input=given))
            yield Text(
                self.words(
                    f"example.{name}_says",
                    before=count(side.direct.macs, self.units),
                    after=count(side.reduced.macs, self.units),
                    ratio=f"{side.ratio:.2f}",
                )
            )
            yield Tabular(self._working(side))
        if self.charts:
            from archcalc.report import charts

            for key, draw in (("waterfall", charts.waterfall), ("branches", charts.branches)):
                spec = draw(example.module, self.words, self.units)
                yield Figure(key, self.words(f"figure.{key}"), spec, "example")

    def layers(self) -> Iterator[Block]:
        from archcalc.report.mermaid import mermaid

        for profile in self.told.profiles:
            yield Subsection(_title(profile))
            yield LayerList(profile, self._short(profile), self._full(profile))
            yield Diagram(
                self.words("figure.diagram", model=profile.spec), mermaid(profile, self.units)
            )

    def where(self) -> Iterator[Block]:
        for place, profile in enumerate(self.told.profiles):
            yield Subsection(_title(profile))
            yield Tabular(self._blocks(profile))
            if not self.charts:
                continue
            from archcalc.report import charts

            for measure in ("macs", "params", "other"):
                spec = charts.cost_by_block(profile, measure, self.words, self.units)
                if spec is not None:
                    caption = self.words(f"figure.{measure}", model=profile.spec)
                    key = f"{_slug(profile.spec)}-{measure}"
                    yield Figure(key, caption, spec, f"model-{place}")

    def memory(self) -> Iterator[Block]:
        rows: list[tuple[Cell, ...]] = []
        for profile in self.told.profiles:
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
        columns = self._columns(
            ("model", "text"),
            ("weights", "bytes"),
            ("peak", "bytes"),
            ("peak_at", "text"),
            ("saved", "bytes"),
        )
        yield Tabular(Table(columns, tuple(rows)))
        yield Text(self.words("note.memory"))
        if not self.charts:
            return
        from archcalc.report import charts

        for place, profile in enumerate(self.told.profiles):
            spec = charts.memory(profile, self.words, self.units)
            if spec is not None:
                caption = self.words("figure.memory", model=profile.spec)
                yield Figure(f"{_slug(profile.spec)}-memory", caption, spec, f"model-{place}")

    def conventions(self) -> Iterator[Block]:
        first = self.told.profiles[0]
        mode = "training" if first.graph.training else "evaluation"
        batch = first.input[0] if first.input else 1
        yield Text(self.words("note.macs"))
        yield Text(self.words("note.mode", batch=batch, mode=self.words.term(mode)))
        for profile in self.told.profiles:
            outside = profile.params - profile.params_executed
            if outside:
                values = {"outside": f"{outside:,}", "all": f"{profile.params:,}"}
                yield Text(self.words("note.outside", model=profile.spec, **values))
            yield from (Text(f"{profile.spec}: {note}.") for note in profile.graph.notes)
            if profile.not_counted:
                ops = ", ".join(f"{row.op} ({row.calls}×)" for row in profile.not_counted)
                yield Text(self.words("note.not_counted", model=profile.spec, ops=ops))
        for key in ("note.free", "note.rounding", "note.other_tools"):
            yield Text(self.words(key))

    def citation(self) -> Iterator[Block]:
        yield Text(self.words("note.cite"))
        rows = []
        for profile in self.told.profiles:
            if profile.graph.declared and profile.name in registry.names():
                rows.append((profile.spec, registry.find(profile.name).source))
            else:
                yield Text(self.words("note.own", model=profile.spec))
        if rows:
            yield Tabular(Table(self._columns(("model", "text"), ("source", "prose")), tuple(rows)))
        yield Listing(
            "@software{archcalc,\n"
            "  title = {archcalc: what a neural-network architecture costs, and why},\n"
            f"  version = {{{VERSION}}},\n"
            "}"
        )

    def _front(self, points: Sequence[tuple[float, float]]) -> str:
        """What a chart says of its Pareto line, where it has one."""
        from archcalc.report.charts import pareto

        return self.words("figure.front") if len(pareto(points)) > 1 else ""

    def _working(self, side: Side) -> Table:
        """The sums of both forms, step by step."""
        rows: list[tuple[Cell, ...]] = []
        for form, found in ((side.before, side.direct), ("reduced", side.reduced)):
            label = self.words.term(form)
            steps = counted(found)
            rows += [(label, layer.name, layer.formula) for layer in steps]
            if len(steps) > 1:
                sizes = " + ".join(f"{layer.macs:,}" for layer in steps)
                rows.append((label, self.words.term("sum"), f"{sizes} = {found.macs:,}"))
        fewer = self.words(
            "example.fewer",
            before=f"{side.direct.macs:,}",
            after=f"{side.reduced.macs:,}",
            ratio=f"{side.ratio:.2f}",
        )
        rows.append((self.words.term("ratio"), "", fewer))
        columns = self._columns(("form", "text"), ("node", "text"), ("working_macs", "prose"))
        return Table(columns, tuple(rows), total=True)

    def _short(self, profile: Profile) -> Table:
        """The layers as ``archcalc show`` gathers them, in this language."""
        shown = views.layers(profile).tables[0]
        *rows, total = shown.rows
        columns = self._columns(
            ("name", "text"),
            ("op", "text"),
            _output(profile),
            ("params", "count"),
            ("macs", "count"),
        )
        return Table(columns, (*rows, (self.words.term("total"), *total[1:])), total=True)

    def _full(self, profile: Profile) -> Table:
        """Every layer by itself, with all that is known of it."""
        image = profile.graph.declared
        rows = [
            (
                layer.name,
                layer.op,
                self.words.term(work_of(layer)),
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
        columns = self._columns(
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

    def _blocks(self, profile: Profile) -> Table:
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
                self.words.term("total"),
                profile.params_executed,
                _share(profile.params_executed, profile.params_executed),
                profile.macs,
                _share(profile.macs, profile.macs),
            )
        )
        columns = self._columns(
            ("block", "text"),
            ("params", "count"),
            ("params_share", "share"),
            ("macs", "count"),
            ("macs_share", "share"),
        )
        return Table(columns, tuple(rows), total=True)

    def _columns(self, *described: tuple[str, Kind]) -> tuple[Column, ...]:
        return tuple(Column(key, self.words(f"column.{key}"), kind) for key, kind in described)


def _with_own_keys(found: Document) -> Document:
    """The same document with every figure's key its own, where two names make the same one."""
    taken: set[str] = set()
    sections = []
    for section in found.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Figure):
                key, number = block.key, 1
                while key in taken:
                    number += 1
                    key = f"{block.key}-{number}"
                taken.add(key)
                block = block._replace(key=key)
            blocks.append(block)
        sections.append(replace(section, blocks=tuple(blocks)))
    return replace(found, sections=tuple(sections))


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
