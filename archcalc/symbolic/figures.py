"""The figures of a profile whose sizes carry expressions.

Most are read by the same code as those of ordinary profiles. A maximum is read separately and
becomes an expression, so that it does not record guards.
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
    """The maximum over all nodes as an expression, without a guard for the node that has it."""
    return recorder.largest([row.live for row in liveness(profile.graph.forward.eval())])


def _saved(profile: Profile, recorder: Recorder) -> int:
    """Saved bytes, without the rest of the profile's memory, whose maxima would record guards."""
    return sum(row.nbytes for row in saved_for_backward(profile.graph.forward.train()))


def _window(profile: Profile, recorder: Recorder, node: str = "") -> int:
    return recorder.largest(window_of(profile, node).size)


def _stride(profile: Profile, recorder: Recorder, node: str = "") -> int:
    steps = window_of(profile, node).stride
    whole = [step for step in steps if isinstance(step, int)]
    if len(whole) < len(steps):
        raise UsageError(
            f"the stride of the receptive field of {profile.spec} is {steps[0]} pixels, which is "
            "not a whole number"
        )
    return recorder.largest(whole)


def _offset(profile: Profile, recorder: Recorder, node: str = "") -> int:
    return -recorder.largest([-start for start in window_of(profile, node).offset])


class OfNode(Protocol):
    """Reads a figure of one node, by default of the main output."""

    def __call__(self, profile: Profile, recorder: Recorder, node: str = "") -> int: ...


WINDOW: Mapping[str, OfNode] = {
    "receptive_field": _window,
    "receptive_field_stride": _stride,
    "receptive_field_offset": _offset,
}
"""Figures of the receptive field of one position of a node, in input pixels, along the axis where
they are largest: the size of the window, the distance between the windows of neighbouring
positions, and the start of the first one, which is negative inside the padding. For a position that
sees the whole input, the last two are 0."""


def _reader(figure: Figure) -> Read:
    return lambda profile, recorder: figure.read(profile)


FIGURES: Mapping[str, Read] = {
    **{key: _reader(figure) for key, figure in TABLE.items()},
    "peak_activation_bytes": _peak,
    "saved_bytes": _saved,
    **WINDOW,
}
"""Readers by the key of the figure."""

TOTALS: Mapping[str, Read] = {
    key: FIGURES[key]
    for key, figure in TABLE.items()
    if figure.is_always_known and not figure.is_of_tokens
}
"""The figures that every network has."""
