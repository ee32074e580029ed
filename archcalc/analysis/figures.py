"""The one table of figures: what a network's cost is measured by, and how each is read.

Comparisons, budgets, saved reports, differences, JSON, sweeps, formulas and ``--sort`` all go
through it. Another figure is one more row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from archcalc.analysis.bit_operations import bit_operations
from archcalc.analysis.conventions import CONVENTIONS, amounts
from archcalc.analysis.profile import Profile
from archcalc.analysis.receptive_field import Field, Reach
from archcalc.analysis.tokens import active_params, cache_bytes, masked_macs
from archcalc.errors import UsageError
from archcalc.ops.operator import Cost

Unit = Literal["", "bytes"]
"""A plain count, or bytes."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a network: a non-negative integer, read from its profile."""

    key: str
    """Its name in JSON, CSV, budgets and conditions."""
    label: str
    """A noun phrase for people, without the unit."""
    read: Callable[[Profile], int]
    unit: Unit = ""
    is_lower_bound: bool = False
    """Too small where an operation of the network is not counted."""
    is_compared: bool = False
    """Every comparison and every saved report has it."""
    is_always_known: bool = True
    """Otherwise ``read`` raises UsageError for some networks."""
    is_of_tokens: bool = False
    """Only experts, masks and caches make it another number than figures of every network."""


def _moved(profile: Profile) -> int:
    pairs = (layer.bytes_moved for layer in profile.layers)
    return sum(read + written for read, written in filter(None, pairs))


def _bit_operations(profile: Profile) -> int:
    return sum(
        bit_operations(layer.node, layer.cost) for layer in profile.layers if layer.cost is not None
    )


def window_of(profile: Profile, node: str = "") -> Field:
    """The largest window of the input that one position of a node sees; of the main output unless
    named. A position that sees everything has the sides of the input.

    >>> import archcalc
    >>> window_of(archcalc.graph("nin").profile(), "mlpconv1.conv").size
    (5, 5)

    Raises UsageError where the window is unknown.
    """
    what = f"forward layer {node}" if node else "output"
    if not node:
        outputs = profile.graph.outputs
        node = profile.graph.nodes[profile.graph.output.source].name if outputs else ""
    found = profile.receptive_fields.get(node)
    if isinstance(found, Reach):
        return found.largest
    raise UsageError(
        f"the receptive field of {profile.spec} is unknown"
        + (f": it cannot be followed through {found.node}" if found else f", which has no {what}")
    )


def _of_class(field: str) -> Callable[[Profile], int]:
    return lambda profile: getattr(profile.cost, field)


def _by_convention(name: str) -> Callable[[Profile], int]:
    return lambda profile: sum(amounts(profile.graph, name).values())


FIGURES: Mapping[str, Figure] = {
    figure.key: figure
    for figure in (
        Figure("params", "parameters", lambda found: found.params, is_compared=True),
        Figure(
            "params_executed",
            "parameters that run in this pass",
            lambda found: found.params_executed,
            is_compared=True,
        ),
        Figure("macs", "MACs", lambda found: found.macs, is_lower_bound=True, is_compared=True),
        Figure("flops", "FLOPs", lambda found: found.flops, is_lower_bound=True, is_compared=True),
        Figure("activations", "activations", lambda found: found.activations, is_compared=True),
        Figure(
            "peak_activation_bytes",
            "activations at the peak",
            lambda found: found.memory.peak_bytes,
            "bytes",
            is_compared=True,
        ),
        Figure(
            "weight_bytes", "weights", lambda found: found.weight_bytes, "bytes", is_compared=True
        ),
        Figure(
            "saved_bytes",
            "activations kept for the backward pass",
            lambda found: found.memory.saved_bytes,
            "bytes",
        ),
        Figure(
            "receptive_field",
            "receptive field of the output in pixels, longest side",
            lambda found: max(window_of(found).size),
            is_always_known=False,
        ),
        Figure("active_params", "active parameters", active_params, is_of_tokens=True),
        Figure(
            "masked_macs",
            "MACs inside masks",
            masked_macs,
            is_lower_bound=True,
            is_of_tokens=True,
        ),
        Figure("cache_bytes", "key-value cache", cache_bytes, "bytes", is_of_tokens=True),
        Figure("bops", "bit operations", _bit_operations, is_lower_bound=True),
        Figure("bytes_moved", "memory traffic", _moved, "bytes", is_lower_bound=True),
        *(
            Figure(f"{field}_ops", f"{field} operations", _of_class(field), is_lower_bound=True)
            for field in Cost._fields[1:]
        ),
        *(
            Figure(
                f"{name}_total",
                f"total by the convention of {name}",
                _by_convention(name),
                is_lower_bound=True,
            )
            for name in CONVENTIONS
            if name != "paper"
        ),
    )
}
"""By key. ``bias_ops``, ``norm_ops`` and so on are the classes of work beside multiply-adds;
``torch_total``, ``fvcore_total`` and so on are what each counter reports."""

COMPARED = tuple(key for key, figure in FIGURES.items() if figure.is_compared)
"""The figures of every comparison, saved report and budget, in order."""


def read(profile: Profile, key: str) -> int:
    """One figure of a network.

    >>> import archcalc
    >>> read(archcalc.graph("nin").profile(), "macs")
    222486528
    """
    return FIGURES[key].read(profile)
