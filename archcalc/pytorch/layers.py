"""Map each operator to torch: to an ``nn`` layer with its arguments, or to an expression.

:mod:`archcalc.pytorch.build` creates the objects from this table, and
:mod:`archcalc.pytorch.export` writes the same calls as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from archcalc.errors import UsageError
from archcalc.graph import Node, Shape


class Constructor(NamedTuple):
    """A call of a class of ``torch.nn``."""

    cls: str
    args: Mapping[str, Any]
    """Arguments by name, in the constructor's order."""
    unnamed: int
    """How many of the first arguments are written by position."""
    defaults: Mapping[str, Any] = {}
    """torch's default values."""
    kaiming: bool = False
    """Whether its weight is initialised Kaiming-normal."""

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that differ from torch's defaults."""
        return {
            name: value
            for name, value in self.args.items()
            if name not in self.defaults or value != self.defaults[name]
        }

    def make(self) -> nn.Module:
        layer: nn.Module = getattr(nn, self.cls)(**self.given)
        return layer


class Expression(NamedTuple):
    """A function of tensors that needs no layer."""

    apply: Callable[..., Any]
    """Maps tensors or fx proxies, passed by position, to the result."""
    text: str
    """Source text: ``{0}`` and ``{1}`` are inputs, other fields are ``args``."""
    args: Mapping[str, Any]
    call: tuple[str, ...] = ()
    """For a function call, the function's name and the arguments after the inputs."""
    listed: bool = False
    """Whether the function takes its inputs as one list."""


class BareParameter(NamedTuple):
    """A weight that the network reads directly, outside any layer."""

    shape: Shape
    fill: float
    std: float
    """Standard deviation of the initial normal noise around ``fill``."""

    @property
    def args(self) -> Mapping[str, Any]:
        """The sizes that can differ between uses of one block; a size of 1 is fixed."""
        return {f"size{axis}": size for axis, size in enumerate(self.shape) if size != 1}

    @property
    def text(self) -> str:
        """Source text of the initial values; the fields are ``args``."""
        sizes = ", ".join(
            "1" if size == 1 else f"{{size{axis}}}" for axis, size in enumerate(self.shape)
        )
        fill, std = (repr(number).replace("e-0", "e-") for number in (self.fill, self.std))
        noise = f"{std} * torch.randn({sizes})"
        if not self.fill:
            return noise if self.std else f"torch.zeros({sizes})"
        constant = f"{fill} * torch.ones({sizes})" if self.fill != 1 else f"torch.ones({sizes})"
        return f"{fill} + {noise}" if self.std else constant

    def make(self) -> nn.Parameter:
        return nn.Parameter(torch.empty(self.shape))


def realise(node: Node) -> Constructor | Expression | BareParameter:
    """Return the torch form of a node. Raises UsageError for an operator outside :data:`TORCH`."""
    if node.op not in TORCH:
        raise UsageError(f"cannot build {node.name}: declared networks have no operator {node.op}")
    return TORCH[node.op](node)


def _conv(node: Node) -> Constructor:
    weight, attrs = node.weights[0].shape, node.attrs
    dims = len(weight) - 2
    args = {
        "in_channels": weight[1] * attrs["groups"],
        "out_channels": weight[0],
        "kernel_size": _short(weight[2:]),
        "stride": _short(attrs["stride"]),
        "padding": _short(attrs["padding"]),
        "dilation": _short(attrs["dilation"]),
        "groups": attrs["groups"],
        "bias": len(node.weights) > 1,
    }
    return _layer(
        f"Conv{dims}d", 3, args, stride=1, padding=0, dilation=1, groups=1, bias=True
    )._replace(kaiming=True)


def _conv_transpose(node: Node) -> Constructor:
    weight, attrs = node.weights[0].shape, node.attrs
    dims = len(weight) - 2
    args = {
        "in_channels": weight[0],
        "out_channels": weight[1] * attrs["groups"],
        "kernel_size": _short(weight[2:]),
        "stride": _short(attrs["stride"]),
        "padding": _short(attrs["padding"]),
        "output_padding": _short(attrs["output_padding"]),
        "groups": attrs["groups"],
        "bias": len(node.weights) > 1,
        "dilation": _short(attrs["dilation"]),
    }
    defaults = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "bias": True}
    return _layer(f"ConvTranspose{dims}d", 3, args, **defaults, dilation=1)._replace(kaiming=True)


def _linear(node: Node) -> Constructor:
    out_features, in_features = node.weights[0].shape
    args = {
        "in_features": in_features,
        "out_features": out_features,
        "bias": len(node.weights) > 1,
    }
    return _layer("Linear", 2, args, bias=True)._replace(kaiming=True)


def _embedding(node: Node) -> Constructor:
    rows, width = node.weights[0].shape
    return Constructor("Embedding", {"num_embeddings": rows, "embedding_dim": width}, 2)


def _batch_norm(node: Node) -> Constructor:
    shape = node.inputs[0].shape
    dims = max(len(shape) - 2, 1)  # BatchNorm1d takes (N, C) and (N, C, L)
    args = {"num_features": shape[1], "eps": node.attrs["eps"], "affine": bool(node.weights)}
    return _layer(f"BatchNorm{dims}d", 1, args, eps=1e-5, affine=True)


def _layer_norm(node: Node) -> Constructor:
    size = node.attrs["normalized_shape"]
    args = {
        "normalized_shape": size[0] if len(size) == 1 else size,
        "eps": node.attrs["eps"],
        "elementwise_affine": bool(node.weights),
    }
    return _layer("LayerNorm", 1, args, eps=1e-5, elementwise_affine=True)


def _group_norm(node: Node) -> Constructor:
    args = {
        "num_groups": node.attrs["num_groups"],
        "num_channels": node.inputs[0].shape[1],
        "eps": node.attrs["eps"],
        "affine": bool(node.weights),
    }
    return _layer("GroupNorm", 2, args, eps=1e-5, affine=True)


def _local_response_norm(node: Node) -> Constructor:
    args = {key: node.attrs[key] for key in ("size", "alpha", "beta", "k")}
    return _layer("LocalResponseNorm", 1, args, alpha=1e-4, beta=0.75, k=1.0)


def _pool(cls: str) -> Callable[[Node], Constructor]:
    def layer(node: Node) -> Constructor:
        attrs = {key: _short(value) for key, value in node.attrs.items()}
        if attrs["stride"] == attrs["kernel_size"]:
            attrs["stride"] = None
        defaults = {"padding": 0, "dilation": 1, "ceil_mode": False, "count_include_pad": True}
        return Constructor(cls, attrs, 1, {"stride": None, **defaults})

    return layer


def _adaptive_pool(cls: str) -> Callable[[Node], Constructor]:
    return lambda node: Constructor(cls, {"output_size": _short(node.attrs["output_size"])}, 1)


def _plain(cls: str) -> Callable[[Node], Constructor]:
    return lambda node: Constructor(cls, _in_place(node), 0)


def _in_place(node: Node) -> dict[str, Any]:
    """Return the ``inplace`` argument, which only the networks of a calibration use."""
    return {"inplace": True} if node.attrs.get("inplace") else {}


def _softmax(node: Node) -> Constructor:
    return Constructor("Softmax", {"dim": node.attrs["dim"]}, 0)


def _dropout(node: Node) -> Constructor:
    return _layer("Dropout", 1, {"p": node.attrs["p"]}, p=0.5)


def _flatten(node: Node) -> Constructor:
    args = {"start_dim": node.attrs["start_dim"], "end_dim": node.attrs["end_dim"]}
    return _layer("Flatten", 0, args, start_dim=1, end_dim=-1)


def _add(node: Node) -> Expression:
    return Expression(lambda *xs: _fold(lambda a, b: a + b, xs), _joined(" + ", node), {})


def _mul(node: Node) -> Expression:
    return Expression(lambda *xs: _fold(lambda a, b: a * b, xs), _joined(" * ", node), {})


def _matmul(node: Node) -> Expression:
    return Expression(lambda a, b: a @ b, "{0} @ {1}", {})


def _concat(node: Node) -> Expression:
    dim = node.attrs["dim"]
    return _function(
        "torch.cat", node, f"dim={dim}", apply=lambda *xs: torch.cat(xs, dim), listed=True
    )


def _reshape(node: Node) -> Expression:
    """Leave the first size open if it does not change, so that any batch size works."""
    given, shape = node.inputs[0].shape, node.outputs[0].shape
    sizes = (-1, *shape[1:]) if given and shape and given[0] == shape[0] else shape
    # Sizes that can differ between uses of one block are arguments; -1 and 1 are fixed.
    args = {f"size{axis}": size for axis, size in enumerate(sizes) if size not in (-1, 1)}
    fields = [
        f"{{size{axis}}}" if f"size{axis}" in args else str(size) for axis, size in enumerate(sizes)
    ]
    return Expression(lambda x: x.reshape(sizes), f"{{0}}.reshape({', '.join(fields)})", args)


def _permute(node: Node) -> Expression:
    dims = node.attrs["dims"]
    return Expression(lambda x: x.permute(dims), f"{{0}}.permute({', '.join(map(str, dims))})", {})


def _slice(node: Node) -> Expression:
    dim = node.attrs["dim"] % len(node.inputs[0].shape)
    start, stop = node.attrs["start"], node.attrs["stop"]
    index = (*(slice(None),) * dim, slice(start, stop))
    text = f"{{0}}[{':, ' * dim}{{start}}:{{stop}}]"
    return Expression(lambda x: x[index], text, {"start": start, "stop": stop})


def _sub(node: Node) -> Expression:
    return Expression(lambda a, b: a - b, "{0} - {1}", {})


def _div(node: Node) -> Expression:
    return Expression(lambda a, b: a / b, "{0} / {1}", {})


def _reduce(method: str) -> Callable[[Node], Expression]:
    def expression(node: Node) -> Expression:
        dim, keepdim = _short(node.attrs["dim"]), node.attrs["keepdim"]
        kept = ", keepdim=True" if keepdim else ""
        return Expression(
            lambda x: getattr(x, method)(dim, keepdim=keepdim),
            f"{{0}}.{method}(dim={dim}{kept})",
            {},
        )

    return expression


def _attention(node: Node) -> Expression:
    causal = bool(node.attrs["is_causal"])
    attend = nn.functional.scaled_dot_product_attention
    return _function(
        "nn.functional.scaled_dot_product_attention",
        node,
        *(("is_causal=True",) if causal else ()),
        apply=lambda q, k, v: attend(q, k, v, is_causal=causal),
    )


def _pad(node: Node) -> Expression:
    pad, mode, value = (node.attrs[key] for key in ("pad", "mode", "value"))
    settings = {"mode": mode} if mode != "constant" else {"value": value} if value else {}
    more = (f"{key}={item!r}".replace("'", '"') for key, item in settings.items())
    return _function(
        "nn.functional.pad",
        node,
        "{pad}",
        *more,
        apply=lambda x: nn.functional.pad(x, pad, **settings),
        pad=pad,
    )


def _expand(node: Node) -> Expression:
    kept = (-1,) * (len(node.inputs[0].shape) - 1)
    sizes = ", ".join(map(str, kept))
    return Expression(
        lambda x, like: x.expand(like.shape[0], *kept), f"{{0}}.expand({{1}}.shape[0], {sizes})", {}
    )


def _upsample(mode: str) -> Callable[[Node], Constructor]:
    def layer(node: Node) -> Constructor:
        attrs = node.attrs
        args = {
            "size": _short(attrs["size"]),
            "scale_factor": _short(attrs["scale_factor"]),
            "mode": mode,
            "align_corners": attrs["align_corners"] or None,
        }
        defaults = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
        return Constructor("Upsample", args, 0, defaults)

    return layer


def _setting(cls: str, name: str, **defaults: Any) -> Callable[[Node], Constructor]:
    """Return a maker for layers with one setting."""
    return lambda node: _layer(
        cls, 1, {name: node.attrs[name], **_in_place(node)}, **defaults, inplace=False
    )


def _parameter(node: Node) -> BareParameter:
    return BareParameter(node.output.shape, node.attrs["fill"], node.attrs["std"])


TORCH: Mapping[str, Callable[[Node], Constructor | Expression | BareParameter]] = {
    **{f"conv{dims}d": _conv for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": _conv_transpose for dims in (1, 2, 3)},
    "linear": _linear,
    "embedding": _embedding,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "local_response_norm": _local_response_norm,
    **{f"max_pool{dims}d": _pool(f"MaxPool{dims}d") for dims in (1, 2, 3)},
    **{f"avg_pool{dims}d": _pool(f"AvgPool{dims}d") for dims in (1, 2, 3)},
    **{
        f"adaptive_{kind}_pool{dims}d": _adaptive_pool(f"Adaptive{kind.title()}Pool{dims}d")
        for kind in ("avg", "max")
        for dims in (1, 2, 3)
    },
    "relu": _plain("ReLU"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "gelu": _plain("GELU"),
    "silu": _plain("SiLU"),
    "hardswish": _plain("Hardswish"),
    "hardsigmoid": _plain("Hardsigmoid"),
    "relu6": _plain("ReLU6"),
    "leaky_relu": _setting("LeakyReLU", "negative_slope", negative_slope=0.01),
    "softmax": _softmax,
    "dropout": _dropout,
    "flatten": _flatten,
    "add": _add,
    "mul": _mul,
    "sub": _sub,
    "div": _div,
    "mean": _reduce("mean"),
    "sum": _reduce("sum"),
    "matmul": _matmul,
    "scaled_dot_product_attention": _attention,
    "concat": _concat,
    "reshape": _reshape,
    "permute": _permute,
    "slice": _slice,
    "expand": _expand,
    "pad": _pad,
    "channel_shuffle": _setting("ChannelShuffle", "groups"),
    "pixel_shuffle": _setting("PixelShuffle", "upscale_factor"),
    "pixel_unshuffle": _setting("PixelUnshuffle", "downscale_factor"),
    **{
        f"upsample_{mode}": _upsample(mode)
        for mode in ("nearest", "linear", "bilinear", "trilinear", "bicubic")
    },
    "parameter": _parameter,
}
"""Every operator of declared networks, with a function that gives its torch form."""


def _layer(cls: str, unnamed: int, args: Mapping[str, Any], **defaults: Any) -> Constructor:
    return Constructor(cls, args, unnamed, defaults)


def _function(
    name: str,
    node: Node,
    *settings: str,
    apply: Callable[..., Any],
    listed: bool = False,
    **args: Any,
) -> Expression:
    """Return a function call with the node's inputs followed by its settings."""
    inputs = ", ".join(f"{{{index}}}" for index in range(len(node.inputs)))
    text = f"{name}({', '.join([f'[{inputs}]' if listed else inputs, *settings])})"
    return Expression(apply, text, args, (name, *settings), listed)


def _short(size: Any) -> Any:
    """Shorten ``(3, 3)`` to ``3``, which torch repeats for every dimension."""
    if isinstance(size, tuple) and len(set(size)) == 1:
        return size[0]
    return size


def _fold(join: Callable[[Any, Any], Any], xs: Sequence[Any]) -> Any:
    total = xs[0]
    for x in xs[1:]:
        total = join(total, x)
    return total


def _joined(sign: str, node: Node) -> str:
    return sign.join(f"{{{index}}}" for index in range(len(node.inputs)))
