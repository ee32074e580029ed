"""A whole report on some networks: the records that it tells of.

``sections/`` puts them into words, tables and charts; programs get them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from archcalc.analysis.claims import Claims, check
from archcalc.analysis.compare import Comparison, compare
from archcalc.analysis.latency import Bench, Latency
from archcalc.analysis.lint import Lint, lint
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.runs import Accuracy, Run, accuracy, groups
from archcalc.analysis.worked_example import WorkedExample, worked_example
from archcalc.errors import UsageError
from archcalc.io import claims_file
from archcalc.io.bench_file import record as measurement
from archcalc.lookup import registry
from archcalc.lookup.resolve import resolve
from archcalc.lookup.spec import ModelSpec
from archcalc.report import records
from archcalc.report.table import Column, Kind, Table

SECTIONS = (
    "summary",
    "example",
    "layers",
    "where",
    "memory",
    "latency",
    "accuracy",
    "claims",
    "lint",
    "conventions",
    "citation",
)
"""Every section in the order in which they are told."""


class Trained(NamedTuple):
    """One way of training that was measured, over its seeds."""

    runs: tuple[Run, ...]
    accuracy: Accuracy
    macs: int
    """Of the network as it was trained: with that input and that many classes."""


@dataclass(frozen=True)
class Story:
    """The records that a report is made of."""

    title: str
    """Empty for one that names the models."""
    comparison: Comparison
    example: WorkedExample | None
    """None where the report has no Inception in it."""
    claims: Claims
    """What was published about these models."""
    lints: tuple[Lint, ...]
    benches: tuple[Bench, ...] = ()
    """Measurements, as they were loaded; a report tells those of its models."""
    trained: tuple[Trained, ...] = ()
    """Finished runs of these models, in their order."""
    sections: tuple[str, ...] = SECTIONS

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return self.comparison.profiles

    def measured(self, bench: Bench) -> list[Latency]:
        """The measurements of this report's models."""
        specs = {profile.spec for profile in self.profiles}
        return [latency for latency in bench.latencies if latency.spec in specs]


def story(
    profiles: Sequence[Profile],
    *,
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
    benches: Sequence[Bench] = (),
    runs: Sequence[Run] = (),
) -> Story:
    """Gather what a report on these models tells.

    Without ``sections`` it tells all that there is; the worked example where one of the models is
    GoogLeNet or an Inception module. Raises UsageError for a section that does not exist, and for
    measurements or runs of other models alone.
    """
    for name in sections:
        if name not in SECTIONS:
            raise UsageError(f"unknown section {name!r}: one of {', '.join(SECTIONS)}")
    wanted = tuple(name for name in SECTIONS if not sections or name in sections)
    of_inception = any(
        word in found.name for found in profiles for word in ("inception", "googlenet")
    )
    with_example = "example" in sections if sections else of_inception
    names = {found.name for found in profiles if found.graph.declared}
    about = [claim for claim in claims_file.registered() if claim.base_model in names]
    found = Story(
        title,
        compare(profiles, baseline=baseline),
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
    """For JSON: the models, layer by layer, their ratios, and all else that is told."""
    fields: dict[str, Any] = {
        "title": told.title,
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
    fields["claims"] = told.claims.rows()
    fields["lint"] = [row for found in told.lints for row in found.rows()]
    fields["bench"] = [measurement(bench) for bench in told.benches]
    fields["accuracies"] = [
        {**one.accuracy._asdict(), "macs": one.macs, "runs": [_run(run) for run in one.runs]}
        for one in told.trained
    ]
    return records.models(told.profiles, **fields)


def _run(run: Run) -> dict[str, Any]:
    """A run without the folder it lay in: a report is the same wherever it is written."""
    assert run.result is not None
    return {**run.config, "history": run.rows(), "result": run.result._asdict()}
