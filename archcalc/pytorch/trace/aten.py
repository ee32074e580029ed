"""Map torch's operations, below its own decompositions, to rows of the operator table.

``ALIASES`` maps the names. A translator reorders tensors and settings where a call differs from
its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archcalc.errors import ShapeError
from archcalc.graph import Weight
from archcalc.ops import TABLE
from archcalc.ops.window import conv_positions
from archcalc.pytorch.trace.recorder import tensors_in


def aliases(op: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, op)


ALIASES: dict[str, str] = {
    **aliases("matmul", "mm", "bmm", "mv", "dot", "vdot", "_int_mm", "linalg_vecdot", "_scaled_mm"),
    **aliases("matmul", "_sparse_mm", "_sparse_sparse_matmul"),
    **aliases("addmm", "baddbmm", "addbmm", "addmv", "_addmm_activation", "_sparse_addmm"),
    **aliases("grouped_mm", "_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2"),
    **aliases("grouped_mm", "transformers::grouped_mm_fallback"),
    **aliases("linalg_lu", "linalg_lu_factor", "linalg_lu_factor_ex", "_lu_with_info"),
    **aliases("linalg_det", "_linalg_det", "_linalg_slogdet"),
    **aliases("linalg_solve", "_linalg_solve_ex"),
    **aliases("linalg_inv", "linalg_inv_ex"),
    **aliases("linalg_cholesky", "linalg_cholesky_ex", "cholesky"),
    **aliases("linalg_cholesky_inverse", "cholesky_inverse"),
    **aliases("linalg_cholesky_solve", "cholesky_solve", "_cholesky_solve_helper"),
    **aliases("linalg_solve_triangular", "triangular_solve"),
    **aliases("linalg_geqrf", "geqrf"),
    **aliases("linalg_svd", "_linalg_svd"),
    **aliases("linalg_eigh", "_linalg_eigh"),
    **aliases("linalg_eigvals", "_linalg_eigvals"),
    **aliases("deform_conv2d", "torchvision::deform_conv2d"),
    **aliases("deform_conv2d_backward", "torchvision::_deform_conv2d_backward"),
    **aliases("roi_align", "torchvision::roi_align"),
    **aliases("roi_align_backward", "torchvision::_roi_align_backward"),
    **aliases("ps_roi_align", "torchvision::ps_roi_align"),
    **aliases("ps_roi_align_backward", "torchvision::_ps_roi_align_backward"),
    **aliases("nms", "torchvision::nms"),
    **aliases("quantize", "quantize_per_tensor", "quantize_per_channel"),
    **aliases("quantize", "quantize_per_tensor_dynamic"),
    **aliases("max_pool2d", "quantized_max_pool2d"),
    **aliases("max_pool3d", "quantized_max_pool3d"),
    **aliases("max_pool1d", "quantized_max_pool1d"),
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
    **aliases("upsample_linear", "upsample_linear1d"),
    **aliases("upsample_bilinear", "upsample_bilinear2d"),
    **aliases("upsample_bicubic", "upsample_bicubic2d"),
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
    **aliases("grid_sample_backward", "grid_sampler_2d_backward", "grid_sampler_3d_backward"),
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
"""The table's name of an aten operation, where the two differ. In-place underscores are removed."""

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
        *("_nested_tensor_size", "is_coalesced", "_has_same_storage_numel"),
        "_new_zeros_with_same_feature_meta",
    ]
)
"""Operations that allocate or fill memory. A constant is recorded when an operation reads it."""


class Call(NamedTuple):
    """One operation in the form that its row of the table expects."""

    op: str
    given: list[Tensor]
    """The tensors in the row's order: inputs, then parameters."""
    settings: dict[str, Any]
    weights: tuple[Weight, ...] = ()
    """Parameters that the model does not hold as tensors."""
    then: str = ""
    """The activation that a fused kernel applies to the output."""


Translator = Callable[[Call], Call]
TRANSLATORS: dict[str, Translator] = {}


def translates(*names: str) -> Callable[[Translator], Translator]:
    """Register a translator for calls of these operations."""

    def register(translator: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(names, translator))
        return translator

    return register


def identify(func: Any) -> tuple[str, str, bool]:
    """Return an overload's full name, the table's name for it, and whether it works in place."""
    name: str = func._schema.name
    space, _, short = name.partition("::")
    if space == "prims" and short in TABLE:
        return name, short, False  # called by torch's decompositions
    if space != "aten":
        return name, ALIASES.get(name, name), False
    inplace = short.endswith("_") and not short.endswith("__")
    short = short.rstrip("_") if inplace else short
    if short in ATTENTION:
        return name, "scaled_dot_product_attention", False
    if short.removesuffix("_backward") in ATTENTION:
        return name, "scaled_dot_product_attention_backward", False
    return name, ALIASES.get(short, short), inplace


def translated(op: str, given: list[Tensor], settings: dict[str, Any]) -> Call:
    """Translate an operation, its tensors and its settings to the table's form."""
    call = Call(op, given, settings)
    translator = TRANSLATORS.get(op)
    return call if translator is None else translator(call)


GEOMETRY = (("stride", 1), ("padding", 0), ("dilation", 1))


@translates("convolution", "_convolution", "mkldnn_convolution")
def convolution(call: Call) -> Call:
    settings = dict(call.settings)
    dims = call.given[1].dim() - 2
    transposed = settings.pop("transposed", False)
    for key in ("stride", "padding", "dilation", "output_padding"):
        if key in settings:
            settings[key] = each(settings[key], dims)
    x, weight = (tuple(tensor.shape) for tensor in call.given[:2])
    if not transposed and 0 not in x:  # torch 2.9 accepts on meta what its kernels reject
        geometry = [settings.get(key, (size,) * dims) for key, size in GEOMETRY]
        try:
            conv_positions(x[-dims:], weight[-dims:], *geometry)
        except ShapeError as error:
            raise RuntimeError(str(error)) from None  # as torch does; names the layer
    return Call(f"conv{'_transpose' * transposed}{dims}d", call.given, settings)


@translates("convolution_backward")
def convolution_backward(call: Call) -> Call:
    return call._replace(op="conv_backward")


def pool(dims: int) -> Translator:
    def translate(call: Call) -> Call:
        settings = dict(call.settings)
        settings["stride"] = settings.get("stride") or settings["kernel_size"]
        for key in ("kernel_size", "stride", "padding", "dilation"):
            if key in settings:
                settings[key] = each(settings[key], dims)
        return call._replace(settings=settings)

    return translate


translates("max_pool2d", "avg_pool2d")(pool(2))
translates("max_pool3d", "avg_pool3d")(pool(3))


@translates(*(f"_upsample_nearest_exact{dims}d" for dims in (1, 2, 3)))
def nearest_exact(call: Call) -> Call:
    return Call("upsample_nearest", call.given, call.settings | {"exact": True})


@translates("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
def antialiased(call: Call) -> Call:
    op = call.op.removeprefix("_").removesuffix("2d_aa")
    return Call(op, call.given, call.settings | {"antialias": True})


@translates("embedding", "embedding_bag")
def embedding(call: Call) -> Call:
    weight, indices, *rest = call.given
    return call._replace(given=[indices, weight, *rest])


@translates("_trilinear")
def bilinear(call: Call) -> Call:
    """Reorder torch's x₁, weight, x₂."""
    x1, weight, x2 = call.given
    return call._replace(op="bilinear", given=[x1, x2, weight])


@translates("hardtanh")
def hardtanh(call: Call) -> Call:
    """Return ``relu6`` for limits 0 and 6: torch has no separate operation for it."""
    limits = call.settings.pop("min_val", -1), call.settings.pop("max_val", 1)
    return call._replace(op="relu6") if limits == (0, 6) else call


@translates("reshape", "to")
def without_settings(call: Call) -> Call:
    return call._replace(settings={})


@translates("matmul", "addmm")
def product(call: Call) -> Call:
    """Price a sparse product by its stored elements.

    Two sparse operands multiply each stored element of the left one's column k with each stored
    element of the right one's row k.
    """
    *added, a, b = call.given
    sides = len(added), len(added) + 1
    sparse = [at for at in sides if call.given[at].layout is not torch.strided]
    if not sparse:
        return call
    stored = [(at, stored_elements(call.given[at])) for at in sparse]
    if len(sparse) == 2:
        meets = int((stored_at(a, 1) * stored_at(b, 0)).sum()), 1
    elif sparse[0] == sides[0]:
        meets = stored[0][1], b.shape[-1] if b.dim() > 1 else 1
    else:
        meets = stored[0][1], a.shape[-2] if a.dim() > 1 else 1
    settings = {
        "sparse": tuple(stored),
        "stored": meets[0],
        "meets": meets[1],
        "adds": bool(added) and call.settings.get("beta", 1) != 0,
    }
    return call._replace(op="sparse_matmul", settings=settings)


def stored_elements(sparse: Tensor) -> int:
    """Count the elements that a sparse tensor stores, including every element of a block."""
    return sparse._nnz() if sparse.layout is torch.sparse_coo else sparse.values().numel()


def stored_at(sparse: Tensor, side: int) -> Tensor:
    """Count the elements that a sparse matrix stores in each row (0) or column (1)."""
    places = sparse.to_sparse(layout=torch.sparse_coo).coalesce().indices()[side]
    return torch.bincount(places, minlength=sparse.shape[side])


@translates("linalg_cholesky_solve", "linalg_solve_triangular")
def solve(call: Call) -> Call:
    """Put the matrix first: these older functions take the right-hand sides first."""
    if "transpose" in call.settings or call.op == "linalg_cholesky_solve":
        return call._replace(given=call.given[::-1])
    return call


@translates("deform_conv2d", "deform_conv2d_backward")
def deform_conv2d(call: Call) -> Call:
    *gradient, x, weight, offset, mask, bias = call.given
    settings = dict(call.settings)
    for name, key in (("stride", "stride"), ("padding", "pad"), ("dilation", "dilation")):
        settings[name] = settings.pop(f"{key}_h"), settings.pop(f"{key}_w")
    settings["kernel_size"] = tuple(weight.shape[2:])
    data = [x, offset, mask] if settings["use_mask"] else [x, offset]
    return call._replace(given=[*gradient, *data, weight, bias], settings=settings)


@translates("roi_align", "ps_roi_align", "roi_align_backward", "ps_roi_align_backward")
def roi_align(call: Call) -> Call:
    """Leave the call uncounted without a sampling ratio: the samples then depend on the boxes."""
    if call.settings["sampling_ratio"] > 0:
        return call
    return call._replace(op=f"torchvision::{call.op}")


def each(size: tuple[int, ...], dims: int) -> tuple[int, ...]:
    return tuple(size) * dims if len(size) == 1 else tuple(size)


def settings_of(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the arguments that are not tensors, under the operator's own names."""
    for position, argument in enumerate(func._schema.arguments):
        if position < len(args):
            value = args[position]
        elif argument.name in kwargs:
            value = kwargs[argument.name]
        else:
            value = argument.default_value
        if value is None or tensors_in(value):
            continue
        if isinstance(value, (list, tuple)):
            value = tuple(value)
        if isinstance(value, (bool, int, float, complex, str, tuple)):
            yield argument.name, value
