"""Published figures against what the definitions count.

A claim keeps the digits as they were printed, because the last of them says how exact the figure
is: "1.2亿" allows 1.15–1.25, "2.7K" with K = 1024 allows 2,713.6–2,816. Where a figure does not fit
its verdict comes with a cause, and its waterfall leads from our number to the printed one in steps
that add up, or ends in what is unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal, NamedTuple

from archcalc.analysis.expression import Models, Number, evaluate
from archcalc.analysis.printed import Quantity, quantity
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.record import Record
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.language import Message, mark
from archcalc.lookup.spec import ModelSpec

Verdict = Literal["holds", "rounds to it", "off", "false", "needs training"]
VERDICTS: tuple[Verdict, ...] = ("holds", "rounds to it", "off", "false", "needs training")

OFF = Fraction(1, 10)
"""A figure that differs beyond its printed digits is off up to this relative difference, and false
beyond it."""


class Step(NamedTuple):
    """One step of a waterfall: the amount added to archcalc's number, and the reason."""

    why: str
    amount: str
    """An expression."""
    inference: bool = False
    """The step fits the figures, but no publication states it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One published statement with the expression that checks it."""

    id: str
    model: str
    """The specification of the model, with its options."""
    source: str
    """The paper with its table or section, or the article."""
    quote: str
    """A few words or figures, quoted from the source."""
    published: str
    """The digits as printed, with their suffix: ``1.2亿``, ``159K``, ``28×28×256``."""
    unit: str
    """MACs, FLOPs, params, % error, ..."""
    check: str = ""
    """An expression over the graph. Empty if only training can check the claim."""
    k: int = 1000
    """The value of the suffix K."""
    digits: int = 0
    """The number of significant digits if trailing zeros are not significant: 3 of 1240万."""
    input: str = ""
    """H×W×C. By default, the model's own input."""
    limit: Literal["", "at least", "at most"] = ""
    """Set if the statement gives a bound instead of a value."""
    cause: str = ""
    """The reason why the published figure differs from archcalc's count, if it does."""
    inference: bool = False
    """Whether the claim is inferred from the source instead of stated there."""
    steps: tuple[Step, ...] = ()

    @property
    def quantity(self) -> Quantity:
        return quantity(self.published, self.k, self.digits)

    @property
    def full_unit(self) -> str:
        """The unit, with the value of K if that is not 1000."""
        return self.unit if self.k == 1000 else f"{self.unit} (K = {self.k})"

    @property
    def base_model(self) -> str:
        """The model's name without its options."""
        return ModelSpec.parse(self.model).name


class Measurement(NamedTuple):
    """The result of training runs for a claim that only training can check."""

    value: float
    """In the claim's unit. The mean if there were several runs."""
    run: str
    """The folder of the run."""
    deviation: float = 0.0
    """The standard deviation between runs. Twice this is allowed in addition to the printed
    digits."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of a comparison of two kinds of runs."""


class Bar(NamedTuple):
    """One resolved step of a waterfall."""

    why: str
    amount: Number
    inference: bool = False
    unexplained: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with the counted value and the verdict."""

    claim: Claim
    computed: Number | None
    verdict: Verdict
    waterfall: tuple[Bar, ...] = ()
    """Steps from archcalc's number to the published one. The amounts add up to ``published −
    computed``."""
    run: str = ""
    interval: tuple[float, float] | None = None
    """Of a measured comparison."""

    @property
    def published(self) -> Number:
        return self.claim.quantity.value

    @property
    def difference(self) -> Number | None:
        """The computed number minus the published one."""
        return None if self.computed is None else self.computed - self.published

    @property
    def cause(self) -> Message:
        """Why the figures differ, whether that is inferred, and the run that measured it."""
        given = Message(self.claim.cause)
        if self.claim.inference:
            given = Message("inference: {cause}", cause=given) if given else Message("inference")
        if self.run:
            run = Message("run {folder}", folder=self.run)
            given = Message("{cause}; {run}", cause=given, run=run) if given else run
        if self.interval:
            low, high = (f"{end:.2f}" for end in self.interval)
            given = Message(
                "{cause}; 95 % interval {low} to {high}", cause=given, low=low, high=high
            )
        return given


@dataclass(frozen=True, repr=False)
class Claims(Record):
    """The selected claims with their findings, in the order of the files."""

    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """The number of claims per verdict."""
        return {
            verdict: sum(found.verdict == verdict for found in self.findings)
            for verdict in VERDICTS
        }

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "model": found.claim.model,
                "id": found.claim.id,
                "source": found.claim.source,
                "quote": found.claim.quote,
                "published": plain(found.published),
                "unit": found.claim.full_unit,
                "computed": plain(found.computed),
                "difference": plain(found.difference),
                "verdict": found.verdict,
                "cause": found.cause,
            }
            for found in self.findings
        ]


def check(
    claims: Sequence[Claim],
    graph_of: Callable[[str, str], Graph],
    measured: Mapping[str, Measurement] | None = None,
) -> Claims:
    """Count every claim again. ``graph_of`` takes a model's specification and its input or "".

    ``measured`` has, by a claim's id, what a training run found. Raises what ``graph_of`` raises,
    and UsageError, which names the claim, for an expression that cannot be evaluated.
    """

    @cache
    def profile_of(model: str, input: str) -> Profile:
        return profile(graph_of(model, input).train())

    return Claims(tuple(_check(claim, profile_of, measured or {}) for claim in claims))


def _check(claim: Claim, profile_of: Models, measured: Mapping[str, Measurement]) -> Finding:
    if not claim.check:
        if claim.id not in measured:
            return Finding(claim, None, "needs training")
        found = measured[claim.id]
        value = Fraction(str(found.value))
        spread = Fraction(str(found.deviation))
        judged = verdict(claim, value, spread)
        if found.interval and found.interval[0] < claim.quantity.value < found.interval[1]:
            judged = "needs training"  # of more seeds: the limit is inside the interval
        return Finding(claim, value, judged, run=found.run, interval=found.interval)
    try:
        computed = evaluate(claim.check, claim.model, claim.input, profile_of)
        bars = _waterfall(claim, computed, profile_of)
    except UsageError as error:
        raise UsageError(f"claim {claim.id}: {error}") from error
    return Finding(claim, computed, verdict(claim, computed), bars)


def verdict(claim: Claim, computed: Number, spread: Fraction = Fraction(0)) -> Verdict:
    """The verdict that the printed digits allow.

    >>> verdict(Claim("", "", "", "", "1.2亿", "MACs"), 120_422_400)
    'rounds to it'
    """
    value, half, whole = claim.quantity
    if claim.limit:
        kept = computed >= value if claim.limit == "at least" else computed <= value
        return "holds" if kept else "false"
    distance = abs(Fraction(computed - value))
    if not distance:
        return "holds"
    if distance <= half + 2 * spread:
        return "rounds to it"
    return "off" if distance <= OFF * abs(Fraction(value)) and not whole else "false"


def _waterfall(claim: Claim, computed: Number, profile_of: Models) -> tuple[Bar, ...]:
    """The named steps, then the remainder, called rounding if the printed digits allow it."""
    bars = [
        Bar(step.why, evaluate(step.amount, claim.model, claim.input, profile_of), step.inference)
        for step in claim.steps
    ]
    value, half, _ = claim.quantity
    left = value - computed - sum(bar.amount for bar in bars)
    if left and not claim.limit:
        explained = abs(Fraction(left)) <= half
        why = mark("rounding to the printed digits") if explained else mark("unexplained")
        bars.append(Bar(why, left, unexplained=not explained))
    return tuple(bars)


def plain(number: Number | None) -> int | float | None:
    """A number for JSON: an integer if it is one, else the nearest float."""
    if number is None:
        return None
    return int(number) if number == int(number) else float(number)


def about(claims: Sequence[Claim], model: str) -> tuple[Claim, ...]:
    """The claims about one model with any options. Raises UsageError if there are none."""
    found = tuple(claim for claim in claims if claim.base_model == model)
    if not found:
        known = ", ".join(dict.fromkeys(claim.base_model for claim in claims))
        raise UsageError(f"there are no claims about {model}; models with claims: {known}")
    return found
