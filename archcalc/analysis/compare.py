"""Several profiles side by side, as ratios to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archcalc.analysis.figures import COMPARED, FIGURES, read
from archcalc.analysis.profile import Profile
from archcalc.analysis.record import Record
from archcalc.errors import UsageError


@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Profiles in the order asked for, and the one that the others are measured against."""

    profiles: tuple[Profile, ...]
    baseline: Profile

    @property
    def headline(self) -> str:
        return ", ".join(profile.spec for profile in self.profiles)

    def ratio(self, profile: Profile, metric: str) -> float | None:
        """``profile``'s figure over the baseline's; None where the baseline has 0."""
        base = read(self.baseline, metric)
        return read(profile, metric) / base if base else None

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": profile.name,
                "spec": profile.spec,
                "input": profile.input,
                "output": profile.output,
                **{key: read(profile, key) for key in COMPARED},
                **{f"{key}_ratio": self.ratio(profile, key) for key in COMPARED},
            }
            for profile in self.profiles
        ]


def compare(profiles: Sequence[Profile], *, baseline: str = "", sort: str = "") -> Comparison:
    """Put profiles side by side.

    ``baseline`` is the name of one of them, the first unless given; ``sort`` the
    key of a figure (:data:`archcalc.analysis.figures.FIGURES`), smallest first. Raises UsageError
    for another name.
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
    chosen = names[baseline] if baseline else profiles[0]
    if sort:
        profiles = sorted(profiles, key=lambda profile: read(profile, sort))
    return Comparison(tuple(profiles), chosen)
