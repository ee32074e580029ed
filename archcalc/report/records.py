"""The records of JSON: raw integers, base units, and null for unknown values.

The keys are stable: ``schema_version`` goes up when one of them changes its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archcalc.analysis.figures import COMPARED, FIGURES, read
from archcalc.analysis.profile import Layer, Profile
from archcalc.analysis.receptive_field import Reach, Unknown
from archcalc.version import VERSION

SCHEMA_VERSION = 1


def head(**fields: Any) -> dict[str, Any]:
    """The fields that every record starts with."""
    return {"schema_version": SCHEMA_VERSION, "archcalc": VERSION, **fields}


def models(profiles: Sequence[Profile], **fields: Any) -> dict[str, Any]:
    """The record of some profiles, all under one convention."""
    convention = profiles[0].convention if profiles else "paper"
    return head(convention=convention, models=[model(found) for found in profiles], **fields)


def tokens(found: Profile) -> dict[str, int]:
    """The figures of language models; none if they repeat those of every network."""
    figures = {key: read(found, key) for key, figure in FIGURES.items() if figure.is_of_tokens}
    plain = {"active_params": found.params_executed, "masked_macs": found.macs, "cache_bytes": 0}
    return {} if figures == plain else figures


def model(found: Profile) -> dict[str, Any]:
    """One profile, layer by layer."""
    return {
        "name": found.name,
        "spec": found.spec,
        "input": found.input,
        "output": found.output,
        "inputs": {node.name: node.output.shape for node in found.graph.inputs},
        "training": found.graph.training,
        **{key: read(found, key) for key in COMPARED},
        "bops": read(found, "bops"),
        **tokens(found),
        "convention_total": {
            "value": found.convention_total.value,
            "unit": found.convention_total.unit,
        },
        "by_phase": {
            phase.name: {"macs": phase.macs, "flops": phase.flops} for phase in found.by_phase
        },
        "by_class": {row.name: row.macs or row.flops for row in found.by_class},
        "receptive_field": reach(found.receptive_field),
        "lower_bounds": lower_bounds(found),
        "not_counted": [row._asdict() for row in found.not_counted],
        "layers": [layer_record(layer) for layer in found.layers],
    }


def lower_bounds(found: Profile) -> list[str]:
    """The figures above that are lower bounds, because an operation was not counted."""
    figures = (*COMPARED, "bops") if found.not_counted else ()
    return [key for key in figures if FIGURES[key].is_lower_bound]


def layer_record(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "input": layer.input,
        "output": layer.output,
        "params": layer.params,
        "macs": layer.macs,
        "flops": layer.flops,
        "formula": layer.formula,
        "bytes_read": layer.bytes_moved[0] if layer.bytes_moved else None,
        "bytes_written": layer.bytes_moved[1] if layer.bytes_moved else None,
        "attrs": {key: _plain(value) for key, value in layer.node.attrs.items()},
        "weights": {weight.name.rpartition(".")[2]: weight.shape for weight in layer.node.weights},
    }


def _plain(value: Any) -> Any:
    """A setting as a JSON value; other types become text."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def reach(found: Reach | Unknown | None) -> dict[str, Any] | None:
    """Pixels of the input; the largest field, and the smallest where branches differ. A stride that
    is a fraction is a string, "1/2". Of an unknown field the reason."""
    if found is None:
        return None
    if isinstance(found, Unknown):
        return {"unknown": found.why, "because_of": found.node}
    return {
        which: {"global": True}
        if field.is_global
        else {
            "size": field.size,
            "stride": [step if isinstance(step, int) else str(step) for step in field.stride],
            "offset": field.offset,
            "global": False,
        }
        for which, field in zip(("smallest", "largest"), found, strict=True)
    }
