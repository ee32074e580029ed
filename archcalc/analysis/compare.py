"""Comparisons of several profiles, with ratios to one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from archcalc.analysis.diff import Diff, diff
from archcalc.analysis.figures import COMPARED, FIGURES, read
from archcalc.analysis.profile import Profile
from archcalc.analysis.record import Record
from archcalc.errors import UsageError

if TYPE_CHECKING:
    from archcalc.analysis.latency import Bench, Latency
    from archcalc.analysis.prediction.predict import Predictions
    from archcalc.analysis.runs import Accuracy, Run


@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Profiles in the order given, and the baseline of the ratios."""

    profiles: tuple[Profile, ...]
    baseline: Profile
    bench: Bench | None = None
    """Latencies of these models; None if not requested."""
    accuracies: tuple[Accuracy, ...] | None = None
    """Accuracies that training runs of these models reached; None if not requested."""
    predictions: Predictions | None = None
    """Predicted latencies of these models; None if not requested."""

    @property
    def headline(self) -> str:
        return ", ".join(profile.spec for profile in self.profiles)

    def ratio(self, profile: Profile, metric: str) -> float | None:
        """A figure of ``profile`` divided by that of the baseline; None if the baseline's is 0."""
        base = read(self.baseline, metric)
        return read(profile, metric) / base if base else None

    differences: Diff | None = None
    """The differences between two models, node by node; None if not requested."""

    def latency(self, profile: Profile) -> Latency | None:
        """The measurement of this model on its input."""
        from archcalc.analysis.latency import find

        inputs = [node.output.shape for node in profile.graph.inputs]
        return find(self.bench, profile.spec, inputs) if self.bench is not None else None

    def accuracy(self, profile: Profile) -> Accuracy | None:
        """The accuracy of this model; None if it was not trained, or trained in several ways."""
        found = [one for one in self.accuracies or () if one.model == profile.spec]
        return found[0] if len(found) == 1 else None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measured columns that were requested."""
        return tuple(each for each in MEASURES if getattr(self, each.source) is not None)

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": profile.name,
                "spec": profile.spec,
                "input": profile.input,
                "output": profile.output,
                **{key: read(profile, key) for key in COMPARED},
                **{f"{key}_ratio": self.ratio(profile, key) for key in COMPARED},
                **{each.key: each.read(self, profile) for each in self.measures},
            }
            for profile in self.profiles
        ]


class Measure(NamedTuple):
    """A measured column of a comparison: a latency, an accuracy."""

    key: str
    """The column's name in JSON and CSV."""
    source: str
    """The field of :class:`Comparison` that it is read from."""
    read: Callable[[Comparison, Profile], float | None]
    ratio: str = ""
    """The key of the ratio to the baseline; empty if a ratio is not meaningful."""

    def ratio_of(self, found: Comparison, profile: Profile) -> float | None:
        """The model's value divided by the baseline's."""
        value, base = self.read(found, profile), self.read(found, found.baseline)
        return value / base if value is not None and base else None


def _median(found: Comparison, profile: Profile) -> float | None:
    latency = found.latency(profile)
    return latency.median if latency is not None else None


def _accuracy(found: Comparison, profile: Profile) -> float | None:
    accuracy = found.accuracy(profile)
    return accuracy.mean if accuracy is not None else None


def _predicted(field: str) -> Callable[[Comparison, Profile], float | None]:
    def read_it(found: Comparison, profile: Profile) -> float | None:
        prediction = found.predictions.of(profile.graph) if found.predictions else None
        return getattr(prediction, field) if prediction is not None else None

    return read_it


MEASURES: tuple[Measure, ...] = (
    Measure("median_s", "bench", _median, "time_ratio"),
    Measure("predicted_s", "predictions", _predicted("seconds")),
    Measure("predicted_low_s", "predictions", _predicted("low")),
    Measure("predicted_high_s", "predictions", _predicted("high")),
    Measure("test_accuracy", "accuracies", _accuracy),
)
"""Every measured or predicted column, in order. To add one, add a field to :class:`Comparison` and
a row here."""


def compare(
    profiles: Sequence[Profile],
    *,
    baseline: str = "",
    sort: str = "",
    bench: Bench | None = None,
    runs: Sequence[Run] | None = None,
    predictions: Predictions | None = None,
    differences: bool = False,
) -> Comparison:
    """Compare profiles, with measurements of them.

    ``baseline`` is the name of one of them, the first unless given; ``sort`` the
    key of a figure (:data:`archcalc.analysis.figures.FIGURES`), smallest first. Raises UsageError
    for another name, for a ``bench`` of other models, and for ``differences`` of more than two
    models.
    """
    if not profiles:
        raise UsageError("nothing to compare: name at least one model")
    names = {key: profile for profile in profiles for key in (profile.name, profile.spec)}
    if baseline and baseline not in names:
        raise UsageError(
            f"baseline {baseline!r} is not one of the compared models: "
            + ", ".join(profile.spec for profile in profiles)
        )
    if sort and sort not in FIGURES:
        raise UsageError(f"cannot sort by {sort!r}: one of {', '.join(FIGURES)}")
    if differences and len(profiles) != 2:
        raise UsageError(f"--diff takes two models; got {len(profiles)}")
    changed = diff(profiles[0], profiles[1]) if differences else None
    chosen = names[baseline] if baseline else profiles[0]
    if sort:
        profiles = sorted(profiles, key=lambda profile: read(profile, sort))
    reached = _accuracies(profiles, runs)
    found = Comparison(tuple(profiles), chosen, bench, reached, predictions, changed)
    if bench is not None and not any(map(found.latency, profiles)):
        there = ", ".join(dict.fromkeys(row.spec for row in bench.latencies))
        raise UsageError(
            f"no measurement of {found.headline} at this input and batch; there are measurements "
            f"of {there}"
        )
    return found


def _accuracies(
    profiles: Sequence[Profile], runs: Sequence[Run] | None
) -> tuple[Accuracy, ...] | None:
    if runs is None:
        return None
    from archcalc.analysis.runs import accuracies

    specs = {profile.spec for profile in profiles}
    return tuple(one for one in accuracies(runs) if one.model in specs)
