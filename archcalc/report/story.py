"""A whole report on some networks: the records that it tells of.

``telling.py`` puts them into words, tables and charts; programs get them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archcalc import claims_file
from archcalc.errors import UsageError
from archcalc.readings.claims import Claims, check
from archcalc.readings.compare import Comparison, compare
from archcalc.readings.latency import Bench, Latency
from archcalc.readings.latency_file import record as measurement
from archcalc.readings.lint import Lint, lint
from archcalc.readings.profile import Profile
from archcalc.readings.worked_example import WorkedExample, worked_example
from archcalc.report import json
from archcalc.report.table import Column, Kind, Table
from archcalc.resolve import resolve

SECTIONS = (
    "summary",
    "example",
    "layers",
    "where",
    "memory",
    "latency",
    "claims",
    "lint",
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
    claims: Claims
    """What was published about these models."""
    lints: tuple[Lint, ...]
    benches: tuple[Bench, ...] = ()
    """Measurements, as they were loaded; a report tells those of its models."""
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
) -> Story:
    """Gather what a report on these models tells.

    Without ``sections`` it tells all that there is; the worked example where one of the models is
    GoogLeNet or an Inception module. Raises UsageError for a section that does not exist, and for
    measurements of other models alone.
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
        wanted,
    )
    for bench in benches:
        if not found.measured(bench):
            there = ", ".join(dict.fromkeys(row.spec for row in bench.latencies))
            raise UsageError(
                f"none of the models was measured; the file has measurements of {there}"
            )
    return found


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
    return json.models(told.profiles, **fields)
