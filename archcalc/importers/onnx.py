"""An ONNX file as a Graph. The file is data: nothing in it runs, and external data is not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner

from archcalc.errors import UsageError
from archcalc.graph import Attributes, Graph, Node, Shape, Value, Weight, numel, times
from archcalc.guard import first_line, shortened
from archcalc.importers.onnx_contrib import CONTRIB
from archcalc.importers.onnx_nodes import EXPANDED, RULES
from archcalc.importers.onnx_quant import DOMAINS, QONNX, annotated, keeps_bits
from archcalc.importers.onnx_shapes import Shapes, attributes, is_small, split_fused
from archcalc.language import Message
from archcalc.lookup.inputs import ADDRESSABLE, parse_input, parse_tensor

DTYPES: Mapping[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8",
    18: "float8",
    19: "float8",
    20: "float8",
    21: "uint4",
    22: "int4",
    23: "float4",
    24: "float8",
    25: "uint2",
    26: "int2",
}
"""Element types of ONNX, and their names here."""

MOST_NODES = 1_000_000
"""Nodes of a model whose functions are written out."""

NOTHING: Shape = (0,)
"""Stands for a shape that does not follow from the inputs."""

TABLES = {
    "": RULES,
    "ai.onnx": RULES,
    "com.microsoft": CONTRIB,
    **dict.fromkeys(DOMAINS, QONNX),
}
"""The rules of each domain of operators."""

Given = Shape | str | Sequence[str] | None


def load(path: str, *, input: Given = None, batch: int = 1, spec: str = "") -> Graph:
    """The Graph of an ONNX file. Raises UsageError for a file that is not one, and where sizes
    that the file leaves open are not given."""
    model = _read(path)
    try:
        _set_inputs(model, path, input, batch)
        split_fused(model)
        model = _expanded(model)
        shapes = Shapes(model)
        return _Reader(path, model, shapes).graph(spec or path)
    except UsageError:
        raise
    except Exception as error:  # of onnx or a rule: the file breaks the format's own conditions
        raise UsageError(f"{path} cannot be counted: {first_line(error)}") from error


def _read(path: str) -> onnx.ModelProto:
    """The model without its large constants. Raises UsageError."""
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path}")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf fails in many ways
        raise UsageError(f"{path} is not an ONNX file: {first_line(error)}") from error
    if not model.graph.node or not model.graph.output:
        raise UsageError(f"{path} is not an ONNX file: it has no graph")
    _drop_data(model)
    imported = {opset.domain for opset in model.opset_import}
    for domain in sorted({node.domain for node in model.graph.node} - imported - {"", "ai.onnx"}):
        model.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    try:
        if not model.functions:
            return model
        if _written_out(model) > MOST_NODES:
            raise UsageError(f"{path}: its functions stand for more than {MOST_NODES:,} nodes")
        return onnx.inliner.inline_local_functions(model)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{path}: its functions cannot be read: {first_line(error)}") from error


def _expanded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the operators that onnx defines by others in terms of these."""
    found = {node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")}
    names = [("", name) for name in EXPANDED if name in found]
    if not names:
        return model
    return onnx.inliner.inline_selected_functions(model, names, inline_schema_functions=True)


def _written_out(model: onnx.ModelProto) -> int:
    """Nodes once each call of a function is replaced by its body. Functions that call each other
    in a circle count once; onnx refuses them."""
    bodies = {(each.domain, each.name): each.node for each in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def total(nodes: Sequence[onnx.NodeProto]) -> int:
        return sum(size(node) for node in nodes)

    def size(node: onnx.NodeProto) -> int:
        key = (node.domain, node.op_type)
        inside = sum(total(at.g.node) for at in node.attribute if at.HasField("g"))
        if key in bodies and key not in sizes:
            sizes[key] = 1
            sizes[key] = total(bodies[key])
        return inside + sizes.get(key, 1)

    return total(model.graph.node)


def _drop_data(model: onnx.ModelProto) -> None:
    """Forget the values of large constants; only their shapes count."""
    held = [at.t for node in model.graph.node for at in node.attribute if at.name == "value"]
    for tensor in (*model.graph.initializer, *held):
        if any(size < 0 for size in tensor.dims) or numel(tuple(tensor.dims)) >= ADDRESSABLE // 16:
            raise UsageError(f"the constant {shortened(tensor.name)!r} has an impossible size")
        if not is_small(tensor):
            for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
                tensor.ClearField(field)


def _set_inputs(model: onnx.ModelProto, path: str, input: Given, batch: int) -> None:
    """Write the sizes of the inputs into the model. Raises UsageError."""
    constants = {tensor.name for tensor in model.graph.initializer}
    infos = [info for info in model.graph.input if info.name not in constants]
    if not infos:
        raise UsageError(f"{path} has no inputs, so there is nothing to count")
    names = [info.name for info in infos]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{path}: two inputs are called {shortened(twice)!r}")
    for info in infos:
        if any(dim.dim_value < 0 for dim in info.type.tensor_type.shape.dim):
            raise UsageError(f"{path}: the input {shortened(info.name)!r} has a negative size")
    asked = _asked(input, batch)
    known = {info.name for info in infos}
    unnamed = asked.pop("", [])
    if unknown := sorted(set(asked) - known):
        raise UsageError(
            f"{path} has no input {shortened(unknown[0])!r}; its inputs are "
            f"{shortened(', '.join(sorted(known)))}"
        )
    rest = [info.name for info in infos if info.name not in asked]
    if len(unnamed) > len(rest):
        raise UsageError(f"{path} has {len(infos)} inputs; got {len(unnamed) + len(asked)}")
    sizes = {name: one for name, (one,) in asked.items()} | dict(zip(rest, unnamed, strict=False))
    missing = []
    for info in infos:
        dims = info.type.tensor_type.shape.dim
        given = sizes.get(info.name)
        if given is None:
            opened = [at for at, dim in enumerate(dims) if not dim.HasField("dim_value")]
            if opened == [0]:
                dims[0].dim_value = batch
            elif opened:
                missing.append((info.name, dims))
            continue
        fits = len(given) == len(dims) and all(
            not dim.HasField("dim_value") or dim.dim_value == size
            for dim, size in zip(dims, given, strict=True)
        )
        if not fits:
            raise UsageError(
                f"{path}: the input {shortened(info.name)!r} is {_written(dims)}, "
                f"got {times(given)}"
            )
        for dim, size in zip(dims, given, strict=True):
            dim.dim_value = size
    if missing:
        shown = ", ".join(f"{name} ({_written(dims)})" for name, dims in missing)
        options = " ".join(
            f"--input {name}={','.join(str(_example(dim, at)) for at, dim in enumerate(dims))}"
            for name, dims in missing
        )
        raise UsageError(
            f"{path} leaves sizes open: {shortened(shown)}; set them with {shortened(options)}"
        )


def _asked(input: Given, batch: int) -> dict[str, list[Shape]]:
    """The given sizes by the name of the input, "" without a name."""
    texts: Sequence[Any] = [input] if isinstance(input, str) else input or ()
    found: dict[str, list[Shape]] = {}
    if texts and isinstance(texts[0], int):
        return {"": [(batch, *texts)]}
    for text in texts:
        name, _, rest = text.rpartition("=")
        parts = rest.lower().replace("×", "x").split("x")
        if len(parts) > 3 and ":" not in rest:  # 1x3x224x224, in the file's own order
            rest = ",".join(parts)
        elif len(parts) == 3 and "," not in rest:
            found.setdefault(name, []).append((batch, *parse_input(rest)))
            continue
        found.setdefault(name, []).append(parse_tensor(rest, batch)[1].sizes)
    for name, several in found.items():
        if name and len(several) > 1:
            raise UsageError(f"the input {shortened(name)!r} is given twice")
    return found


def _written(dims: Sequence[Any]) -> str:
    return "×".join(
        str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims
    )


def _example(dim: Any, at: int) -> int:
    """A size that may stand for an open one."""
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return 1 if at == 0 else 3 if at == 1 and "chan" in dim.dim_param else 224 if at > 1 else 128


class _Reader:
    """Makes the nodes of one model, in order."""

    def __init__(self, path: str, model: onnx.ModelProto, shapes: Shapes) -> None:
        self.path, self.model, self.shapes = path, model, shapes
        self.nodes: list[Node] = []
        self.values: dict[str, Value] = {}
        self.exact: dict[str, Value] = {}
        """For the output of DequantizeLinear, the quantised tensor."""
        self.weights = {tensor.name: tensor.name for tensor in model.graph.initializer}
        self.dtypes = annotated(model)
        """Of the tensors that QONNX quantises."""
        self.names: dict[str, int] = {}
        self.unknown: list[str] = []
        """Tensors whose shapes do not follow from the inputs."""

    def graph(self, spec: str) -> Graph:
        for info in self.model.graph.input:
            if info.name not in self.weights:
                self.values[info.name] = self.append("input", info.name, [], [info.name], {}, [])[0]
        made: set[str] = set(self.values)
        for node in self.model.graph.node:
            for name in filter(None, node.output):
                if name in made:
                    raise UsageError(f"{self.path}: two nodes make {shortened(name)!r}")
                made.add(name)
            Call(self, node).read()
        outputs = {info.name: self.value(info.name) for info in self.model.graph.output}
        return Graph(
            Path(self.path).stem,
            tuple(self.nodes),
            outputs,
            spec=spec,
            notes=tuple(self.notes()),
        )

    def notes(self) -> list[str]:
        found: list[str] = []
        ops = {node.op_type for node in self.model.graph.node}
        if "Conv" in ops and "BatchNormalization" not in ops:
            found.append(
                Message(
                    "the file has no BatchNormalization: if the source model has, the exporter "
                    "folded it into the convolutions, whose macs stay the same"
                )
            )
        loose = [node.weights[0] for node in self.nodes if node.op == "parameter"]
        if loose:
            found.append(
                Message(
                    "{count:,} elements are constants that no layer holds; they count as "
                    "parameters, as learned positions or as values that the exporter computed",
                    count=sum(weight.numel for weight in loose),
                )
            )
        if self.unknown:
            found.append(
                Message(
                    "the shapes of {count} tensors do not follow from the inputs, {first} first; "
                    "what makes or reads them is listed and not counted",
                    count=len(self.unknown),
                    first=shortened(self.unknown[0]),
                )
            )
        return found

    def is_known(self, name: str) -> bool:
        kind, shape = self.shapes.known.get(self.weights.get(name, name), (0, None))
        return shape is not None and kind in DTYPES

    def known(self, name: str) -> tuple[str, Shape]:
        kind, shape = self.shapes.known.get(name, (0, None))
        if shape is None or kind not in DTYPES:
            self.unknown.append(name)
            return "float32", NOTHING
        if numel(shape) >= ADDRESSABLE // 16:
            raise UsageError(f"{self.path}: {shortened(name)!r} is larger than can be addressed")
        return self.dtypes.get(name, DTYPES[kind]), shape

    def value(self, name: str) -> Value:
        """A tensor as an input; a constant becomes a node of its own when it is first read."""
        if name not in self.values:
            if name not in self.weights:
                raise UsageError(
                    f"{self.path}: {shortened(name)!r} is read before a node produces it: the "
                    "nodes are out of order or in a cycle"
                )
            source = self.weights[name]
            dtype, shape = self.known(source)
            learned = dtype.startswith(("float", "bfloat")) and len(shape) > 0
            weights = [Weight(source, shape, dtype)] if learned else []
            op = "parameter" if learned else "constant"
            self.values[name] = self.append(op, source, [], [source], {}, weights)[0]
        return self.values[name]

    def append(
        self,
        op: str,
        name: str,
        inputs: Sequence[Value],
        outputs: Sequence[str],
        attrs: Mapping[str, Any],
        weights: Sequence[Weight],
    ) -> list[Value]:
        return self.append_made(op, name, inputs, list(map(self.known, outputs)), attrs, weights)

    def append_made(
        self,
        op: str,
        name: str,
        inputs: Sequence[Value],
        outputs: Sequence[tuple[str, Shape]],
        attrs: Mapping[str, Any],
        weights: Sequence[Weight],
    ) -> list[Value]:
        at = len(self.nodes)
        made = [Value(shape, dtype, at, port) for port, (dtype, shape) in enumerate(outputs)]
        seen = self.names.get(name, 0) + 1
        self.names[name] = seen
        unique = name if seen == 1 else f"{name}_{seen}"
        while seen > 1 and unique in self.names:
            seen += 1
            unique = f"{name}_{seen}"
        self.names.setdefault(unique, 1)
        node = Node(unique, op, tuple(inputs), tuple(made), Attributes(attrs), tuple(weights))
        self.nodes.append(node)
        return made


class Call:
    """One node of the file, for the rule of its operator."""

    def __init__(self, reader: _Reader, node: onnx.NodeProto) -> None:
        self.reader, self.node = reader, node
        self.attrs = attributes(node)
        self.name = (
            (node.name or f"{node.op_type}_{len(reader.nodes)}").strip("/").replace("/", ".")
        )

    def read(self) -> None:
        rule = TABLES.get(self.node.domain, {}).get(self.node.op_type)
        if rule is None and self.node.op_type == "SimplifiedLayerNormalization":
            rule = CONTRIB[self.node.op_type]  # onnxruntime writes it without its domain
        bits = self.reader.dtypes.get(self.input(0))
        if bits and keeps_bits(self.node.op_type, self.attrs.get("mode", "nearest")):
            self.reader.dtypes[self.node.output[0]] = bits
        if self.node.op_type == "Constant" and len(self.node.output) == 1:
            name = self.node.output[0]
            self.reader.weights[name] = name
        elif self.node.op_type == "Identity" and self.is_weight(self.input(0)):
            self.alias(self.input(0))
        elif self.node.op_type == "Identity":
            self.reader.values[self.node.output[0]] = self.value(self.input(0))
        elif rule is None or not self.is_known:
            self.not_counted()
        else:
            try:
                rule(self)
            except UsageError:
                raise
            except KeyError as error:
                raise UsageError(f"{self.place} has no attribute {error}") from error
            except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
                raise UsageError(f"{self.place} does not fit its inputs") from error

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        imports = self.reader.model.opset_import
        return max((each.version for each in imports if each.domain in ("", "ai.onnx")), default=1)

    @property
    def place(self) -> str:
        return f"{self.reader.path}: the {self.node.op_type} node {shortened(self.name)!r}"

    @property
    def is_known(self) -> bool:
        """Whether the shapes of all inputs and outputs follow from the model's inputs."""
        names = (*self.node.input, *self.node.output[:1])
        return all(self.reader.is_known(name) for name in names if name)

    def input(self, at: int) -> str:
        return self.node.input[at] if at < len(self.node.input) else ""

    def value(self, name: str) -> Value:
        return self.reader.value(name)

    def shape(self, name: str) -> Shape:
        return self.reader.known(self.reader.weights.get(name, name))[1]

    def dtype(self, name: str) -> str:
        return self.reader.known(self.reader.weights.get(name, name))[0]

    def constant(self, at: int) -> Any:
        return self.reader.shapes.constants.get(self.input(at))

    def is_weight(self, name: str) -> bool:
        return name in self.reader.weights

    @property
    def outputs(self) -> list[tuple[str, Shape]]:
        return [self.reader.known(name) for name in self.node.output if name]

    def exact(self, names: Sequence[str]) -> list[Value]:
        """The operands; the quantised tensors themselves if all operands are quantised."""
        found = [self.reader.exact.get(name) for name in names]
        whole = [one for one in found if one is not None]
        return whole if len(whole) == len(names) else [self.value(name) for name in names]

    def add(
        self,
        op: str,
        inputs: Sequence[Value],
        *,
        attrs: Mapping[str, Any] | None = None,
        weights: Sequence[Weight] = (),
    ) -> None:
        names = [name for name in self.node.output if name]
        made = self.reader.append(op, self.name, inputs, names, attrs or {}, weights)
        self.reader.values.update(zip(names, made, strict=True))

    def inner(
        self,
        name: str,
        op: str,
        inputs: Sequence[Value],
        shape: Shape,
        dtype: str = "",
        weights: Sequence[Weight] = (),
        attrs: Mapping[str, Any] | None = None,
    ) -> Value:
        """A node for a part of a fused operator."""
        made = [(dtype or inputs[0].dtype, shape)]
        name = f"{self.name}.{name}"
        return self.reader.append_made(op, name, inputs, made, attrs or {}, weights)[0]

    def weight(self, name: str) -> Weight:
        """A constant that a layer reads."""
        return Weight(self.reader.weights.get(name, name), self.shape(name), self.dtype(name))

    def layer(
        self,
        op: str,
        x: str,
        names: Sequence[str],
        attrs: Mapping[str, Any],
        shapes: Mapping[str, Shape] | None = None,
    ) -> None:
        """A node whose operands after the first are weights, or inputs if one is computed."""
        given = [name for name in names if name]
        if not all(self.is_weight(name) for name in given):
            self.add(op, [self.value(name) for name in (x, *given)], attrs=attrs)
            return
        weights = [
            Weight(
                self.reader.weights[name],
                (shapes or {}).get(name, self.shape(name)),
                self.dtype(name),
            )
            for name in given
        ]
        integer = any(weight.dtype.startswith(("int", "uint")) for weight in weights[:1])
        value = self.reader.exact.get(x) if integer else None
        self.add(op, [value or self.value(x)], attrs=attrs, weights=weights)

    def alias(self, name: str) -> None:
        """The output is the constant ``name``."""
        self.reader.weights[self.node.output[0]] = self.reader.weights[name]

    def quantised(self, value: Value) -> None:
        self.reader.exact[self.node.output[0]] = value

    def not_counted(self) -> None:
        """A node that the reports list under ONNX's name for the operator."""
        domain = self.node.domain or "onnx"
        inputs = [self.value(name) for name in self.node.input if name]
        self.add(f"{domain}::{self.node.op_type}", inputs)
