"""A story in words: every section as blocks of text, tables and charts, in one language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archcalc import registry
from archcalc.inputs import describe_input
from archcalc.readings.claims import Finding, plain
from archcalc.readings.latency import Bench, Latency
from archcalc.readings.profile import Module, Profile
from archcalc.readings.roofline import Ceilings
from archcalc.readings.roofline import story as why_so_fast
from archcalc.readings.where import block_depth, work_of
from archcalc.readings.worked_example import Side, counted
from archcalc.report import views
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
from archcalc.report.story import Story
from archcalc.report.table import Cell, Column, Kind, Table
from archcalc.report.units import Units, count
from archcalc.version import VERSION


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

    def latency(self) -> Iterator[Block]:
        for number, bench in enumerate(self.told.benches, start=1):
            found = self.told.measured(bench)
            yield Text(self.words("note.latency", environment=bench.environment))
            yield Tabular(self._times(found))
            groups: dict[str, list[Latency]] = {}
            for latency in found:
                groups.setdefault(str(latency.setting), []).append(latency)
            for setting, rows in groups.items():
                yield from self._reasons(setting, rows)
                yield from (
                    Text(f"{row.spec}: {warning}") for row in rows for warning in row.warnings
                )
            if self.charts:
                yield from self._measured_charts(bench, groups, number)

    def claims(self) -> Iterator[Block]:
        counted_ones = [
            found for found in self.told.claims.findings if found.verdict != "needs training"
        ]
        if not counted_ones:
            return
        yield Text(self.words("note.claims"))
        untold = len(self.told.claims.findings) - len(counted_ones)
        if untold:
            yield Text(self.words("note.needs_training", untold=untold))
        columns = self._columns(
            ("model", "text"),
            ("source", "prose"),
            ("published", "prose"),
            ("computed", "exact"),
            ("verdict", "text"),
            ("cause", "prose"),
        )
        rows = tuple(
            (
                found.claim.model,
                found.claim.source,
                _published(found),
                plain(found.computed),
                self.words.term(found.verdict),
                found.cause,
            )
            for found in counted_ones
        )
        yield Tabular(Table(columns, rows))

    def lint(self) -> Iterator[Block]:
        rows: list[tuple[Cell, ...]] = [
            (
                each.spec,
                self.words.term(found.severity),
                found.rule,
                found.node,
                found.reason,
                found.remedy,
            )
            for each in self.told.lints
            for found in each.findings
        ]
        if not rows:
            return
        columns = self._columns(
            ("model", "text"),
            ("severity", "text"),
            ("rule", "text"),
            ("node", "text"),
            ("reason", "prose"),
            ("remedy", "prose"),
        )
        yield Tabular(Table(columns, tuple(rows)))
        quiet = [each.spec for each in self.told.lints if not each.findings]
        if quiet:
            yield Text(self.words("note.quiet", models=self.words("title.comma").join(quiet)))

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

    def _times(self, found: Sequence[Latency]) -> Table:
        columns = self._columns(
            ("model", "text"),
            ("setting", "prose"),
            ("median", "seconds"),
            ("p10", "seconds"),
            ("p90", "seconds"),
            ("throughput", "number"),
            ("macs", "count"),
            ("achieved", "giga"),
            ("of_ceiling", "share"),
            ("bound", "seconds"),
        )
        rows = tuple(
            (
                row.spec,
                str(row.setting),
                row.median,
                row.p10,
                row.p90,
                row.throughput,
                row.macs,
                row.flops_per_second,
                row.share_of_ceiling,
                row.bound,
            )
            for row in found
        )
        return Table(columns, rows)

    def _reasons(self, setting: str, rows: Sequence[Latency]) -> Iterator[Block]:
        """Why fewer multiply-adds are, or are not, faster than the baseline's."""
        base = next(
            (row for row in rows if row.spec == self.told.comparison.baseline.spec), rows[0]
        )
        for row in rows:
            told = why_so_fast(base, row) if row is not base else None
            if told is not None:
                yield Text(
                    self.words(
                        "note.faster",
                        model=row.spec,
                        baseline=base.spec,
                        setting=setting,
                        told=told,
                    )
                )

    def _measured_charts(
        self, bench: Bench, groups: dict[str, list[Latency]], number: int
    ) -> Iterator[Block]:
        from archcalc.report import charts

        for place, (setting, rows) in enumerate(groups.items(), start=1):
            points = [(row.spec, row.macs, row.median) for row in rows if row.macs]
            if len(points) > 1:
                front = self._front([(macs, seconds) for _, macs, seconds in points])
                caption = self.words("figure.latency", setting=setting) + front
                spec = charts.latency(points, self.words, self.units)
                yield Figure(f"latency-{number}-{place}", caption, spec, "models")
        for place, ceilings in enumerate(map(Ceilings.read, bench.ceilings), start=1):
            reached = [
                (row.spec, row.flops / row.bytes_moved, row.flops_per_second)
                for rows in groups.values()
                for row in rows
                if (row.setting.dtype, row.setting.threads) == (ceilings.dtype, ceilings.threads)
                and row.flops
                and row.bytes_moved
                and row.flops_per_second
            ]
            if reached:
                caption = self.words(
                    "figure.roofline", device=ceilings.device, dtype=ceilings.dtype
                )
                spec = charts.roofline(reached, ceilings.flops, ceilings.bandwidth, self.words)
                yield Figure(f"roofline-{number}-{place}", caption, spec, "models")

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


def _published(found: Finding) -> str:
    claim = found.claim
    limit = f"{claim.limit} " if claim.limit else ""
    return f"{limit}{claim.published} {claim.full_unit}"
