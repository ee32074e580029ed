"""How a formula reads the one table of figures: off a Profile whose sizes carry their expressions.

By the same code that reads ordinary integers, but for a maximum, which is kept as an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from archcalc.analysis.figures import FIGURES as TABLE
from archcalc.analysis.figures import Figure, window_of
from archcalc.analysis.memory import liveness, saved_for_backward
from archcalc.analysis.profile import Profile
from archcalc.errors import UsageError
from archcalc.symbolic.size import Recorder

Read = Callable[[Profile, Recorder], int]


def _peak(profile: Profile, recorder: Recorder) -> int:
    """A maximum over the nodes, instead of a guard for the node at which it is."""
    return recorder.largest([row.live for row in liveness(profile.graph.forward.eval())])


def _saved(profile: Profile, recorder: Recorder) -> int:
    """Without the rest of the profile's memory, whose maxima would be guards."""
    return sum(row.nbytes for row in saved_for_backward(profile.graph.forward.train()))


def _window(profile: Profile, recorder: Recorder, node: str = "") -> int:
    return recorder.largest(window_of(profile, node).size)


def _stride(profile: Profile, recorder: Recorder, node: str = "") -> int:
    steps = window_of(profile, node).stride
    whole = [step for step in steps if isinstance(step, int)]
    if len(whole) < len(steps):
        raise UsageError(
            f"the windows of {profile.spec} lie {steps[0]} pixels apart, which is not a whole "
            "number"
        )
    return recorder.largest(whole)


def _offset(profile: Profile, recorder: Recorder, node: str = "") -> int:
    return -recorder.largest([-start for start in window_of(profile, node).offset])


class OfNode(Protocol):
    """A figure of one node; of the main output unless named."""

    def __call__(self, profile: Profile, recorder: Recorder, node: str = "") -> int: ...


WINDOW: Mapping[str, OfNode] = {
    "receptive_field": _window,
    "receptive_field_stride": _stride,
    "receptive_field_offset": _offset,
}
"""Of what one position of a node sees, in pixels of the input, along the axis where it is most: the
size of the window; how far the windows of neighbouring positions lie apart; where the first one
starts, negative inside the padding. A position that sees the whole input has 0 for both."""


def _reader(figure: Figure) -> Read:
    return lambda profile, recorder: figure.read(profile)


FIGURES: Mapping[str, Read] = {
    **{key: _reader(figure) for key, figure in TABLE.items()},
    "peak_activation_bytes": _peak,
    "saved_bytes": _saved,
    **WINDOW,
}
"""By the key of the figure."""

TOTALS: Mapping[str, Read] = {
    key: FIGURES[key]
    for key, figure in TABLE.items()
    if figure.is_always_known and not figure.is_of_tokens
}
"""The figures that every network has."""
