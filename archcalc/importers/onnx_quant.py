"""QONNX: operators that quantise to any number of bits. Their values stay floats in the file; here
they have the integer dtype that the operator gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import onnx

from archcalc.graph import DTYPES
from archcalc.importers.onnx_nodes import Rule

if TYPE_CHECKING:
    from archcalc.importers.onnx import Call

DOMAINS = (
    "qonnx.custom_op.general",
    "onnx.brevitas",
    "finn.custom_op.general",
)

KEEP = frozenset(
    [
        *("Identity", "Reshape", "Transpose", "Flatten", "Slice", "Gather", "Squeeze"),
        *("Unsqueeze", "Pad", "MaxPool", "GlobalMaxPool", "Expand", "Tile", "DepthToSpace"),
    ]
)
"""Operators that only move values."""


NAMED: Mapping[str, str] = {"BIPOLAR": "int1", "BINARY": "uint1", "TERNARY": "int2"}

INTEGER = re.compile(r"(?:SCALED)?(U?INT)<?(\d+)>?")


def annotated(model: onnx.ModelProto) -> dict[str, str]:
    """The dtypes that a cleaned-up file notes beside its tensors."""
    found: dict[str, str] = {}
    for note in model.graph.quantization_annotation:
        for entry in note.quant_parameter_tensor_names:
            if entry.key not in ("finn_datatype", "qonnx_datatype"):
                continue
            integer = INTEGER.fullmatch(entry.value)
            dtype = "".join(integer.groups()).lower() if integer else NAMED.get(entry.value, "")
            if dtype in DTYPES:
                found[note.tensor_name] = dtype
    return found


def keeps_bits(op: str, mode: str) -> bool:
    """Whether an operator moves values and so keeps their number of bits."""
    return op in KEEP or (op in ("Resize", "Upsample") and mode == "nearest")


def quantise(call: Call) -> None:
    """``Quant`` has the bits as its fourth input, ``Trunc`` as its fifth; ``BipolarQuant`` has
    one."""
    op = call.node.op_type
    bits = 1
    if op != "BipolarQuant":
        given = call.constant(4 if op == "Trunc" else 3)
        bits = round(float(given.ravel()[0])) if given is not None and given.size == 1 else 0
    signed = bool(call.attrs.get("signed", 1)) or op == "BipolarQuant"
    dtype = f"{'' if signed else 'u'}int{bits}"
    if dtype not in DTYPES:  # bits that are computed, or a fraction
        call.not_counted()
        return
    output = call.node.output[0]
    call.reader.dtypes[output] = dtype
    if call.is_weight(call.input(0)):
        call.reader.weights[output] = output
        return
    call.add("quantize", [call.value(call.input(0))])


QONNX: Mapping[str, Rule] = dict.fromkeys(("Quant", "IntQuant", "BipolarQuant", "Trunc"), quantise)
