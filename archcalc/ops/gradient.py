"""Backward rules: the operators that autograd runs for a node.

The ``backward`` field of an operator is a function of :class:`Backward`. It emits the operators of
the backward pass and passes a gradient to each input and weight. Those operators are rows of the
table too, which declare their work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from archcalc.graph import Attributes, Graph, Node, Phase, Shape, Value, Weight
from archcalc.ops.operator import broadcast

Key = tuple[int, int] | str
"""(node, port) of a value, or the name of a weight."""


class Tape:
    """The nodes of a training step, and the gradient of each value and weight so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = list(graph.nodes)
        self.taken = {node.name: 1 for node in graph.nodes}
        self.gradients: dict[Key, Value] = {}
        self.differentiable: set[Key] = set()
        """Values that depend on a weight."""
        for index, node in enumerate(graph.nodes):
            if node.weights or any(self.needs(value) for value in node.inputs):
                floating = [port for port, value in enumerate(node.outputs) if _is_float(value)]
                self.differentiable.update((index, port) for port in floating)

    def needs(self, value: Value) -> bool:
        """Whether autograd computes a gradient of this value."""
        return (value.source, value.port) in self.differentiable

    def emit(
        self,
        name: str,
        op: str,
        inputs: tuple[Value, ...],
        shapes: tuple[Shape, ...],
        dtype: str,
        *,
        weights: tuple[Weight, ...] = (),
        attrs: Attributes,
        phase: Phase,
    ) -> tuple[Value, ...]:
        """Append a node and return its outputs. A repeated name gets a number."""
        number = self.taken.get(name, 0) + 1
        self.taken[name] = number
        full = name if number == 1 else f"{name}_{number}"
        index = len(self.nodes)
        outputs = tuple([Value(shape, dtype, index, port) for port, shape in enumerate(shapes)])
        self.nodes.append(Node(full, op, inputs, outputs, attrs, weights, phase=phase))
        return outputs

    def give(self, key: Key, gradient: Value, name: str) -> None:
        """Set the gradient of a value or a weight, or add to it, as autograd does if a value is
        used more than once."""
        before = self.gradients.get(key)
        if before is not None:
            (gradient,) = self.emit(
                f"{name}.add",
                "add",
                (before, gradient),
                (gradient.shape,),
                gradient.dtype,
                attrs=Attributes(),
                phase="backward",
            )
        self.gradients[key] = gradient


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward pass of one node."""

    tape: Tape
    node: Node
    gradients: tuple[Value | None, ...]
    """The gradient of each output; None if no output of the graph depends on it."""

    @property
    def gradient(self) -> Value:
        """The gradient of the first output."""
        found = self.gradients[0]
        assert found is not None
        return found

    def needs(self, place: int) -> bool:
        """Whether the input at this index needs a gradient."""
        return self.tape.needs(self.node.inputs[place])

    def emit(
        self,
        op: str,
        inputs: tuple[Value, ...],
        *shapes: Shape,
        weights: tuple[Weight, ...] = (),
        **attrs: Any,
    ) -> tuple[Value, ...]:
        """Append a node of the backward pass and return its outputs."""
        return self.tape.emit(
            f"{self.node.name}.{op}",
            op,
            inputs,
            shapes,
            inputs[0].dtype,
            weights=weights,
            attrs=Attributes(attrs),
            phase="backward",
        )

    def view(self, op: str, value: Value, shape: Shape, **attrs: Any) -> Value:
        """The same values in another shape."""
        return self.emit(op, (value,), shape, **attrs)[0]

    def give(self, place: int, gradient: Value) -> None:
        """Pass an input its gradient, summed to the input's shape if it was broadcast."""
        value = self.node.inputs[place]
        if self.tape.needs(value):
            gradient = self.summed(gradient, value.shape)
            self.tape.give((value.source, value.port), gradient, self.node.name)

    def give_weight(self, place: int, gradient: Value) -> None:
        self.tape.give(self.node.weights[place].name, gradient, self.node.name)

    def summed(self, gradient: Value, shape: Shape) -> Value:
        """Undo a broadcast from ``shape``: sum over its missing dimensions and those of size 1."""
        given = gradient.shape
        leading = len(given) - len(shape)
        dims = tuple(
            axis
            for axis, size in enumerate(given)
            if axis < leading or (size != 1 and shape[axis - leading] == 1)
        )
        if not dims:
            return gradient
        kept = tuple(1 if axis in dims else size for axis, size in enumerate(given))
        (total,) = self.emit("sum", (gradient,), kept, dim=dims, keepdim=True)
        return self.view("reshape", total, shape) if leading else total


Rule = Callable[[Backward], None]


def pointwise_rule(op: str, reads: Literal["input", "output"]) -> Rule:
    """One operator over the gradient and the input or output that the forward pass saved."""

    def rule(step: Backward) -> None:
        (x,) = step.node.inputs
        kept = x if reads == "input" else step.node.output
        attrs = {"dim": step.node.attrs["dim"]} if "dim" in step.node.attrs else {}
        step.give(0, step.emit(op, (step.gradient, kept), x.shape, **attrs)[0])

    return rule


def view_rule(step: Backward) -> None:
    """A view: the gradient in the input's shape."""
    step.give(0, step.view("reshape", step.gradient, step.node.inputs[0].shape))


def permute_rule(step: Backward) -> None:
    dims = step.node.attrs["dims"]
    rank = len(dims)
    back = tuple(sorted(range(rank), key=lambda axis: dims[axis] % rank))
    step.give(0, step.view("permute", step.gradient, step.node.inputs[0].shape, dims=back))


def slice_rule(step: Backward) -> None:
    """The gradient in its place, zeros around it."""
    step.give(0, step.view("slice_backward", step.gradient, step.node.inputs[0].shape))


def concat_rule(step: Backward) -> None:
    """``concat``: each input gets its part of the gradient."""
    dim, start = step.node.attrs["dim"], 0
    for place, value in enumerate(step.node.inputs):
        stop = start + value.shape[dim]
        if step.needs(place):
            part = step.view("slice", step.gradient, value.shape, dim=dim, start=start, stop=stop)
            step.give(place, part)
        start = stop


def add_rule(step: Backward) -> None:
    """A sum passes its gradient on. A sum of several inputs is a chain of sums of two."""
    inputs, gradient = step.node.inputs, step.gradient
    for last in range(len(inputs) - 1, 0, -1):
        step.give(last, gradient)
        if not any(map(step.needs, range(last))):
            return
        gradient = step.summed(gradient, broadcast(tuple(x.shape for x in inputs[:last])))
    step.give(0, gradient)


def mul_rule(step: Backward) -> None:
    """The gradient times the other factor. A product of several inputs is a chain of products of
    two, first to last."""
    inputs, gradient = step.node.inputs, step.gradient
    for last in range(len(inputs) - 1, 0, -1):
        shape = gradient.shape
        if step.needs(last):
            # With more than two factors, autograd saved the product of the first ones.
            other = inputs[0] if last == 1 else step.node.output
            step.give(last, step.emit("mul", (gradient, other), shape)[0])
        if not any(map(step.needs, range(last))):
            return
        (gradient,) = step.emit("mul", (gradient, inputs[last]), shape)
        gradient = step.summed(gradient, broadcast(tuple(x.shape for x in inputs[:last])))
    step.give(0, gradient)


def dropout_rule(step: Backward) -> None:
    """Dropout: the gradient times the mask, which includes the scale."""
    if step.node.attrs["p"] == 0:
        step.give(0, step.gradient)
    else:
        step.give(0, step.emit("mul", (step.gradient,), step.gradient.shape)[0])


def conv_rule(step: Backward) -> None:
    """The gradients of input, weight and bias in one operator."""
    x, weights = step.node.inputs[0], step.node.weights
    mask = (step.needs(0), True, len(weights) > 1)
    shapes = ((x.shape,) if mask[0] else ()) + tuple(weight.shape for weight in weights)
    made = step.emit(
        "conv_backward",
        (step.gradient, x),
        *shapes,
        weights=weights[:1],
        **step.node.attrs,
        transposed="output_padding" in step.node.attrs,
        output_mask=mask,
    )
    _pass_on(step, made)


def norm_rule(op: str) -> Rule:
    """The gradients of input, weight and bias in one operator."""

    def rule(step: Backward) -> None:
        x, weights = step.node.inputs[0], step.node.weights
        mask = (step.needs(0), len(weights) > 0, len(weights) > 1)
        shapes = ((x.shape,) if mask[0] else ()) + tuple(weight.shape for weight in weights)
        made = step.emit(op, (step.gradient, x), *shapes, weights=weights[:1], output_mask=mask)
        _pass_on(step, made)

    return rule


def _pass_on(step: Backward, gradients: tuple[Value, ...]) -> None:
    """Pass on the gradient of the input, if it needs one, and those of the weights."""
    first = 0
    if step.needs(0):
        step.give(0, gradients[0])
        first = 1
    for place, gradient in enumerate(gradients[first:]):
        step.give_weight(place, gradient)


def pool_rule(op: str) -> Rule:
    """The gradient of each output value goes to the values of its window."""

    def rule(step: Backward) -> None:
        x = step.node.inputs[0]
        step.give(0, step.emit(op, (step.gradient, x), x.shape)[0])

    return rule


def adaptive_avg_pool_rule(step: Backward) -> None:
    """An average over all positions is a mean: expand the gradient and divide. Otherwise, a
    pool."""
    x = step.node.inputs[0]
    if any(size != 1 for size in step.node.attrs["output_size"]):
        return pool_rule("avg_pool_backward")(step)
    expanded = step.view("expand", step.gradient, x.shape)
    step.give(0, step.emit("div", (expanded,), x.shape, other=prod(x.shape[2:]))[0])
    return None


def linear_rule(step: Backward) -> None:
    """``linear``: a matrix product for the input, one for the weight, a sum for the bias."""
    x, weights = step.node.inputs[0], step.node.weights
    out_features, in_features = weights[0].shape
    rows = prod(x.shape[:-1])
    gradient = step.gradient
    flat = gradient
    if len(gradient.shape) != 2:
        flat = step.view("reshape", gradient, (rows, out_features))
        x = step.view("reshape", x, (rows, in_features))
    if step.needs(0):
        (found,) = step.emit("matmul", (flat,), (rows, in_features), weights=weights[:1])
        if len(gradient.shape) != 2:
            found = step.view("reshape", found, step.node.inputs[0].shape)
        step.give(0, found)
    turned = step.view("permute", flat, (out_features, rows), dims=(1, 0))
    step.give_weight(0, step.emit("matmul", (turned, x), weights[0].shape)[0])
    if len(weights) > 1:
        step.give_weight(1, step.summed(flat, weights[1].shape))


def matmul_rule(step: Backward) -> None:
    """``matmul``: for each operand, a product with the other one. If one operand is a matrix and
    the other has more dimensions, torch reshapes the latter to one tall matrix."""
    a, b = step.node.inputs
    if len(b.shape) == 1 or (len(a.shape) == 1 and len(b.shape) > 2):
        return _vector_matmul_rule(step)
    gradient = step.gradient
    left: Shape = a.shape if len(a.shape) > 1 else (1, *a.shape)
    batch = broadcast((left[:-2], b.shape[:-2]))
    rows, inner, columns = left[-2], left[-1], b.shape[-1]
    if step.needs(0):
        shape: Shape = (*batch, rows, inner)
        if len(left) == 2:
            gradient = step.view("permute", gradient, (rows, prod(batch) * columns))
            shape = a.shape
        step.give(0, step.emit("matmul", (gradient, b), shape)[0])
    if step.needs(1):
        turned, shape = (*a.shape[:-2], inner, rows), (*batch, inner, columns)
        if len(b.shape) == 2:
            turned, shape = (inner, prod(batch) * rows), b.shape
        left_factor = step.view("permute", a, turned)
        step.give(1, step.emit("matmul", (left_factor, step.gradient), shape)[0])
    return None


def _vector_matmul_rule(step: Backward) -> None:
    """An outer product for the matrix, and a matrix-vector product for the vector."""
    for place, (own, other) in enumerate((step.node.inputs, step.node.inputs[::-1])):
        if not step.needs(place):
            continue
        if len(own.shape) > 1 or len(other.shape) == 1:
            step.give(place, step.emit("mul", (step.gradient, other), own.shape)[0])
        else:
            turned = step.view("permute", other, (*own.shape, prod(other.shape) // own.shape[0]))
            step.give(place, step.emit("matmul", (turned, step.gradient), own.shape)[0])


def embedding_rule(step: Backward) -> None:
    """``embedding``: one addition per value that was read."""
    weight = step.node.weights[0]
    (made,) = step.emit("embedding_backward", (step.gradient,), weight.shape)
    step.give_weight(0, made)


def local_response_norm_rule(step: Backward) -> None:
    """``local_response_norm``, which torch computes in steps: x / (k + α·mean(x²))^β, with the mean
    over a window of channels in a padded copy."""
    x = step.node.inputs[0]

    def each(op: str, *inputs: Value, **attrs: Any) -> Value:
        return step.emit(op, inputs, x.shape, **attrs)[0]

    n, channels, *places = x.shape
    attrs, y = step.node.attrs, step.node.output
    through_divisor = each("mul", each("neg", step.gradient), each("div", each("div", x), x))
    step.give(0, each("div", step.gradient, x))
    power = each("mul", each("pow", y, exponent=attrs["beta"] - 1), other=attrs["beta"])
    mean = each("mul", each("mul", through_divisor, power), other=attrs["alpha"])
    padded = (n, 1, channels + attrs["size"] - 1, *places)
    (spread,) = step.emit("avg_pool_backward", (mean, x), padded)
    square = step.view("reshape", step.view("pad", spread, (n, 1, *x.shape[1:])), x.shape)
    for _ in ("each", "factor"):
        step.give(0, each("mul", square, x))


def parameter_rule(step: Backward) -> None:
    """``parameter``: its gradient is the weight's."""
    step.give_weight(0, step.gradient)


def expand_rule(step: Backward) -> None:
    """``expand``: the gradient, summed over the expanded dimension."""
    step.give(0, step.gradient)


def sub_rule(step: Backward) -> None:
    step.give(0, step.gradient)
    if step.needs(1):
        step.give(1, step.emit("neg", (step.gradient,), step.gradient.shape)[0])


def div_rule(step: Backward) -> None:
    """Division a / b: g / b for a, and −g·((a / b) / b) for b."""
    a, b = step.node.inputs
    shape = step.gradient.shape
    if step.needs(0):
        step.give(0, step.emit("div", (step.gradient, b), shape)[0])
    if step.needs(1):
        (quotient,) = step.emit("div", (a, b), shape)
        (quotient,) = step.emit("div", (quotient, b), shape)
        (negative,) = step.emit("neg", (step.gradient,), shape)
        step.give(1, step.emit("mul", (negative, quotient), shape)[0])


def reduction_rule(mean: bool) -> Rule:
    """``sum``: every input value gets the gradient of its sum. ``mean`` divides it."""

    def rule(step: Backward) -> None:
        x, gradient = step.node.inputs[0], step.gradient
        gone = {dim % len(x.shape) for dim in step.node.attrs["dim"]}
        kept = tuple(1 if axis in gone else size for axis, size in enumerate(x.shape))
        if not step.node.attrs["keepdim"]:
            gradient = step.view("reshape", gradient, kept)
        gradient = step.view("expand", gradient, x.shape)
        if mean:
            count = prod(x.shape[axis] for axis in gone)
            (gradient,) = step.emit("div", (gradient,), x.shape, other=count)
        step.give(0, gradient)

    return rule


def rearrangement_rule(op: str) -> Rule:
    """One operator over the gradient, which moves or sums its values."""

    def rule(step: Backward) -> None:
        step.give(0, step.emit(op, (step.gradient,), step.node.inputs[0].shape)[0])

    return rule


def pad_rule(step: Backward) -> None:
    """Constant padding is cropped; a copy of a border value adds to the gradient of that value."""
    constant = step.node.attrs.get("mode", "constant") == "constant"
    rearrangement_rule("pad" if constant else "pad_backward")(step)


def attention_rule(step: Backward) -> None:
    """Attention as separate matrix products: the gradients of values and probabilities, then,
    through the softmax, those of queries and keys, which torch had scaled by E^(−1/4) each."""
    query, key, value = step.node.inputs[:3]
    gradient = step.gradient
    batch: Shape = gradient.shape[:-2]
    queries, keys, width = query.shape[-2], key.shape[-2], query.shape[-1]
    scores = (*batch, queries, keys)
    if step.needs(2):
        # Autograd saved the probabilities, which are not a value of the graph.
        turned = step.view("permute", gradient, (*batch, value.shape[-1], queries))
        (found,) = step.emit("matmul", (turned,), (*batch, keys, value.shape[-1]))
        step.give(2, found)
    if not (step.needs(0) or step.needs(1)):
        return
    (inside,) = step.emit("matmul", (gradient, value), scores)
    (inside,) = step.emit("softmax_backward", (inside,), scores, dim=-1)
    for place, shape in ((0, (*batch, queries, width)), (1, (*batch, keys, width))):
        if step.needs(place):
            factor = step.view("permute", inside, (*batch, keys, queries)) if place else inside
            (found,) = step.emit("matmul", (factor,), shape)
            found = step.summed(found, step.node.inputs[place].shape)
            step.give(place, step.emit("mul", (found,), found.shape, other=width**-0.25)[0])


def _is_float(value: Value) -> bool:
    return value.dtype.startswith(("float", "bfloat", "complex"))
