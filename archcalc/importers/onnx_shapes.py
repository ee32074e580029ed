"""Shapes of an ONNX graph: inference by onnx, and constant folding of shape computations.

Inference stops where a shape is computed by the graph itself: ``Reshape`` by the result of
``Shape``, ``Gather`` and ``Concat``. Small constants are folded here and inference runs again, as
long as that makes progress.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from archcalc.graph import Shape, numel
from archcalc.importers.onnx_contrib import OPERATORS, TO_FLOAT, ShapeRule, same
from archcalc.importers.onnx_quant import DOMAINS

SMALL = 4096
"""Elements of a constant that is folded; a shape computation needs a few dozen."""

PASSES = 500
"""Runs of shape inference; each settles at least one more value."""

Array = Any
Constants = dict[str, Array]


class Shapes:
    """Shape and ONNX element type of every tensor, and the value of each small constant."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants: Constants = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in model.graph.initializer
            if is_small(tensor)
        }
        self.known: dict[str, tuple[int, Shape | None]] = {}
        for _ in range(PASSES):
            self._infer(model)
            settled = self._settle(model)
            if not self._fold(model) and not settled:
                return

    def _infer(self, model: onnx.ModelProto) -> None:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        for info in (*graph.input, *graph.output, *graph.value_info):
            kind = info.type.tensor_type
            if kind.elem_type:
                self.known[info.name] = (kind.elem_type, _sizes(kind))
        for tensor in graph.initializer:
            self.known[tensor.name] = (tensor.data_type, tuple(tensor.dims))

    def _settle(self, model: onnx.ModelProto) -> bool:
        """Give operators that onnx has no schema for their shapes; whether there was anything
        new. Neighbours settle in one pass."""
        new = False
        for node in model.graph.node:
            wanted = [name for name in node.output if name and self._shape(name) is None]
            rule = self._rule(node) if wanted else None
            if rule is None:
                continue
            shapes = [self._shape(name) if name else None for name in node.input]
            kind = self.known.get(node.input[0], (0, None))[0]
            if node.op_type in TO_FLOAT:
                kind = onnx.TensorProto.FLOAT
            elif node.op_type == "CastLike":
                kind = self.known.get(node.input[1], (0, None))[0]
            for name, shape in zip(node.output, rule(shapes, attributes(node)), strict=False):
                if shape is not None and name in wanted:
                    info = onnx.helper.make_tensor_value_info(name, kind, shape)
                    model.graph.value_info.append(info)
                    self.known[name] = (kind, shape)
                    new = True
        return new

    def _rule(self, node: onnx.NodeProto) -> ShapeRule | None:
        if node.domain in DOMAINS or node.op_type in ("GroupNormalization", "CastLike"):
            return same
        if node.domain == "com.microsoft" or node.op_type == "SimplifiedLayerNormalization":
            return OPERATORS.get(node.op_type, (None, None))[1]
        return None

    def _shape(self, name: str) -> Shape | None:
        return self.known.get(name, (0, None))[1]

    def _fold(self, model: onnx.ModelProto) -> bool:
        """Fold new constants. Return whether there were any."""
        folded: list[onnx.NodeProto] = []
        for node in model.graph.node:
            if len(node.output) != 1 or node.output[0] in self.constants:
                continue
            value = self._value(node)
            if value is None or value.size > SMALL:
                continue
            self.constants[node.output[0]] = value
            model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
            folded.append(node)
        for node in folded:
            model.graph.node.remove(node)
        return self._take_branches(model) or bool(folded)

    def _take_branches(self, model: onnx.ModelProto) -> bool:
        """Put the branch that runs in the place of each ``If`` whose condition is constant, as
        exporters write where a size decides."""
        nodes: list[onnx.NodeProto] = []
        taken = False
        for node in model.graph.node:
            condition = self.constants.get(node.input[0]) if node.op_type == "If" else None
            if condition is None:
                nodes.append(node)
                continue
            branch = attributes(node)["then_branch" if condition.item() else "else_branch"]
            model.graph.initializer.extend(branch.initializer)
            self.constants.update(
                (tensor.name, numpy_helper.to_array(tensor))
                for tensor in branch.initializer
                if is_small(tensor)
            )
            nodes += branch.node
            nodes += [
                onnx.helper.make_node("Identity", [given.name], [name])
                for given, name in zip(branch.output, node.output, strict=True)
            ]
            taken = True
        if taken:
            copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del model.graph.node[:]
            model.graph.node.extend(copies)
        return taken

    def _value(self, node: onnx.NodeProto) -> Array | None:
        attrs = attributes(node)
        if node.op_type == "Constant":
            return _constant(attrs)
        if node.op_type in ("Shape", "Size"):
            _, shape = self.known.get(node.input[0], (0, None))
            if shape is None:
                return None
            if node.op_type == "Size":
                return np.array(numel(shape), np.int64)
            return np.array(shape[attrs.get("start", 0) : attrs.get("end")], np.int64)
        rule = FOLDS.get(node.op_type)
        if rule is None or node.domain not in ("", "ai.onnx"):
            return None
        given = [self.constants.get(name) if name else None for name in node.input]
        if any(one is None and name for one, name in zip(given, node.input, strict=True)):
            return None
        try:
            with np.errstate(all="ignore"):
                return np.asarray(rule(given, attrs))
        except (ValueError, IndexError, TypeError, KeyError, OverflowError):
            return None  # inference says what does not fit


def split_fused(model: onnx.ModelProto) -> None:
    """Put an operator and its activation in the place of FusedConv and FusedGemm."""
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        plain = {"FusedConv": "Conv", "FusedGemm": "Gemm"}.get(node.op_type)
        if node.domain != "com.microsoft" or plain is None:
            nodes.append(node)
            continue
        attrs = attributes(node)
        activation = attrs.get("activation") or "Relu"
        kept = [given for given in node.attribute if not given.name.startswith("activation")]
        before = f"{node.output[0]}.{plain}"
        first = onnx.helper.make_node(plain, node.input[:3], [before], node.name)
        first.attribute.extend(kept)
        added = [before, *node.input[3:4]]  # FusedConv adds a fourth input before the activation
        if len(added) == 2 and added[1]:
            nodes += [first, onnx.helper.make_node("Add", added, [f"{before}.sum"])]
            before = f"{before}.sum"
        else:
            nodes.append(first)
        nodes.append(onnx.helper.make_node(activation, [before], node.output))
    if len(nodes) != len(model.graph.node):
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(copies)


def is_small(tensor: onnx.TensorProto) -> bool:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    return not external and numel(tuple(tensor.dims)) <= SMALL and tensor.data_type != 8


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values; texts as str."""
    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        found[attribute.name] = value
    return found


def _sizes(kind: onnx.TypeProto.Tensor) -> Shape | None:
    if not kind.HasField("shape"):
        return None
    sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
    return None if -1 in sizes else tuple(sizes)


def _constant(attrs: Mapping[str, Any]) -> Array | None:
    if "value" in attrs:
        tensor = attrs["value"]
        return numpy_helper.to_array(tensor) if is_small(tensor) else None
    for name, dtype in (("value_int", np.int64), ("value_float", np.float32)):
        for key in (name, f"{name}s"):
            if key in attrs:
                return np.array(attrs[key], dtype)
    return None


def _axes(given: list[Any], attrs: Mapping[str, Any]) -> tuple[int, ...] | None:
    """An input since opset 13, an attribute before."""
    found = given[1] if len(given) > 1 and given[1] is not None else attrs.get("axes")
    return None if found is None else tuple(int(axis) for axis in found)


def _unsqueeze(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    return np.expand_dims(given[0], _axes(given, attrs) or ())


def _slice(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    x = given[0]
    if len(given) > 1:
        starts, ends, axes, steps = (*given[1:], None, None)[:4]
    else:
        starts, ends, axes, steps = attrs["starts"], attrs["ends"], attrs.get("axes"), None
    chosen = [slice(None)] * x.ndim
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        step = 1 if steps is None else int(steps[at])
        last = None if step < 0 and end < -x.size else int(end)
        chosen[at if axes is None else int(axes[at])] = slice(int(start), last, step)
    return x[tuple(chosen)]


def _divided(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    a, b = given
    return (np.trunc(a / b)).astype(a.dtype) if a.dtype.kind in "iu" else a / b


def _filled(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    sizes = tuple(int(size) for size in given[0])
    if numel(sizes) > SMALL:
        raise ValueError("not small")
    value = attrs.get("value")
    fill = np.zeros(1, np.float32) if value is None else numpy_helper.to_array(value)
    return np.full(sizes, fill[0], fill.dtype)


def _widened(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    sizes = np.broadcast_shapes(given[0].shape, tuple(map(int, given[1])))
    if numel(sizes) > SMALL:
        raise ValueError("not small")
    return np.broadcast_to(given[0], sizes)


def _repeated(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    times = tuple(map(int, given[1]))
    if given[0].size * numel(times) > SMALL or numel(times) > SMALL:
        raise ValueError("not small")
    return np.tile(given[0], times)


def _range(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    start, limit, step = (one.item() for one in given)
    if not step or abs(limit - start) > SMALL * abs(step):
        raise ValueError("not small")
    return np.arange(start, limit, step, dtype=given[0].dtype)


def _clipped(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    low, high = (*given[1:], None, None)[:2]
    low = attrs.get("min") if low is None else low
    high = attrs.get("max") if high is None else high
    return given[0] if low is None and high is None else np.clip(given[0], low, high)


def _cast(given: list[Any], attrs: Mapping[str, Any]) -> Array:
    return given[0].astype(onnx.helper.tensor_dtype_to_np_dtype(attrs["to"]))


FOLDS: Mapping[str, Callable[[list[Any], Mapping[str, Any]], Any]] = {
    "Identity": lambda given, attrs: given[0],
    "Gather": lambda given, attrs: np.take(given[0], given[1], attrs.get("axis", 0)),
    "Concat": lambda given, attrs: np.concatenate(given, attrs["axis"]),
    "Unsqueeze": _unsqueeze,
    "Squeeze": lambda given, attrs: np.squeeze(given[0], _axes(given, attrs)),
    "Slice": _slice,
    "Cast": _cast,
    "Clip": _clipped,
    "Add": lambda given, attrs: given[0] + given[1],
    "Sub": lambda given, attrs: given[0] - given[1],
    "Mul": lambda given, attrs: given[0] * given[1],
    "Div": _divided,
    "Mod": lambda given, attrs: (np.fmod if attrs.get("fmod") else np.mod)(*given),
    "Pow": lambda given, attrs: np.power(*given),
    "Max": lambda given, attrs: np.maximum.reduce(given),
    "Min": lambda given, attrs: np.minimum.reduce(given),
    "Less": lambda given, attrs: given[0] < given[1],
    "LessOrEqual": lambda given, attrs: given[0] <= given[1],
    "Greater": lambda given, attrs: given[0] > given[1],
    "GreaterOrEqual": lambda given, attrs: given[0] >= given[1],
    "And": lambda given, attrs: np.logical_and(*given),
    "Or": lambda given, attrs: np.logical_or(*given),
    "Not": lambda given, attrs: np.logical_not(given[0]),
    "Abs": lambda given, attrs: np.abs(given[0]),
    "Round": lambda given, attrs: np.round(given[0]),
    "Transpose": lambda given, attrs: np.transpose(given[0], attrs.get("perm")),
    "Expand": _widened,
    "Tile": _repeated,
    "Neg": lambda given, attrs: -given[0],
    "Floor": lambda given, attrs: np.floor(given[0]),
    "Ceil": lambda given, attrs: np.ceil(given[0]),
    "Sqrt": lambda given, attrs: np.sqrt(given[0]),
    "Equal": lambda given, attrs: given[0] == given[1],
    "Where": lambda given, attrs: np.where(*given),
    "Reshape": lambda given, attrs: np.reshape(given[0], tuple(map(int, given[1]))),
    "ReduceProd": lambda given, attrs: np.prod(given[0], keepdims=bool(attrs.get("keepdims", 1))),
    "ConstantOfShape": _filled,
    "Range": _range,
}
"""Operators of shape computations, over small constants."""
