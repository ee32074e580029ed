"""``archcalc verify``: every other counter beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archcalc.language import _, listed, mark
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table

if TYPE_CHECKING:
    from archcalc.pytorch.crosscheck import Count, Crosscheck

NOTE = mark(
    "Under a counter: what its convention adds to the declared multiply-adds (half of torch's "
    "FLOPs, which are two each). Unexplained: what no step accounts for, parameters included."
)


def show(checks: Sequence[Crosscheck]) -> Document:
    """A row per model; then every difference with its cause."""
    counters = list(dict.fromkeys(count.counter for check in checks for count in check.counts))
    columns = (
        Column("model", _("model")),
        Column("params", _("params"), "count"),
        Column("macs", _("MACs"), "count"),
        *(Column(name, name, "signed", 1) for name in counters),
        Column("unexplained", _("unexplained"), "count"),
    )
    rows: list[tuple[Cell, ...]] = []
    for check in checks:
        found = {count.counter: count for count in check.counts}
        rows.append(
            (
                check.spec,
                check.params,
                check.macs,
                *(_added(found.get(name)) for name in counters),
                sum(_unexplained(count) for count in check.counts),
            )
        )
    causes = [
        (check.spec, count.counter, count.cause)
        for check in checks
        for count in check.counts
        if count.cause and not _is_twice(count)
    ]
    tables = [Table(columns, tuple(rows))]
    if causes:
        heads = (
            Column("model", _("model")),
            Column("counter", _("counter")),
            Column("cause", _("cause"), "prose"),
        )
        tables.append(Table(heads, tuple(causes), _("What each counter's convention adds")))
    tools = dict.fromkeys(count.tool for check in checks for count in check.counts)
    data = records.head(checks=[record(check) for check in checks])
    failed = [
        f"{check.spec}: {_(sentence)}." for check in checks for _name, sentence in check.failed
    ]
    return answer(
        tuple(tables), data, (_(NOTE), _("Counters: {tools}.", tools=listed(tools)), *failed)
    )


def _added(count: Count | None) -> int | None:
    """The counter's figure minus ours; None if the counter did not run."""
    if count is None:
        return None
    ours = count.steps[0].amount
    return count.value - (2 * ours if _is_twice(count) else ours)


def _is_twice(count: Count) -> bool:
    """Whether the counter reports torch's FLOPs, two per multiply-add."""
    return count.counter == "torch" and len(count.steps) == 2


def _unexplained(count: Count) -> int:
    return abs(count.unexplained) + abs(count.unexplained_params)


def record(check: Crosscheck) -> dict[str, Any]:
    return {
        "model": check.model,
        "spec": check.spec,
        "params": check.params,
        "macs": check.macs,
        "counts": [
            {
                "counter": count.counter,
                "tool": count.tool,
                "value": count.value,
                "unit": count.unit,
                "params": count.params,
                "macs": count.macs,
                "steps": [{"label": step.label, "amount": step.amount} for step in count.steps],
                "unexplained": count.unexplained,
                "unexplained_params": count.unexplained_params,
            }
            for count in check.counts
        ],
    }
