"""Handlers for operations between layers: arithmetic, products, reductions, casts, constants."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Shape, Value, times
from archcalc.ops import TABLE
from archcalc.ops.attention import causal_macs
from archcalc.ops.operator import broadcast
from archcalc.pytorch.trace.layers import answers, floating, functions
from archcalc.pytorch.trace.recorder import DTYPE_NAME, EMPTY, INPLACE
from archcalc.pytorch.trace.symbols import (
    SIZES,
    agree,
    has_size,
    new_shape,
    refuse,
    upsampled_shape,
)
from archcalc.pytorch.trace.tracer import (
    CALLS,
    CPU,
    ESSENTIAL,
    META,
    OF_SIZES,
    Tracer,
    UnusualCallError,
    ValuesNeededError,
    ask,
    function_name,
)
from archcalc.pytorch.trace.where import users_line

# -- questions

for _name in (
    *("shape", "dtype", "ndim", "requires_grad", "layout", "is_sparse", "is_quantized", "names"),
    *("grad_fn", "is_leaf", "is_nested", "itemsize", "nbytes", "_version", "is_mkldnn", "grad"),
    *("is_cuda", "is_mps", "is_xpu", "is_vulkan", "is_ipu", "is_xla", "is_ort", "is_maia"),
    *("is_inference", "output_nr", "retains_grad"),
):
    _question = getattr(getattr(Tensor, _name, None), "__get__", None)
    if _question is not None:
        CALLS[_question] = ask
for _function in functions(
    *("size", "dim", "numel", "nelement", "ndimension", "is_floating_point", "is_complex"),
    *("stride", "element_size", "is_contiguous", "is_signed", "is_inference", "__len__", "is_conj"),
    *("result_type", "promote_types", "storage_offset", "is_same_size", "__repr__", "__format__"),
    *("__hash__", "is_tensor", "is_storage", "get_default_dtype", "is_neg", "has_names"),
    *("__dir__", "__reduce_ex__", "broadcast_shapes", "is_pinned", "_is_view"),
    "untyped_storage",
):
    CALLS[_function] = ask


def shape(t: Tracer, input: Tensor) -> Any:
    return t.symbols.shape(t.shape(input)) if t.symbols is not None else input.shape


def size(t: Tracer, input: Tensor, dim: Any = None) -> Any:
    found = shape(t, input)
    return found if dim is None else found[dim]


def count(t: Tracer, input: Tensor) -> Any:
    found = prod(t.shape(input))
    return t.symbols.wrapped(found) if t.symbols is not None else found


def length(t: Tracer, input: Tensor) -> int:
    found = t.shape(input)[0]
    return t.symbols.fix(found) if t.symbols is not None else found


def layout(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Reject questions about memory layout, which has no expressions."""
    if has_size(t.shape(input)):
        refuse(function_name(t.call[0]))
    return t.call[0](input, *args, **kwargs)


def upsampled(t: Tracer, input: Tensor, size: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Take the output size from the call: torch sees it only as an integer."""
    function, given, named = t.call
    scales = kwargs.get("scale_factors", args[-1] if args else None)
    t.expected = upsampled_shape(t.shape(input), kwargs.get("output_size", size), scales)
    try:
        out: Tensor = t.unknown(function, given, named)
        return out
    finally:
        t.expected = None


OF_SIZES.update(
    dict.fromkeys(
        functions(
            *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
            *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"),
            *("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
            *(f"_upsample_nearest_exact{dims}d" for dims in (1, 2, 3)),
        ),
        upsampled,
    )
)
OF_SIZES[Tensor.shape.__get__] = shape  # type: ignore[attr-defined]  # a getter of C
OF_SIZES[Tensor.nbytes.__get__] = layout  # type: ignore[attr-defined]
OF_SIZES.update(dict.fromkeys(functions("size"), size))
OF_SIZES.update(dict.fromkeys(functions("numel", "nelement"), count))
OF_SIZES.update(dict.fromkeys(functions("__len__"), length))
OF_SIZES.update(dict.fromkeys(functions("stride", "storage_offset", "untyped_storage"), layout))


def on_cpu(t: Tracer, *args: Any) -> torch.device:
    """Report the CPU, so that the model takes the same branches as on a CPU.

    In the backward pass, checkpoints compare devices with those that torch itself saw.
    """
    return CPU if t.real or t.recorder.phase == "forward" else META


def yes(t: Tracer, *args: Any) -> bool:
    return True


def no(t: Tracer, *args: Any) -> bool:
    return False


def no_index(t: Tracer, *args: Any) -> int:
    """Return torch's device index of the CPU."""
    return -1


for _name, _answer in (("device", on_cpu), ("is_cpu", yes), ("is_meta", no)):
    CALLS[getattr(Tensor, _name).__get__] = _answer
CALLS[Tensor.get_device] = no_index


@answers(
    *("item", "__bool__", "__int__", "__float__", "__index__", "__complex__", "tolist", "numpy"),
    *("__array__", "data_ptr", "equal", "allclose", "is_nonzero", "nonzero"),
    *("masked_select", "unique", "unique_consecutive", "argwhere", "bincount", "to_sparse"),
    *("to_sparse_coo", "to_sparse_csr", "to_sparse_csc", "to_sparse_bsr", "to_sparse_bsc"),
)
def values(t: Tracer, *args: Any, **kwargs: Any) -> Any:
    """Handle functions that need the tensor's values."""
    if t.real:
        return t.unknown(*t.call)
    if t.call[0] in YES_OR_NO:
        answer = t.questions.answer(t.value(args[0]), t.recorder)
        if answer is not None:
            return answer
    raise ValuesNeededError(f"{function_name(t.call[0])}() needs values{users_line(' at ')}")


YES_OR_NO = functions("item", "__bool__", "is_nonzero")
"""Functions that return a single truth value."""


@answers("_assert")
def no_check(t: Tracer, condition: Any, message: str = "") -> None:
    """Check a plain bool; skip a tensor, whose value is unknown."""
    if not isinstance(condition, Tensor):
        torch._assert(condition, message)


# -- element by element


def result(
    t: Tracer, a: Any, b: Any, boolean: bool = False
) -> tuple[tuple[Value, ...], Shape, str]:
    """Return inputs, shape and dtype of a function of two operands; one may be a number."""
    if isinstance(a, Tensor):
        x = t.value(a)
        if isinstance(b, Tensor):
            y = t.value(b)
            if x.dtype != y.dtype:
                raise UnusualCallError
            shape = x.shape if x.shape == y.shape else broadcast((x.shape, y.shape))
            return (x, y), shape, "bool" if boolean else x.dtype
        number = b
    else:
        x, number = t.value(b), a
    if not boolean:
        kind = type(number)
        if kind is float:
            floating(x)
        elif (kind is not int and kind is not bool) or x.dtype == "bool":
            raise UnusualCallError
    return (x,), x.shape, "bool" if boolean else x.dtype


def binary(op: str, *names: str, true_division: bool = False, boolean: bool = False) -> None:
    def handler(t: Tracer, input: Any, other: Any, *args: Any, **kwargs: Any) -> Tensor:
        if args or kwargs:
            raise UnusualCallError
        inputs, shape, dtype = result(t, input, other, boolean)
        if true_division:
            floating(inputs[0])
        return t.emit(op, inputs, shape, dtype)

    def in_place(t: Tracer, input: Tensor, other: Any, *args: Any, **kwargs: Any) -> Tensor:
        if args or kwargs:
            raise UnusualCallError
        x = t.value(input)
        if not x.shape and x.dtype == "int64" and not isinstance(other, Tensor):
            # A batch counter is bookkeeping, not part of the model's arithmetic.
            return t.run() if t.exact else input
        inputs = (x, t.value(other)) if isinstance(other, Tensor) else (x,)
        if broadcast(tuple([value.shape for value in inputs])) != x.shape:
            raise ShapeError(f"the result of in-place {op} is not of shape {times(x.shape)}")
        return t.emit(op, inputs, x.shape, x.dtype, INPLACE, (), input)

    answers(*names)(handler)
    answers(*(f"{name}_" for name in names if not name.startswith("__")))(in_place)
    answers(*(f"__i{name[2:]}" for name in names if name.startswith("__")))(in_place)


binary("add", "add", "__add__", "__radd__")
binary("sub", "sub", "subtract", "__sub__", "__rsub__", "rsub")
binary("mul", "mul", "multiply", "__mul__", "__rmul__")
binary("div", "div", "divide", "true_divide", "__truediv__", "__rtruediv__", true_division=True)
binary("maximum", "maximum")
binary("minimum", "minimum")
for _op in ("eq", "ne", "lt", "le", "gt", "ge"):
    binary(_op, _op, f"__{_op}__", boolean=True)


def unary(op: str, *names: str) -> None:
    def handler(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs or any(isinstance(arg, Tensor) for arg in args):
            raise UnusualCallError
        x = floating(t.value(input))
        if x.dtype.startswith("complex"):
            raise UnusualCallError
        return t.emit(op, (x,), x.shape, x.dtype)

    answers(op, *names)(handler)


for _op in ("exp", "log", "log1p", "sqrt", "rsqrt", "square", "reciprocal", "sin", "cos", "erf"):
    unary(_op)
unary("abs", "__abs__")


def check(op: str) -> None:
    @answers(op)
    def handler(t: Tracer, input: Tensor) -> Tensor:
        x = t.value(input)
        return t.emit(op, (x,), x.shape, "bool")


for _op in ("isnan", "isinf", "isfinite"):
    check(_op)
unary("neg", "__neg__")
unary("pow", "__pow__")


def clamp(op: str) -> None:
    @answers(op)
    def handler(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if any(isinstance(bound, Tensor) for bound in (*args, *kwargs.values())):
            raise UnusualCallError
        x = floating(t.value(input))
        return t.emit("clamp", (x,), x.shape, x.dtype)


for _op in ("clamp", "clamp_min", "clamp_max", "clip"):
    clamp(_op)


@answers("masked_fill")
def masked_fill(t: Tracer, input: Tensor, mask: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        raise UnusualCallError
    x, where = t.value(input), t.value(mask)
    return t.emit("masked_fill", (x, where), broadcast((x.shape, where.shape)), x.dtype)


# -- matrix products


def sparse(*operands: Tensor) -> bool:
    return any(each.layout is not torch.strided for each in operands)


@answers("matmul", "mm", "bmm", "mv", "dot", "__matmul__", "__rmatmul__", "vdot")
def matmul(t: Tracer, input: Any, other: Any) -> Tensor:
    if getattr(t.call[0], "__name__", "") == "__rmatmul__":
        input, other = other, input
    a, b = t.value(input), t.value(other)
    if a.dtype != b.dtype or not a.shape or not b.shape or sparse(input, other):
        raise UnusualCallError
    return t.emit("matmul", (a, b), TABLE["matmul"].shape((a.shape, b.shape), {}, EMPTY), a.dtype)


@answers("addmm", "baddbmm", "addbmm", "addmv")
def addmm(t: Tracer, input: Tensor, a: Any, b: Any, *args: Any, **kwargs: Any) -> Tensor:
    if args or kwargs:
        raise UnusualCallError
    given = (t.value(input), t.value(a), t.value(b))
    if len({value.dtype for value in given}) > 1 or sparse(a, b):
        raise UnusualCallError
    shape = TABLE["matmul"].shape((given[1].shape, given[2].shape), {}, EMPTY)
    if t.call[0] in ADDBMM:
        shape = shape[1:]
    return t.emit("addmm", given, shape, given[0].dtype)


ADDBMM = functions("addbmm")


@answers("outer", "ger")
def outer(t: Tracer, input: Tensor, vec2: Tensor) -> Tensor:
    a, b = t.value(input), t.value(vec2)
    if a.dtype != b.dtype:
        raise UnusualCallError
    return t.emit("outer", (a, b), (*a.shape, *b.shape), a.dtype)


@answers("einsum")
def einsum(t: Tracer, equation: Any, *operands: Any) -> Tensor:
    """Handle two tensors with distinct indices. torch decomposes every other form itself."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not isinstance(equation, str) or len(operands) != 2:
        raise UnusualCallError
    a, b = t.value(operands[0]), t.value(operands[1])
    given, arrow, out = equation.replace(" ", "").partition("->")
    left, _, right = given.partition(",")
    if not arrow or "." in equation or (len(left), len(right)) != (len(a.shape), len(b.shape)):
        raise UnusualCallError
    pairs = [*zip(left, a.shape, strict=True), *zip(right, b.shape, strict=True)]
    size = dict(pairs)
    distinct = all(len(set(part)) == len(part) for part in (left, right, out))
    summed = (set(left) | set(right)) - set(out)
    if (
        not distinct
        or a.dtype != b.dtype
        or any(size[index] != length for index, length in pairs)
        or not summed <= set(left) & set(right)
        or not set(out) <= size.keys()
    ):
        raise UnusualCallError
    contracted = tuple([size[index] for index in left if index in summed])
    attrs = Attributes(equation=equation, contracted=contracted)
    return t.emit("einsum", (a, b), tuple([size[index] for index in out]), a.dtype, attrs)


@answers("scaled_dot_product_attention")
def attention(
    t: Tracer,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    q, k, v = t.value(query), t.value(key), t.value(value)
    if len(q.shape) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise UnusualCallError
    attrs = {"is_causal": is_causal, "dropout_p": dropout_p}
    if is_causal:
        attrs["masked_macs"] = causal_macs(q.shape, k.shape, v.shape)
    inputs = (q, k, v) if attn_mask is None else (q, k, v, t.value(attn_mask))
    scores = (*q.shape[:-1], k.shape[-2])
    if broadcast((scores, *[value.shape for value in inputs[3:]])) != scores:
        raise ShapeError(f"the mask cannot be broadcast to {times(scores)} scores")
    shape = (*q.shape[:-1], v.shape[-1])
    return t.emit("scaled_dot_product_attention", inputs, shape, q.dtype, Attributes(attrs))


def spectrum(op: str, attribute: str, *names: str) -> None:
    @answers(*names)
    def handler(t: Tracer, *args: Any, **kwargs: Any) -> Tensor:
        """Count values only. Under a mode such as ours, torch would compute the vectors too."""
        x = floating(t.value(args[0] if args else kwargs["A"]))
        size = min(x.shape[-2:])
        real = {"complex64": "float32", "complex128": "float64"}.get(x.dtype, x.dtype)
        return t.emit(op, (x,), (*x.shape[:-2], size), real, Attributes({attribute: False}))

    ESSENTIAL.add(handler)


spectrum("linalg_svd", "compute_uv", "svdvals", "linalg_svdvals")
spectrum("linalg_eigh", "compute_v", "eigvalsh", "linalg_eigvalsh")


# -- reductions


def reduced(shape: Shape, dim: Any, keepdim: bool) -> Shape:
    """Return a shape after a reduction over some dimensions, or over all if none are given."""
    rank = len(shape)
    dims = range(rank) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    gone = set()
    for each in dims:
        if not isinstance(each, int) or not -rank <= each < rank:
            raise UnusualCallError
        gone.add(each % rank)
    if keepdim:
        return tuple([1 if axis in gone else size for axis, size in enumerate(shape)])
    return tuple([size for axis, size in enumerate(shape) if axis not in gone])


def reduction(op: str) -> None:
    @answers(op)
    def handler(
        t: Tracer, input: Tensor, dim: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any
    ) -> Tensor:
        if kwargs or (args and not isinstance(args[0], bool)) or len(args) > 1:
            raise UnusualCallError
        if isinstance(dim, bool):
            raise UnusualCallError
        x = floating(t.value(input))
        if args:
            keepdim = args[0]
        return t.emit(op, (x,), reduced(x.shape, dim, keepdim), x.dtype, over(x, dim, keepdim))


def over(x: Value, dim: Any, keepdim: bool) -> Attributes:
    """Return the attributes of a reduction: its dimensions and ``keepdim``."""
    dims = (
        range(len(x.shape)) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    )
    return Attributes(dim=tuple(dims), keepdim=keepdim)


for _op in ("sum", "mean", "amax", "amin"):
    reduction(_op)


@answers("vector_norm")
def vector_norm(
    t: Tracer, x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, **kwargs: Any
) -> Tensor:
    value = floating(t.value(x))
    if value.dtype.startswith("complex") or kwargs.get("dtype") is not None:
        raise UnusualCallError
    shape = reduced(value.shape, dim, keepdim)
    return t.emit("norm", (value,), shape, value.dtype, over(value, dim, keepdim))


# -- casts, copies, constants


@answers("to", "type_as", "float", "half", "double", "bfloat16", "int", "long", "bool")
@answers("cpu", "cuda", "type")
def to(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Record a copy if the dtype changes. A change of device is not one."""
    name = t.call[0].__name__
    if not isinstance(input, Tensor) or (name == "type" and not args):
        raise UnusualCallError
    dtype = CASTS.get(name) or kwargs.get("dtype")
    for arg in args:
        if isinstance(arg, torch.dtype):
            dtype = arg
        elif isinstance(arg, Tensor):
            dtype = arg.dtype
        elif name == "type":
            raise UnusualCallError
    x = t.value(input)
    if dtype is None or DTYPE_NAME[dtype] == x.dtype:
        return input
    t.call = (Tensor.to, (input, dtype), {})
    return t.emit("to", (x,), x.shape, DTYPE_NAME[dtype])


CASTS = {
    name: getattr(torch, name)
    for name in ("float", "half", "double", "bfloat16", "int", "long", "bool")
}


def copy(op: str, *names: str) -> None:
    @answers(*names)
    def handler(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = t.value(input)
        return t.emit(op, (x,), x.shape, x.dtype)


copy("clone", "clone")
copy("contiguous", "contiguous")
copy("detach", "detach")
copy("roll", "roll")
copy("flip", "flip")


def filling(op: str, *names: str) -> None:
    @answers(*names)
    def handler(t: Tracer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = t.value(input)
        return t.emit(op, (x,), x.shape, x.dtype, INPLACE, (), input)


filling("random", "bernoulli_", "uniform_", "normal_", "random_", "exponential_")
filling("fill", "fill_", "zero_")


@answers(
    *("zeros", "ones", "empty", "full", "rand", "randn", "randint", "arange", "linspace", "eye"),
    *("logspace", "tensor", "as_tensor", "scalar_tensor", "randperm", "tril_indices"),
    *("triu_indices", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like"),
    *("randn_like", "randint_like", "new_zeros", "new_ones", "new_empty", "new_full"),
    *("new_tensor", "empty_strided", "asarray", "normal", "range", "hann_window"),
)
def constant(t: Tracer, *args: Any, **kwargs: Any) -> Any:
    """Create a tensor that depends on no input. It becomes a node when an operation reads it."""
    name = t.call[0].__name__
    if name in ("as_tensor", "asarray", "tensor") and args and isinstance(args[0], Tensor):
        dtype = kwargs.get("dtype") or (args[1] if len(args) > 1 else None)
        t.call = (Tensor.to, (args[0], dtype), {})
        return to(t, args[0], dtype)
    if name == "normal" and any(isinstance(arg, Tensor) for arg in args):
        raise UnusualCallError
    if not t.real:
        kwargs = {key: each for key, each in kwargs.items() if key != "pin_memory"}
        # Create data on the CPU: torch 2.9 cannot put it on meta inside a functorch transform.
        kwargs["device"] = CPU if name == "tensor" else META
        kwargs.pop("generator", None)
    t.call = (t.call[0], args, kwargs)
    out = t.run()
    if not t.real and out.device != META:
        out = out.to(META)
    if t.symbols is not None:
        like = t.shape(args[0]) if args and isinstance(args[0], Tensor) else ()
        if has_size((args, kwargs)) or (name.endswith("_like") and has_size(like)):
            setattr(out, SIZES, agree(new_shape(name, args, kwargs, like), out.shape, name))
    t.adopt(out)
    out._archcalc_made = True
    return out


ESSENTIAL.update((on_cpu, yes, no, no_index, values, no_check, to, constant))
