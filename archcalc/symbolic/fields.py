"""The receptive field as integers that a formula can be over: size, stride and offset.

Figures of networks add up over nodes; these do not, so they have a table of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.analysis.profile import Profile
from archcalc.analysis.receptive_field import Field, Reach
from archcalc.errors import UsageError
from archcalc.symbolic.size import Recorder


def field_of(profile: Profile, node: str) -> Field:
    """The widest window of one output position of ``node``. Raises UsageError where it is
    unknown."""
    found = profile.receptive_fields.get(node)
    if isinstance(found, Reach):
        return found.largest
    raise UsageError(
        f"the receptive field of {node} is unknown in {profile.spec}; "
        f"`archcalc receptive-field {profile.spec}` says why"
    )


def _size(field: Field, recorder: Recorder) -> int:
    return recorder.largest(field.size)


def _stride(field: Field, recorder: Recorder) -> int:
    whole = [step for step in field.stride if isinstance(step, int)]
    if len(whole) < len(field.stride):
        raise UsageError(
            f"the stride of the receptive field is {field.stride[0]}, not a number of whole pixels"
        )
    return recorder.largest(whole)


def _offset(field: Field, recorder: Recorder) -> int:
    return -recorder.largest([-start for start in field.offset])


FIELDS: Mapping[str, Callable[[Field, Recorder], int]] = {
    "receptive_field": _size,
    "receptive_field_stride": _stride,
    "receptive_field_offset": _offset,
}
"""Pixels of the input, of the longer side where the two differ: the size of the window; the
distance between the windows of neighbouring positions; where the first one starts, negative inside
the padding. Positions that see the whole input have its size, and 0 and 0."""
