"""The figures that a formula can give: integers that are functions of the graph alone.

Each reads a Profile whose sizes carry their expressions, so the figures of a formula are those of
``archcalc.profile``, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archcalc.analysis.conventions import CONVENTIONS, total
from archcalc.analysis.profile import Profile
from archcalc.ops.operator import Cost
from archcalc.symbolic.size import Recorder

Read = Callable[[Profile, Recorder], int]


def _plain(name: str) -> Read:
    return lambda profile, recorder: getattr(profile, name)


def _cost(field: str) -> Read:
    return lambda profile, recorder: getattr(profile.cost, field)


def _peak(profile: Profile, recorder: Recorder) -> int:
    """A maximum over the nodes, instead of a guard for the node at which it is."""
    return recorder.largest([row.live for row in profile.memory.activations])


def _moved(profile: Profile, recorder: Recorder) -> int:
    pairs = (layer.bytes_moved for layer in profile.layers)
    return sum(read + written for read, written in filter(None, pairs))


def _convention(name: str) -> Read:
    return lambda profile, recorder: total(profile.graph, name).value


FIGURES: Mapping[str, Read] = {
    "params": _plain("params"),
    "params_executed": _plain("params_executed"),
    "macs": _plain("macs"),
    "flops": _plain("flops"),
    **{f"{field}_ops": _cost(field) for field in Cost._fields[1:]},
    "activations": _plain("activations"),
    "weight_bytes": _plain("weight_bytes"),
    "bytes_moved": _moved,
    "peak_activation_bytes": _peak,
    "saved_bytes": lambda profile, recorder: profile.memory.saved_bytes,
    **{f"{name}_total": _convention(name) for name in CONVENTIONS if name != "paper"},
}
"""By key. ``bias_ops``, ``norm_ops`` and so on are the classes of work beside multiply-adds;
``torch_total``, ``fvcore_total`` and so on are what each counter reports."""
