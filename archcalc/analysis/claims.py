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
from archcalc.lookup.spec import ModelSpec

Verdict = Literal["holds", "rounds to it", "off", "false", "needs training"]
VERDICTS: tuple[Verdict, ...] = ("holds", "rounds to it", "off", "false", "needs training")

OFF = Fraction(1, 10)
"""Beyond its digits by at most this part of itself a figure is off; farther, the statement is
false."""


class Step(NamedTuple):
    """One step of a waterfall: what is added to our number, and why."""

    why: str
    amount: str
    """An expression."""
    inference: bool = False
    """Nobody said so in print; it fits the figures."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One published statement with the sum that checks it."""

    id: str
    model: str
    """As it is resolved, options and all."""
    source: str
    """Paper and table, or the article."""
    quote: str
    """A few words or figures as they stand there."""
    published: str
    """The digits as printed, with their suffix: ``1.2亿``, ``159K``, ``28×28×256``."""
    unit: str
    """MACs, FLOPs, params, % error, ..."""
    check: str = ""
    """An expression over the graph; empty where only training can tell."""
    k: int = 1000
    """What the suffix K stands for."""
    digits: int = 0
    """How many of the printed digits count, where trailing zeros do not: 3 of 1240万."""
    input: str = ""
    """H×W×C; the model's own unless given."""
    limit: Literal["", "at least", "at most"] = ""
    """The statement gives a bound, not a value."""
    cause: str = ""
    """Why it is not what the definition counts, where it is not."""
    inference: bool = False
    """Not a statement of the source: a reading of it that we infer."""
    steps: tuple[Step, ...] = ()

    @property
    def quantity(self) -> Quantity:
        return quantity(self.published, self.k, self.digits)

    @property
    def full_unit(self) -> str:
        """The unit, with K where it is not 1000."""
        return self.unit if self.k == 1000 else f"{self.unit} (K = {self.k})"

    @property
    def base_model(self) -> str:
        """The model's name without its options."""
        return ModelSpec.parse(self.model).name


class Measurement(NamedTuple):
    """What a training run found for a claim that only training can tell."""

    value: float
    """In the claim's unit; a mean where there were several runs."""
    run: str
    """Where the run is kept."""
    deviation: float = 0.0
    """Between runs; twice as much is allowed beside the printed digits."""


class Bar(NamedTuple):
    """One resolved step of a waterfall."""

    why: str
    amount: Number
    inference: bool = False
    unexplained: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with what was counted, and what follows."""

    claim: Claim
    computed: Number | None
    verdict: Verdict
    waterfall: tuple[Bar, ...] = ()
    """From our number to the published one; the amounts add up to ``published − computed``."""
    run: str = ""

    @property
    def published(self) -> Number:
        return self.claim.quantity.value

    @property
    def difference(self) -> Number | None:
        """Computed less published."""
        return None if self.computed is None else self.computed - self.published

    @property
    def cause(self) -> str:
        given = self.claim.cause
        if self.claim.inference:
            given = f"inference: {given}" if given else "inference"
        if self.run:
            given = f"{given}; run {self.run}" if given else f"run {self.run}"
        return given


@dataclass(frozen=True, repr=False)
class Claims(Record):
    """Every claim that was asked for, in the order of the files."""

    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many of each verdict."""
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
    """Count every claim again; ``graph_of`` takes a model as it is written and its input, or "".

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
        return Finding(claim, value, verdict(claim, value, spread), run=found.run)
    try:
        computed = evaluate(claim.check, claim.model, claim.input, profile_of)
        bars = _waterfall(claim, computed, profile_of)
    except UsageError as error:
        raise UsageError(f"claim {claim.id}: {error}") from error
    return Finding(claim, computed, verdict(claim, computed), bars)


def verdict(claim: Claim, computed: Number, spread: Fraction = Fraction(0)) -> Verdict:
    """What the printed digits allow to say.

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
    """Named steps, then what is left: rounding where the printed digits allow it."""
    bars = [
        Bar(step.why, evaluate(step.amount, claim.model, claim.input, profile_of), step.inference)
        for step in claim.steps
    ]
    value, half, _ = claim.quantity
    left = value - computed - sum(bar.amount for bar in bars)
    if left and not claim.limit:
        explained = abs(Fraction(left)) <= half
        why = "rounding to the printed digits" if explained else "unexplained"
        bars.append(Bar(why, left, unexplained=not explained))
    return tuple(bars)


def plain(number: Number | None) -> int | float | None:
    """For JSON: an integer where it is one, else the nearest float."""
    if number is None:
        return None
    return int(number) if number == int(number) else float(number)


def about(claims: Sequence[Claim], model: str) -> tuple[Claim, ...]:
    """The claims about one model, in any of its forms. Raises UsageError when there is none."""
    found = tuple(claim for claim in claims if claim.base_model == model)
    if not found:
        known = ", ".join(dict.fromkeys(claim.base_model for claim in claims))
        raise UsageError(f"there are no claims about {model}; models with claims: {known}")
    return found
