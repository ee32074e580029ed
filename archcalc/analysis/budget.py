"""Limits that a model keeps: exact figures gate, a measured time advises.

Parameters, multiply-adds, shapes and memory are the same on every machine, so a breach of one is a
breach. A time belongs to the machine that it was taken on: it gates only where the budget names
that machine and the measurement is from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from archcalc.analysis.figures import FIGURES
from archcalc.analysis.latency import Bench, find
from archcalc.analysis.prediction.predict import Prediction
from archcalc.analysis.profile import Profile
from archcalc.analysis.record import Record
from archcalc.graph import Shape, times
from archcalc.language import Message, mark
from archcalc.ops.operator import extent

Outcome = Literal["kept", "breach", "advice"]


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A median of ``archcalc bench``, or a prediction."""

    seconds: float
    bench: str = ""
    """The file that ``archcalc bench -o`` wrote; empty for a prediction."""
    machine: str = ""
    """A part of the processor's or GPU's name; a time from it gates. Empty: it only advises."""
    predict: str = ""
    """The calibration that the time is predicted from: a file, or a device of this machine."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one model."""

    model: str
    input: tuple[str, ...] = ()
    at_most: Mapping[str, int] = field(default_factory=dict)
    """By the key of the figure."""
    exactly: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)
    """Of nodes or modules (of a module's last node), as ``8x8x10``; ``output`` is the model's."""
    latency: TimeLimit | None = None


class Forecast(NamedTuple):
    """A predicted time and the machine that it is predicted for."""

    prediction: Prediction
    machine: str


class Check(NamedTuple):
    """One limit of one model, and what was found."""

    model: str
    what: str
    """A figure, ``shape of NODE``, or ``latency``."""
    found: int | float | str | None
    """None if it is unknown."""
    limit: int | float | str
    bound: Literal["at most", "exactly"]
    outcome: Outcome
    sentence: Message
    """The whole of it in one line."""


@dataclass(frozen=True, repr=False)
class Checks(Record):
    """Every limit of a budget, in its order."""

    checks: tuple[Check, ...]

    @property
    def breaches(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome == "breach")

    @property
    def advice(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.outcome == "advice")

    def rows(self) -> list[dict[str, Any]]:
        return [check._asdict() for check in self.checks]


def check(
    budget: Budget,
    found: Profile,
    measured: Bench | None = None,
    forecast: Forecast | str = "",
) -> tuple[Check, ...]:
    """Every limit of a model against its profile, and against what ``archcalc bench`` measured or
    what is predicted; a string is the reason why there is no prediction.

    >>> import archcalc
    >>> limits = Budget("nin", at_most={"macs": 200_000_000})
    >>> for each in check(limits, archcalc.graph("nin").profile()):
    ...     print(each.sentence)
    nin: 222,486,528 MACs, at most 200,000,000 allowed: 22,486,528 over (11.2 %)
    """
    name = budget.model
    checks = [_figure(name, key, limit, "at most", found) for key, limit in budget.at_most.items()]
    checks += [_figure(name, key, limit, "exactly", found) for key, limit in budget.exactly.items()]
    checks += [_shape(name, node, wanted, found) for node, wanted in budget.shapes.items()]
    if budget.latency is not None and budget.latency.predict:
        checks.append(_predicted(budget, budget.latency, forecast))
    elif budget.latency is not None:
        checks.append(_latency(budget, budget.latency, found, measured))
    return tuple(checks)


def _figure(
    name: str, key: str, limit: int, bound: Literal["at most", "exactly"], found: Profile
) -> Check:
    figure = FIGURES[key]
    value = figure.read(found)
    unit = Message(figure.label)
    if figure.unit == "bytes":
        unit = Message("bytes of {what}", what=unit)
    values: dict[str, Any] = {"model": name, "value": value, "unit": unit, "limit": limit}
    sentence = Message(LIMITS[bound], **values)
    unknown = found.not_counted if figure.is_lower_bound else ()
    over = value - limit
    kept = over <= 0 if bound == "at most" else not over
    if unknown and (kept or bound == "exactly"):
        # What is counted fits, but what is not counted might not.
        ops = ", ".join(dict.fromkeys(row.op for row in unknown))
        sentence = Message(
            "{model}: at least {value:,} {unit}: {ops} not counted, so the limit of {limit:,} "
            "cannot be checked",
            **values,
            ops=ops,
        )
        return Check(name, key, None, limit, bound, "breach", sentence)
    if kept:
        return Check(name, key, value, limit, bound, "kept", sentence)
    by = Message("{count:,} over", count=over)
    if over < 0:
        by = Message("{count:,} under", count=-over)
    if limit:
        by = Message("{by} ({share:.1f} %)", by=by, share=100 * abs(over) / limit)
    breach = Message("{sentence}: {by}", sentence=sentence, by=by)
    return Check(name, key, value, limit, bound, "breach", breach)


LIMITS: Mapping[str, str] = {
    "at most": mark("{model}: {value:,} {unit}, at most {limit:,} allowed"),
    "exactly": mark("{model}: {value:,} {unit}, exactly {limit:,} allowed"),
}


def _shape(name: str, node: str, wanted: str, found: Profile) -> Check:
    shape = _output_of(found, node)
    what = f"shape of {node}"
    if shape is None:
        sentence = Message(
            "{model}: there is no node {node}; its shape is limited to {wanted}",
            model=name,
            node=node,
            wanted=wanted,
        )
        return Check(name, what, None, wanted, "exactly", "breach", sentence)
    written = times(extent(shape))
    limit = wanted.replace("x", "×")
    kept = limit in (written, times(shape))
    values = {"model": name, "node": node, "shape": written, "limit": limit}
    sentence = Message("{model}: {node} is {shape}, not {limit}", **values)
    if kept:
        sentence = Message("{model}: {node} is {shape}, as {limit}", **values)
    return Check(name, what, written, wanted, "exactly", "kept" if kept else "breach", sentence)


def _output_of(found: Profile, node: str) -> Shape | None:
    """The output shape of a node, of a module's last node, or for ``output`` of the model."""
    layers = [
        layer for layer in found.layers if layer.name == node or layer.name.startswith(f"{node}.")
    ]
    if layers:
        return layers[-1].output
    return found.output if node == "output" else None


def _latency(budget: Budget, limit: TimeLimit, found: Profile, measured: Bench | None) -> Check:
    name, allowed = budget.model, limit.seconds
    inputs = [node.output.shape for node in found.graph.inputs]
    row = find(measured, found.spec, inputs) if measured is not None else None
    if row is None or measured is None:
        sentence = Message(
            "{model}: no measurement at this input in {file}; write one with archcalc bench "
            "{model} -o {file}",
            model=name,
            file=limit.bench,
        )
        return Check(name, "latency", None, allowed, "at most", "advice", sentence)
    machine = measured.environment.gpu or measured.environment.processor
    named = bool(limit.machine) and limit.machine.lower() in machine.lower()
    over = row.median > allowed
    sentence = Message(
        "{model}: {median:.3g} ms on {machine}, at most {limit:.3g} ms allowed",
        model=name,
        median=1e3 * row.median,
        machine=machine,
        limit=1e3 * allowed,
    )
    outcome: Outcome = "kept" if not over else "breach" if named else "advice"
    if over and not named:
        sentence = _on_another_machine(sentence, machine, limit)
    return Check(name, "latency", row.median, allowed, "at most", outcome, sentence)


def _on_another_machine(sentence: Message, machine: str, limit: TimeLimit) -> Message:
    values = {"sentence": sentence, "machine": machine}
    if limit.machine:
        return Message(
            "{sentence}; advisory, because the machine is {machine}, not {named}",
            **values,
            named=limit.machine,
        )
    return Message(
        "{sentence}; advisory, because the machine is {machine}, which the budget does not name",
        **values,
    )


def _predicted(budget: Budget, limit: TimeLimit, forecast: Forecast | str) -> Check:
    """Check a predicted time. It is a breach only if its whole interval is over the limit, and only
    on a machine that the budget names."""
    name, allowed = budget.model, limit.seconds
    if isinstance(forecast, str):
        why = Message(forecast or "there is no calibration")
        sentence = Message("{model}: its time is not predicted: {why}", model=name, why=why)
        return Check(name, "predicted latency", None, allowed, "at most", "advice", sentence)
    found, machine = forecast
    named = bool(limit.machine) and limit.machine.lower() in machine.lower()
    sentence = Message(
        "{model}: {median:.3g} ms predicted on {machine} (90 %: {low:.3g} to {high:.3g} ms), at "
        "most {limit:.3g} ms allowed",
        model=name,
        median=1e3 * found.seconds,
        machine=machine,
        low=1e3 * found.low,
        high=1e3 * found.high,
        limit=1e3 * allowed,
    )
    outcome: Outcome = "kept"
    if found.seconds > allowed:
        outcome = "breach" if named and found.low > allowed else "advice"
        if not named:
            sentence = _on_another_machine(sentence, machine, limit)
        elif outcome == "advice":
            sentence = Message(
                "{sentence}; advisory, because the interval includes the limit", sentence=sentence
            )
    return Check(name, "predicted latency", found.seconds, allowed, "at most", outcome, sentence)


def check_all(
    budgets: Sequence[Budget],
    profiles: Sequence[Profile],
    measured: Mapping[str, Bench] | None = None,
    forecasts: Sequence[Forecast | str] = (),
) -> Checks:
    """Every budget against its profile; ``measured`` by the name of the bench file, ``forecasts``
    in the order of the budgets."""
    found: list[Check] = []
    for place, (budget, profile) in enumerate(zip(budgets, profiles, strict=True)):
        bench = budget.latency and (measured or {}).get(budget.latency.bench)
        forecast = forecasts[place] if forecasts else ""
        found += check(budget, profile, bench or None, forecast)
    return Checks(tuple(found))
