"""How a formula reads the one table of figures: off a Profile whose sizes carry their expressions.

By the same code that reads ordinary integers, but for a maximum, which is kept as an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.analysis.figures import FIGURES as TABLE
from archcalc.analysis.figures import Figure, sides_seen
from archcalc.analysis.memory import liveness, saved_for_backward
from archcalc.analysis.profile import Profile
from archcalc.symbolic.size import Recorder

Read = Callable[[Profile, Recorder], int]


def _peak(profile: Profile, recorder: Recorder) -> int:
    """A maximum over the nodes, instead of a guard for the node at which it is."""
    return recorder.largest([row.live for row in liveness(profile.graph.forward.eval())])


def _saved(profile: Profile, recorder: Recorder) -> int:
    """Without the rest of the profile's memory, whose maxima would be guards."""
    return sum(row.nbytes for row in saved_for_backward(profile.graph.forward.train()))


def longest_side(profile: Profile, recorder: Recorder, node: str = "") -> int:
    """Of the window that a position of this node sees, or one of the main output."""
    return recorder.largest(sides_seen(profile, node))


def _reader(figure: Figure) -> Read:
    return lambda profile, recorder: figure.read(profile)


FIGURES: Mapping[str, Read] = {
    **{key: _reader(figure) for key, figure in TABLE.items()},
    "peak_activation_bytes": _peak,
    "saved_bytes": _saved,
    "receptive_field": longest_side,
}
"""By the key of the figure."""

TOTALS: Mapping[str, Read] = {
    key: read for key, read in FIGURES.items() if TABLE[key].is_always_known
}
"""The figures that every network has."""
