"""The ordinary way: what torch dispatches below its own decompositions, priced by the same table.

Taken by functions that no handler knows, by the backward pass, and by optimizer steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from archcalc.graph import Attributes, Value, Weight
from archcalc.ops import TABLE
from archcalc.pytorch.trace.recorder import Scope, dtype_name, tensors_in
from archcalc.pytorch.trace.where import users_line

if TYPE_CHECKING:
    from archcalc.pytorch.trace.tracer import Tracer


def aliases(op: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, op)


ALIASES: dict[str, str] = {
    **aliases("matmul", "mm", "bmm", "mv", "dot", "vdot", "_int_mm", "linalg_vecdot", "_scaled_mm"),
    **aliases("addmm", "baddbmm", "addbmm", "addmv", "_addmm_activation"),
    **aliases("reshape", "view", "_unsafe_view", "_reshape_alias", "squeeze", "unsqueeze"),
    **aliases("reshape", "unflatten", "_reshape_copy", "view_copy"),
    **aliases("permute", "t", "transpose", "numpy_T", "movedim", "swapaxes", "permute_copy"),
    **aliases("slice", "select", "narrow", "slice_scatter", "select_scatter"),
    **aliases("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk"),
    **aliases("concat", "cat"),
    **aliases("scaled_dot_product_attention", "flex_attention"),
    **aliases("constant", "lift_fresh", "lift_fresh_copy"),
    **aliases("conj", "_conj", "_neg_view"),
    **aliases("to", "_to_copy", "prims::convert_element_type"),
    **aliases("softmax", "_softmax", "_safe_softmax"),
    **aliases("log_softmax", "_log_softmax"),
    **aliases("softmax_backward", "_softmax_backward_data"),
    **aliases("log_softmax_backward", "_log_softmax_backward_data"),
    **aliases("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm"),
    **aliases("batch_norm", "_native_batch_norm_legit_no_training", "_batch_norm_with_update"),
    **aliases("batch_norm", "_batch_norm_no_update", "miopen_batch_norm"),
    **aliases("batch_norm_backward", "native_batch_norm_backward", "cudnn_batch_norm_backward"),
    **aliases("layer_norm", "native_layer_norm"),
    **aliases("rms_norm", "_fused_rms_norm"),
    **aliases("layer_norm_backward", "native_layer_norm_backward"),
    **aliases("rms_norm_backward", "_fused_rms_norm_backward"),
    **aliases("group_norm", "native_group_norm"),
    **aliases("group_norm_backward", "native_group_norm_backward"),
    **aliases("weight_norm", "_weight_norm_interface", "_weight_norm_interface_backward"),
    **aliases("dropout", "native_dropout"),
    **aliases("prelu", "_prelu_kernel"),
    **aliases("prelu_backward", "_prelu_kernel_backward"),
    **aliases("logsigmoid", "log_sigmoid", "log_sigmoid_forward"),
    **aliases("rrelu", "rrelu_with_noise"),
    **aliases("hardshrink_backward", "softshrink_backward"),
    **aliases("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only"),
    **aliases("embedding_backward", "embedding_dense_backward", "_embedding_bag_dense_backward"),
    **aliases("avg_pool_backward", "avg_pool2d_backward", "avg_pool3d_backward"),
    **aliases(
        "avg_pool_backward", "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward"
    ),
    **aliases("max_pool_backward", "max_pool2d_with_indices_backward"),
    **aliases("max_pool_backward", "max_pool3d_with_indices_backward"),
    **aliases("max_pool_backward", "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward"),
    **aliases("max_pool2d", "max_pool2d_with_indices"),
    **aliases("max_pool3d", "max_pool3d_with_indices"),
    **aliases("adaptive_avg_pool2d", "_adaptive_avg_pool2d"),
    **aliases("adaptive_avg_pool3d", "_adaptive_avg_pool3d"),
    **aliases("sub", "rsub"),
    **aliases("norm", "linalg_vector_norm", "linalg_norm", "linalg_matrix_norm"),
    **aliases("cdist", "_euclidean_dist"),
    **aliases("pairwise_distance", "_cdist_forward"),
    **aliases("fft", "_fft_c2c", "_fft_r2c", "_fft_c2r"),
    **aliases("upsample_nearest", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    **aliases("upsample_nearest", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d"),
    **aliases("upsample_linear", "upsample_linear1d"),
    **aliases("upsample_bilinear", "upsample_bilinear2d", "_upsample_bilinear2d_aa"),
    **aliases("upsample_bicubic", "upsample_bicubic2d", "_upsample_bicubic2d_aa"),
    **aliases("upsample_trilinear", "upsample_trilinear3d"),
    **aliases("upsample_backward", "upsample_nearest2d_backward", "upsample_bilinear2d_backward"),
    **aliases("upsample_backward", "upsample_nearest1d_backward", "upsample_linear1d_backward"),
    **aliases("upsample_backward", "upsample_bicubic2d_backward", "upsample_nearest3d_backward"),
    **aliases(
        "upsample_backward", "upsample_trilinear3d_backward", "_upsample_bilinear2d_aa_backward"
    ),
    **aliases("upsample_backward", "_upsample_bicubic2d_aa_backward"),
    **aliases("upsample_backward", *(f"_upsample_nearest_exact{n}d_backward" for n in (1, 2, 3))),
    **aliases("pad_backward", *(f"reflection_pad{n}d_backward" for n in (1, 2, 3))),
    **aliases("pad_backward", *(f"replication_pad{n}d_backward" for n in (1, 2, 3))),
    **aliases("grid_sample", "grid_sampler_2d", "grid_sampler_3d", "grid_sampler"),
    **aliases("affine_grid", "affine_grid_generator"),
    **aliases("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d"),
    **aliases("pad", "replication_pad1d", "replication_pad2d", "replication_pad3d"),
    **aliases("index", "_unsafe_index", "_unsafe_masked_index"),
    **aliases("index_put", "_unsafe_index_put", "_index_put_impl"),
    **aliases("index_backward", "_unsafe_masked_index_put_accumulate"),
    **aliases("copy", "_copy_from", "copy_"),
    **aliases("random", "bernoulli", "normal", "uniform", "exponential", "random", "cauchy"),
    **aliases("random", "log_normal", "geometric", "poisson"),
    **aliases("expand", "expand_copy"),
    **aliases("var_mean", "native_channel_shuffle_stats"),
    **aliases("channel_shuffle", "native_channel_shuffle"),
    **aliases("unique", "_unique2", "unique_dim", "unique_consecutive"),
    **aliases("unfold", "unfold_copy"),
    **aliases("cumsum", "_cumsum"),
    **aliases("logcumsumexp", "_logcumsumexp"),
    **aliases("cross", "linalg_cross"),
    **aliases("pack_padded_sequence", "_pack_padded_sequence"),
    **aliases("lstm_cell", "_thnn_fused_lstm_cell"),
    **aliases("nll_loss", "nll_loss_forward", "nll_loss2d_forward"),
    **aliases("nll_loss_backward", "nll_loss2d_backward"),
    **aliases(
        "assert",
        "_linalg_check_errors",
        "_assert_async",
        "_assert_tensor_metadata",
        "_assert_scalar",
    ),
}
"""aten's names, in-place underscore off, for what the table calls otherwise."""

ATTENTION = frozenset(
    f"_scaled_dot_product_{backend}"
    for backend in (
        "flash_attention",
        "flash_attention_for_cpu",
        "efficient_attention",
        "cudnn_attention",
        "fused_attention_overrideable",
        "attention_math",
    )
)

SILENT = frozenset(
    [
        *("detach", "alias", "empty", "empty_strided", "empty_like", "new_empty", "zero", "fill"),
        *("new_empty_strided", "zeros", "ones", "full", "zeros_like", "ones_like", "full_like"),
        *("new_zeros", "new_ones", "new_full", "scalar_tensor", "arange", "linspace", "logspace"),
        *("eye", "rand", "randn", "randint", "rand_like", "randn_like", "randint_like"),
        *("randperm", "tril_indices", "triu_indices", "lift", "lift_fresh", "_efficientzerotensor"),
        *("_local_scalar_dense", "equal", "is_nonzero", "resize", "set", "is_same_size"),
        *("sym_size", "sym_numel", "sym_stride", "is_pinned", "resolve_conj", "resolve_neg"),
        *("_nested_tensor_size", "is_coalesced"),
    ]
)
"""Memory and constants: what they make is recorded when something reads it."""

READ_AS_WEIGHTS = {
    **{f"conv{dims}d": 1 for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": 1 for dims in (1, 2, 3)},
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm", "rms_norm", "prelu"), 1),
    "embedding": 1,
    "embedding_bag": 1,
    "bilinear": 2,
    "conv_backward": 2,
    **dict.fromkeys(("batch_norm_backward", "layer_norm_backward", "group_norm_backward"), 2),
}
"""Operators whose node has the parameters that it reads as its own weights, and how many tensors
come before them."""


CONVOLUTIONS = ("convolution", "_convolution", "mkldnn_convolution")
SPECIAL = (*CONVOLUTIONS, "convolution_backward", "_trilinear")
"""What :func:`translated` gives a name of the table."""

FOREACH = "_foreach_"

OPERANDS = frozenset(
    op for op in READ_AS_WEIGHTS if op.startswith("conv") or op in ("embedding", "bilinear")
)
"""Of these, the ones priced by their weights' shapes: all of them parameters, or all inputs."""


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Records each operation that reaches torch's dispatcher."""

    supports_higher_order_operators = True

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.tracer = tracer

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self.higher_order(func, args, kwargs)
        name, op, inplace = identify(func)
        if self.tracer.muted or op in SILENT or name.startswith("profiler::"):
            return func(*args, **kwargs)
        counted = op in TABLE or name in TABLE or op in SPECIAL
        if not counted and not op.startswith(FOREACH):
            with self:
                # Without autograd above it, torch leaves this to whoever comes first: us.
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        # In the backward pass the function mode is there too, and must not see this call again.
        with torch._C.DisableTorchFunction():
            out = func(*args, **kwargs)
        if op.startswith(FOREACH):
            self.each(func, name, op, inplace, args, out)
        else:
            self.record(func, name, op, inplace, args, kwargs, out)
        return out

    def each(
        self, func: Any, name: str, op: str, inplace: bool, args: tuple[Any, ...], out: Any
    ) -> None:
        """An operation over lists of tensors, as optimizers call it: a node for each place."""
        for place in range(len(args[0])):
            taken = tuple([arg[place] if _is_list(arg) else arg for arg in args])
            made = taken[0] if out is None else out[place]
            self.record(func, name, op.removeprefix(FOREACH), inplace, taken, {}, made)

    def higher_order(
        self, func: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """An operator that takes functions: flex attention is attention, any other is unknown."""
        with torch._C.DisableTorchFunction():
            out = func(*args, **kwargs)
        if not self.tracer.muted:
            name: str = func.name()  # type: ignore[no-untyped-call]  # torch's
            op = ALIASES.get(name, f"higher_order::{name}")
            given = tensors_in(args[:3] if op in TABLE else (args, kwargs))
            inputs = tuple([self.tracer.value(each) for each in given])
            outs = list(tensors_in(out))
            outputs = [(tuple(each.shape), dtype_name(each)) for each in outs]
            recorder = self.tracer.recorder
            where = "" if op in TABLE else users_line()
            values = recorder.append(name, op, inputs, outputs, where=where)
            for each, value in zip(outs, values, strict=True):
                recorder.bind(each, value)
        return out

    def record(
        self,
        func: Any,
        name: str,
        op: str,
        inplace: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
    ) -> None:
        recorder = self.tracer.recorder
        given = list(tensors_in((args, kwargs)))
        settings = dict(_settings(func, args, kwargs))
        op, given, settings = translated(op, given, settings)
        if inplace:
            settings["inplace"] = True
        known = op in TABLE
        outer = recorder.scope
        recorder.scope = self.scope() or outer
        try:
            weights, inputs = self.sources(op, given)
            outs = list(tensors_in(out))
            values = recorder.append(
                op if known else name.rpartition("::")[2],
                op if known else name,
                inputs,
                [(tuple(each.shape), dtype_name(each)) for each in outs],
                weights,
                Attributes(settings),
                "" if known and "::" not in op else users_line(),
            )
        finally:
            recorder.scope = outer
        for each, value in zip(outs, values, strict=True):
            original = self.tracer.originals.get(id(each))
            if original is None:
                recorder.bind(each, value)
            elif recorder.phase != "optimizer":
                recorder.known[id(original)] = value
                recorder.alive.append(original)

    def sources(self, op: str, given: list[Tensor]) -> tuple[tuple[Weight, ...], tuple[Value, ...]]:
        """The weights and the inputs of a call."""
        tracer = self.tracer
        recorder = tracer.recorder
        originals = [tracer.originals.get(id(tensor), tensor) for tensor in given]
        before = 0 if recorder.phase == "optimizer" else READ_AS_WEIGHTS.get(op)
        if before is None:
            return (), tuple([tracer.value(tensor) for tensor in given])
        rest = [each for each in originals[before:] if id(each) not in recorder.buffers]
        weights = [recorder.weight_of(each) for each in rest]
        if op in OPERANDS and None in weights:
            return (), tuple([tracer.value(each) for each in (*originals[:before], *rest)])
        values = [each for each, weight in zip(rest, weights, strict=True) if weight is None]
        inputs = [tracer.value(each) for each in (*originals[:before], *values)]
        return tuple([weight for weight in weights if weight is not None]), tuple(inputs)

    def scope(self) -> Scope | None:
        """Of a backward operation: the scope of the call whose gradient it computes."""
        # torch's stub has the property ``metadata`` as a method.
        node: Any = torch._C._current_autograd_node()
        found: Scope | None = None if node is None else node.metadata.get(self.tracer.recorder.key)
        return found


def identify(func: Any) -> tuple[str, str, bool]:
    """An operator overload as (its full name, the table's name for it, whether it is in place)."""
    name: str = func._schema.name
    space, _, short = name.partition("::")
    if space != "aten":
        return name, ALIASES.get(name, name), False
    inplace = short.endswith("_") and not short.endswith("__")
    short = short.rstrip("_") if inplace else short
    if short in ATTENTION:
        return name, "scaled_dot_product_attention", False
    if short.removesuffix("_backward") in ATTENTION:
        return name, "scaled_dot_product_attention_backward", False
    return name, ALIASES.get(short, short), inplace


def translated(
    op: str, given: list[Tensor], settings: dict[str, Any]
) -> tuple[str, list[Tensor], dict[str, Any]]:
    """The operator, tensors and settings as the table has them, where aten's differ."""
    if op in CONVOLUTIONS:
        dims = given[1].dim() - 2
        transposed = settings.pop("transposed", False)
        for key in ("stride", "padding", "dilation", "output_padding"):
            if key in settings:
                settings[key] = _each(settings[key], dims)
        return f"conv{'_transpose' * transposed}{dims}d", given, settings
    if op == "convolution_backward":
        return "conv_backward", given, settings
    if op in ("max_pool2d", "max_pool3d", "avg_pool2d", "avg_pool3d"):
        dims = int(op[-2])
        settings["stride"] = settings.get("stride") or settings["kernel_size"]
        for key in ("kernel_size", "stride", "padding", "dilation"):
            if key in settings:
                settings[key] = _each(settings[key], dims)
    if op in ("embedding", "embedding_bag"):
        weight, indices, *rest = given
        return op, [indices, weight, *rest], settings
    if op == "_trilinear":
        # How torch dispatches bilinear: x₁, weight, x₂.
        return "bilinear", [given[0], given[2], given[1]], settings
    if op in ("reshape", "to"):
        settings = {}
    return op, given, settings


def _is_list(arg: Any) -> bool:
    return isinstance(arg, (list, tuple))


def _each(size: tuple[int, ...], dims: int) -> tuple[int, ...]:
    return tuple(size) * dims if len(size) == 1 else tuple(size)


def _settings(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The arguments that are no tensors, by the operator's own names."""
    for position, argument in enumerate(func._schema.arguments):
        if position < len(args):
            value = args[position]
        elif argument.name in kwargs:
            value = kwargs[argument.name]
        else:
            value = argument.default_value
        if value is None or next(iter(tensors_in(value)), None) is not None:
            continue
        if isinstance(value, (list, tuple)):
            value = tuple(value)
        if isinstance(value, (bool, int, float, complex, str, tuple)):
            yield argument.name, value
