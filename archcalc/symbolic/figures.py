"""How a formula reads the one table of figures: off a Profile whose sizes carry their expressions.

By the same code that reads ordinary integers, but for a maximum, which is kept as an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.analysis.figures import FIGURES as TABLE
from archcalc.analysis.figures import Figure
from archcalc.analysis.memory import liveness, saved_for_backward
from archcalc.analysis.profile import Profile
from archcalc.symbolic.fields import FIELDS, field_of
from archcalc.symbolic.size import Recorder

Read = Callable[[Profile, Recorder], int]


def _peak(profile: Profile, recorder: Recorder) -> int:
    """A maximum over the nodes, instead of a guard for the node at which it is."""
    return recorder.largest([row.live for row in liveness(profile.graph.forward.eval())])


def _saved(profile: Profile, recorder: Recorder) -> int:
    """Without the rest of the profile's memory, whose maxima would be guards."""
    return sum(row.nbytes for row in saved_for_backward(profile.graph.forward.train()))


def _reader(figure: Figure) -> Read:
    return lambda profile, recorder: figure.read(profile)


FIGURES: Mapping[str, Read] = {
    **{key: _reader(figure) for key, figure in TABLE.items()},
    "peak_activation_bytes": _peak,
    "saved_bytes": _saved,
}
"""By the key of the figure."""

KEYS = (*FIGURES, *FIELDS)
"""Everything that a formula can be asked for."""


def read(key: str, found: Profile, recorder: Recorder, whole: Profile | None = None) -> int:
    """One figure of a profile, or of a part of the ``whole``. The receptive field is that of the
    main output, or of the last node of the part."""
    if key in FIGURES:
        return FIGURES[key](found, recorder)
    graph = found.graph
    if whole is None and graph.outputs:
        node = graph.nodes[graph.output.source].name
    else:
        node = found.layers[-1].name
    return FIELDS[key](field_of(whole or found, node), recorder)
