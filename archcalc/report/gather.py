"""A report on some networks: its records, gathered.

``sections/`` shows them in words, tables and charts; programs get them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.analysis.claims import Claims, check
from archcalc.analysis.compare import Comparison, compare
from archcalc.analysis.latency import Bench, Latency
from archcalc.analysis.lint import Lint, lint
from archcalc.analysis.prediction.predict import Predictions, predict_all
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.profiles import Follow, profiles
from archcalc.analysis.record import Record
from archcalc.analysis.runs import Accuracy, Run, accuracy, groups
from archcalc.analysis.worked_example import WorkedExample, worked_example
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.io import bench_file, claims_file
from archcalc.io.bench_file import record as measurement
from archcalc.io.report_config import ReportConfig, read_config
from archcalc.language import Lang
from archcalc.lookup import registry
from archcalc.lookup.resolve import resolve
from archcalc.lookup.spec import ModelSpec
from archcalc.report import records
from archcalc.report.sections import IN_REPORTS
from archcalc.report.table import Column, Kind, Table
from archcalc.report.units import Units


class Trained(NamedTuple):
    """One way of training that was measured, over its seeds."""

    runs: tuple[Run, ...]
    accuracy: Accuracy
    macs: int
    """MACs with the input size and the number of classes of the training."""


@dataclass(frozen=True, repr=False)
class Report(Record):
    """The records of a report."""

    title: str
    """The title; by default, one that names the models."""
    comparison: Comparison
    example: WorkedExample | None
    """None where no model has an Inception module."""
    claims: Claims
    """What was published about these models."""
    lints: tuple[Lint, ...]
    benches: tuple[Bench, ...] = ()
    """Measurements as they were loaded; a report shows those of its models."""
    trained: tuple[Trained, ...] = ()
    """Finished runs of these models, in their order."""
    sections: tuple[str, ...] = IN_REPORTS

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return self.comparison.profiles

    @property
    def headline(self) -> str:
        return f"on {self.comparison.headline}"

    def rows(self) -> list[dict[str, Any]]:
        return self.comparison.rows()

    def measured(self, bench: Bench) -> list[Latency]:
        """The measurements of this report's models."""
        specs = {profile.spec for profile in self.profiles}
        return [latency for latency in bench.latencies if latency.spec in specs]

    def write(
        self,
        *paths: str | Path,
        lang: Lang = "en",
        units: Units | None = None,
        charts: bool = True,
    ) -> tuple[Path, ...]:
        """Write the report to files, each in the format of its extension; charts are SVG files
        beside Markdown. Returns every path that was written. Raises UsageError for an extension
        without a format, and MissingExtraError."""
        from archcalc.io.files import write_texts
        from archcalc.report.assemble import files

        texts: dict[Path, str] = {}
        for path in map(Path, paths):
            texts |= files(self, path, lang=lang, units=units, charts=charts)
        write_texts(texts)
        return tuple(texts)

    def __str__(self) -> str:
        from archcalc.report.assemble import document
        from archcalc.report.formats.terminal import terminal

        return terminal(document(self, charts=False)).rstrip("\n")


def gather(
    models: Sequence[str | Graph] = (),
    *,
    config: str = "",
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
    bench: Sequence[str] = (),
    runs: Sequence[str] = (),
    predict: str = "",
    follow: Follow | None = None,
    **asked: Any,
) -> Report:
    """The records of a report; see :func:`archcalc.report`."""
    from archcalc.io.runs import load_all

    if bool(models) == bool(config):
        raise UsageError("name models, as in `archcalc report nin googlenet`, or give --config")
    described = read_config(config) if config else ReportConfig(())
    folder = described.folder
    found = _described(described, follow) if config else profiles(models, follow=follow, **asked)
    return of_profiles(
        found,
        title=title or described.title,
        baseline=baseline or described.baseline,
        sections=sections or described.sections,
        benches=[bench_file.load(path) for path in (*bench, *_inside(folder, described.bench))],
        runs=[run for path in (*runs, *_inside(folder, described.runs)) for run in load_all(path)],
        predictions=_predicted(found, predict) if predict else None,
    )


def _predicted(profiles: Sequence[Profile], asked: str) -> Predictions:
    """The times of all models from one calibration: the models of a report have one dtype."""
    from archcalc.analysis.prediction.calibration import dtype_of
    from archcalc.io.calibrations import find

    graphs = [found.graph for found in profiles]
    return predict_all(graphs, find(asked, dtype_of(graphs[0])))


def _inside(folder: Path, paths: Sequence[str]) -> list[str]:
    return [str(folder / path) for path in paths]


def _described(described: ReportConfig, follow: Follow | None) -> list[Profile]:
    """The models of a TOML file; the paths of Python files in it are relative to its folder."""
    found = []
    for place, entry in enumerate(described.models):
        if follow is not None:
            follow(place, len(described.models), entry.model)
        is_file = entry.model.startswith("./")
        graph = resolve(
            str(described.folder / entry.model) if is_file else entry.model,
            input=entry.input or None,
            batch=entry.batch,
            training=entry.train,
            options=entry.set,
        )
        found.append(profile(graph))
    return found


def of_profiles(
    profiles: Sequence[Profile],
    *,
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
    benches: Sequence[Bench] = (),
    runs: Sequence[Run] = (),
    predictions: Predictions | None = None,
) -> Report:
    """The records of a report on these models.

    Without ``sections`` it has every section that has something to show; the worked example where
    one of the models is GoogLeNet or an Inception module. Raises UsageError for a section that
    does not exist, and if all measurements or runs are of other models.
    """
    for name in sections:
        if name not in IN_REPORTS:
            raise UsageError(f"unknown section {name!r}: one of {', '.join(IN_REPORTS)}")
    wanted = tuple(name for name in IN_REPORTS if not sections or name in sections)
    of_inception = any(
        word in found.name for found in profiles for word in ("inception", "googlenet")
    )
    with_example = "example" in sections if sections else of_inception
    names = {found.name for found in profiles if found.graph.declared}
    about = [claim for claim in claims_file.registered() if claim.base_model in names]
    found = Report(
        title,
        compare(profiles, baseline=baseline, predictions=predictions),
        worked_example() if with_example else None,
        check(about, lambda name, given: resolve(name, input=given or None)),
        tuple(lint(each.graph) for each in profiles),
        tuple(benches),
        _trained(profiles, runs),
        wanted,
    )
    for bench in benches:
        if not found.measured(bench):
            there = ", ".join(dict.fromkeys(row.spec for row in bench.latencies))
            raise UsageError(
                f"none of the models was measured; the file has measurements of {there}"
            )
    return found


def _trained(profiles: Sequence[Profile], runs: Sequence[Run]) -> tuple[Trained, ...]:
    specs = [found.spec for found in profiles]
    of_these = sorted(
        (run for run in runs if run.model in specs), key=lambda run: specs.index(run.model)
    )
    if runs and not of_these:
        there = ", ".join(dict.fromkeys(run.model for run in runs))
        raise UsageError(f"none of the models was trained; the runs are of {there}")
    found = [Trained(tuple(group), accuracy(group), _macs(group[0])) for group in groups(of_these)]
    if runs and not found:
        raise UsageError("no run of these models is finished; `archcalc train --resume` goes on")
    return tuple(found)


def _macs(run: Run) -> int:
    asked = ModelSpec.parse(run.model)
    options = {}
    if asked.registered and "num_classes" in registry.find(asked.name).options:
        options["num_classes"] = len(run.config["classes"])
    return profile(resolve(run.model, input=run.input, options=options)).macs


def table(report: Report) -> Table:
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
        for profile in report.profiles
        for row in profile.rows()
    ]
    kinds: dict[str, Kind] = dict(columns)  # type: ignore[arg-type]  # literals, seen as str
    return Table(tuple(Column(key, key, kinds[key]) for key, _ in columns), tuple(rows))


def record(report: Report) -> dict[str, Any]:
    """For JSON: the models, layer by layer, their ratios, and all else that is report."""
    fields: dict[str, Any] = {
        "title": report.title,
        "baseline": report.comparison.baseline.spec,
        "comparison": report.comparison.rows(),
    }
    if report.example is not None:
        fields["worked_example"] = {
            "steps": report.example.rows(),
            "ratios": {
                side.title: side.ratio for side in (report.example.branch, report.example.module)
            },
        }
    fields["claims"] = report.claims.rows()
    fields["lint"] = [row for found in report.lints for row in found.rows()]
    fields["bench"] = [measurement(bench) for bench in report.benches]
    fields["accuracies"] = [
        {**one.accuracy._asdict(), "macs": one.macs, "runs": [_run(run) for run in one.runs]}
        for one in report.trained
    ]
    return records.models(report.profiles, **fields)


def _run(run: Run) -> dict[str, Any]:
    """A run without its folder, so that a report does not depend on where it is written."""
    assert run.result is not None
    return {**run.config, "history": run.rows(), "result": run.result._asdict()}
