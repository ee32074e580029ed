"""Handlers for layers: convolution, linear, normalisation, pooling, activation, embedding."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archcalc.graph import Attributes, Shape, Value
from archcalc.ops import TABLE
from archcalc.ops.window import each
from archcalc.pytorch.trace.recorder import EMPTY, INPLACE
from archcalc.pytorch.trace.tracer import CALLS, Tracer, UnusualCallError

NAMESPACES = (torch, Tensor, F, torch._C._nn, torch.linalg)


def functions(*names: str) -> list[Any]:
    """Return torch's functions and methods with these names."""
    found = []
    for name in names:
        matches = [getattr(space, name, None) for space in NAMESPACES]
        found += [match for match in matches if callable(match) and match not in found]
    return found


def answers(*names: str) -> Callable[[Any], Any]:
    """Register a handler for every function and method of torch with one of these names."""

    def register(handler: Any) -> Any:
        for function in functions(*names):
            CALLS[function] = handler
        return handler

    return register


def frozen(value: Any) -> Any:
    """Turn a list into a tuple, which can be a cache key."""
    return tuple(value) if isinstance(value, list) else value


def shape_of(operand: tuple[tuple[Any, ...], tuple[Any, ...]], index: int = 0) -> Shape:
    """Return the shape of one result of :meth:`Tracer.operands`."""
    shape: Shape = (operand[0] or operand[1])[index].shape
    return shape


# -- convolutions and linear layers


@lru_cache(8192)
def conv_answer(
    op: str, x: Shape, weight: Shape, groups: int, settings: tuple[tuple[str, Any], ...]
) -> tuple[Shape, Attributes]:
    dims = len(weight) - 2
    attrs = Attributes(
        {key: size if isinstance(size, str) else each(size, dims) for key, size in settings}
        | {"groups": groups}
    )
    return TABLE[op].shape((x,), {"weight": weight}, attrs), attrs


def convolution(dims: int) -> None:
    op = f"conv{dims}d"

    @answers(op)
    def conv(
        t: Tracer,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        x = t.value(input)
        operands = t.operands(weight, bias)
        settings = (
            ("stride", frozen(stride)),
            ("padding", frozen(padding)),
            ("dilation", frozen(dilation)),
        )
        shape, attrs = t.remembered(conv_answer, op, x.shape, shape_of(operands), groups, settings)
        return t.emit(op, (x, *operands[1]), shape, x.dtype, attrs, operands[0])


def transposed_convolution(dims: int) -> None:
    op = f"conv_transpose{dims}d"

    @answers(op)
    def conv_transpose(
        t: Tracer,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Tensor:
        x = t.value(input)
        operands = t.operands(weight, bias)
        settings = (
            ("stride", frozen(stride)),
            ("padding", frozen(padding)),
            ("output_padding", frozen(output_padding)),
            ("dilation", frozen(dilation)),
        )
        shape, attrs = t.remembered(conv_answer, op, x.shape, shape_of(operands), groups, settings)
        return t.emit(op, (x, *operands[1]), shape, x.dtype, attrs, operands[0])


for _dims in (1, 2, 3):
    convolution(_dims)
    transposed_convolution(_dims)


@answers("linear")
def linear(t: Tracer, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x = t.value(input)
    operands = t.operands(weight, bias)
    size = shape_of(operands)
    if len(size) != 2 or not x.shape or x.shape[-1] != size[1] or weight.layout != input.layout:
        raise UnusualCallError
    return t.emit(
        "linear", (x, *operands[1]), (*x.shape[:-1], size[0]), x.dtype, EMPTY, operands[0]
    )


@answers("bilinear")
def bilinear(
    t: Tracer, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    x, y = t.value(input1), t.value(input2)
    operands = t.operands(weight, bias)
    shape = (*x.shape[:-1], shape_of(operands)[0])
    return t.emit("bilinear", (x, y, *operands[1]), shape, x.dtype, EMPTY, operands[0])


@answers("embedding")
def embedding(t: Tracer, *args: Any, **kwargs: Any) -> Tensor:
    """Handle torch.embedding(weight, indices) and functional.embedding(indices, weight)."""
    if t.call[0] is F.embedding:
        indices, weight = _first_two(args, kwargs, "input", "weight")
        if any(kwargs.get(key) is not None for key in ("max_norm",)) or len(args) > 3:
            raise UnusualCallError
    else:
        weight, indices = _first_two(args, kwargs, "weight", "indices")
    x = t.value(indices)
    operands = t.operands(weight)
    (table,) = operands[0] or operands[1]
    shape = (*x.shape, table.shape[1])
    return t.emit("embedding", (x, *operands[1]), shape, table.dtype, EMPTY, operands[0])


def _first_two(args: tuple[Any, ...], kwargs: dict[str, Any], *names: str) -> tuple[Any, Any]:
    given = [args[i] if i < len(args) else kwargs[name] for i, name in enumerate(names)]
    return given[0], given[1]


# -- normalisation

BATCH_NORM = {mode: Attributes(training=mode) for mode in (False, True)}


@answers("batch_norm")
def batch_norm(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Handle functional.batch_norm(mean, var, weight, bias, training) and torch.batch_norm(weight,
    bias, mean, var, training)."""
    names = ("running_mean", "running_var", "weight", "bias", "training")
    if t.call[0] is not F.batch_norm:
        names = ("weight", "bias", "running_mean", "running_var", "training")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    x = t.value(input)
    weights, inputs = t.operands(given.get("weight"), given.get("bias"))
    training = bool(given.get("training", False))
    return t.emit("batch_norm", (x, *inputs), x.shape, x.dtype, BATCH_NORM[training], weights)


@answers("instance_norm")
def instance_norm(
    t: Tracer,
    input: Tensor,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    if t.call[0] is not F.instance_norm:
        weight, bias = running_mean, running_var
    x = t.value(input)
    weights, inputs = t.operands(weight, bias)
    # Instance norm is group norm with one group per channel.
    attrs = Attributes(num_groups=x.shape[1] if len(x.shape) > 2 else x.shape[0])
    return t.emit("group_norm", (x, *inputs), x.shape, x.dtype, attrs, weights)


@lru_cache(1024)
def normalized(shape: Shape) -> Attributes:
    return Attributes(normalized_shape=shape)


@answers("layer_norm")
def layer_norm(
    t: Tracer,
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    x = t.value(input)
    size = tuple(normalized_shape)
    if x.shape[-len(size) :] != size:
        raise UnusualCallError
    weights, inputs = t.operands(weight, bias)
    return t.emit(
        "layer_norm", (x, *inputs), x.shape, x.dtype, t.remembered(normalized, size), weights
    )


@answers("rms_norm")
def rms_norm(
    t: Tracer, input: Tensor, normalized_shape: Any, weight: Any = None, eps: Any = None
) -> Tensor:
    x = t.value(input)
    size = tuple(normalized_shape)
    if x.shape[-len(size) :] != size:
        raise UnusualCallError
    weights, inputs = t.operands(weight)
    return t.emit(
        "rms_norm", (x, *inputs), x.shape, x.dtype, t.remembered(normalized, size), weights
    )


@answers("group_norm")
def group_norm(
    t: Tracer,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    x = t.value(input)
    weights, inputs = t.operands(weight, bias)
    attrs = Attributes(num_groups=num_groups)
    shape = TABLE["group_norm"].shape((x.shape,), {}, attrs)
    return t.emit("group_norm", (x, *inputs), shape, x.dtype, attrs, weights)


@answers("local_response_norm")
def local_response_norm(
    t: Tracer, input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    x = t.value(input)
    attrs = Attributes(size=size, alpha=alpha, beta=beta, k=k)
    return t.emit("local_response_norm", (x,), x.shape, x.dtype, attrs)


# -- pools


@lru_cache(8192)
def pool_answer(
    op: str, x: Shape, settings: tuple[tuple[str, Any], ...]
) -> tuple[Shape, Attributes]:
    dims = int(op[-2])
    given = dict(settings)
    if "stride" in given and given["stride"] in (None, ()):
        given["stride"] = given["kernel_size"]
    attrs = Attributes(
        {key: size if isinstance(size, bool) else each(size, dims) for key, size in given.items()}
    )
    return TABLE[op].shape((x,), {}, attrs), attrs


def pool(op: str) -> None:
    @answers(op)
    def max_pool(
        t: Tracer,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        if return_indices:
            raise UnusualCallError
        x = t.value(input)
        settings = (
            ("kernel_size", frozen(kernel_size)),
            ("stride", frozen(stride)),
            ("padding", frozen(padding)),
            ("dilation", frozen(dilation)),
            ("ceil_mode", ceil_mode),
        )
        shape, attrs = t.remembered(pool_answer, op, x.shape, settings)
        return t.emit(op, (x,), shape, x.dtype, attrs)

    @answers(op.replace("max", "avg"))
    def avg_pool(
        t: Tracer,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        x = t.value(input)
        settings = (
            ("kernel_size", frozen(kernel_size)),
            ("stride", frozen(stride)),
            ("padding", frozen(padding)),
            ("ceil_mode", ceil_mode),
            ("count_include_pad", count_include_pad),
        )
        name = op.replace("max", "avg")
        shape, attrs = t.remembered(pool_answer, name, x.shape, settings)
        return t.emit(name, (x,), shape, x.dtype, attrs)


def adaptive_pool(op: str) -> None:
    @answers(op)
    def adaptive(t: Tracer, input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        if return_indices:
            raise UnusualCallError
        x = t.value(input)
        dims = int(op[-2])
        size = each(frozen(output_size), dims) if output_size is not None else (None,) * dims
        size = tuple(
            have if want is None else want for want, have in zip(size, x.shape[-dims:], strict=True)
        )
        shape, attrs = t.remembered(pool_answer, op, x.shape, (("output_size", size),))
        return t.emit(op, (x,), shape, x.dtype, attrs)


for _dims in (1, 2, 3):
    pool(f"max_pool{_dims}d")
    adaptive_pool(f"adaptive_avg_pool{_dims}d")
    adaptive_pool(f"adaptive_max_pool{_dims}d")


# -- activations


def floating(value: Value) -> Value:
    """Reject integers, which torch would promote to floats."""
    if not value.dtype.startswith(("float", "bfloat", "complex")):
        raise UnusualCallError
    return value


def clipped(min_val: float = -1.0, max_val: float = 1.0, *args: Any, **kwargs: Any) -> str:
    """Return the row of ``hardtanh``: ``relu6`` for limits 0 and 6, which is torch's nn.ReLU6."""
    return "relu6" if (min_val, max_val) == (0, 6) else "hardtanh"


def activation(op: str, row: Callable[..., str] | None = None) -> None:
    def handler(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = floating(t.value(input))
        inplace = kwargs.get("inplace", False) or (args and args[-1] is True)
        return t.emit(
            op if row is None else row(*args, **kwargs),
            (x,),
            x.shape,
            x.dtype,
            INPLACE if inplace else EMPTY,
            (),
            input if inplace else None,
        )

    def in_place(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = floating(t.value(input))
        name = op if row is None else row(*args, **kwargs)
        return t.emit(name, (x,), x.shape, x.dtype, INPLACE, (), input)

    answers(op)(handler)
    answers(f"{op}_")(in_place)


for _name in (
    *("relu", "relu6", "sigmoid", "tanh", "gelu", "silu", "hardswish", "hardsigmoid"),
    *("leaky_relu", "elu", "selu", "celu", "mish", "softplus", "softsign", "logsigmoid"),
    *("hardshrink", "softshrink", "tanhshrink", "threshold"),
):
    activation(_name)
activation("hardtanh", clipped)


@answers("prelu")
def prelu(t: Tracer, input: Tensor, weight: Tensor) -> Tensor:
    x = floating(t.value(input))
    weights, inputs = t.operands(weight)
    return t.emit("prelu", (x, *inputs), x.shape, x.dtype, EMPTY, weights)


def normalising(op: str) -> None:
    @answers(op)
    def softmax(t: Tracer, input: Tensor, dim: Any = None, *args: Any, **kwargs: Any) -> Tensor:
        x = floating(t.value(input))
        if not isinstance(dim, int) or kwargs.get("dtype") is not None or len(args) > 1:
            raise UnusualCallError
        if not x.shape or not -len(x.shape) <= dim < len(x.shape):
            raise UnusualCallError
        return t.emit(op, (x,), x.shape, x.dtype, Attributes(dim=dim))


normalising("softmax")
normalising("log_softmax")


def dropout(*names: str) -> None:
    def handler(
        t: Tracer,
        input: Tensor,
        p: float = 0.5,
        training: bool | None = None,
        inplace: bool = False,
        *,
        train: bool | None = None,
    ) -> Tensor:
        """Handle functional.dropout and torch.dropout, which names the mode ``train``."""
        mode = train if training is None else training
        if mode is None:
            mode = True
        x = floating(t.value(input))
        inplace = inplace or t.call[0].__name__.endswith("_")
        attrs = Attributes(p=p, training=bool(mode), **({"inplace": True} if inplace else {}))
        target = input if inplace else None
        return t.emit("dropout", (x,), x.shape, x.dtype, attrs, (), target)

    answers(*names, *(f"{name}_" for name in names))(handler)


dropout("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
dropout("dropout1d", "dropout2d", "dropout3d")
