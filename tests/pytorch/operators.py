"""One network for each operator that a definition can call."""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Builder, Graph


def one(function, *shapes: tuple[int, ...], dtype: str = "float32") -> Graph:
    """Return the graph of one function of handles."""
    builder = Builder()
    inputs = [builder.input(shape, f"x{i}", dtype) for i, shape in enumerate(shapes)]
    return builder.finish("one", {"output": function(*inputs)})


IMAGE = (2, 6, 9, 9)
CASES = {
    "conv1d": (lambda x: ops.conv1d(x, 8, 3, 2, 1, groups=2), (2, 6, 9)),
    "conv2d": (lambda x: ops.conv2d(x, 8, (3, 5), (2, 1), (1, 2), (1, 2), bias=False), IMAGE),
    "conv2d same": (lambda x: ops.conv2d(x, 8, 5, padding="same"), IMAGE),
    "conv3d": (lambda x: ops.conv3d(x, 9, 3, dilation=2, groups=3), (2, 6, 9, 9, 9)),
    "conv_transpose1d": (lambda x: ops.conv_transpose1d(x, 8, 3, 2, 1, 1), (2, 6, 9)),
    "conv_transpose2d": (
        lambda x: ops.conv_transpose2d(x, 8, (2, 3), (2, 3), groups=2, dilation=(1, 2)),
        IMAGE,
    ),
    "conv_transpose3d": (lambda x: ops.conv_transpose3d(x, 8, 2, 2, bias=False), (2, 6, 3, 3, 3)),
    "linear": (lambda x: ops.linear(x, 8), (2, 7, 5)),
    "linear without bias": (lambda x: ops.linear(x, 8, bias=False), (2, 5)),
    "embedding": (lambda x: ops.embedding(x, 10, 4), (2, 7), "int64"),
    "matmul": (lambda a, b: ops.matmul(a, b), (2, 3, 5, 4), (2, 1, 4, 6)),
    "batch_norm": (lambda x: ops.batch_norm(x, eps=1e-3), IMAGE),
    "batch_norm of rows": (lambda x: ops.batch_norm(x, affine=False), (2, 6)),
    "batch_norm of volumes": (ops.batch_norm, (2, 6, 3, 3, 3)),
    "layer_norm": (lambda x: ops.layer_norm(x, (7, 5)), (2, 7, 5)),
    "group_norm": (lambda x: ops.group_norm(x, 3), IMAGE),
    "local_response_norm": (lambda x: ops.local_response_norm(x, 5, k=2.0), IMAGE),
    "relu": (ops.relu, IMAGE),
    "sigmoid": (ops.sigmoid, IMAGE),
    "tanh": (ops.tanh, IMAGE),
    "gelu": (ops.gelu, IMAGE),
    "silu": (ops.silu, IMAGE),
    "hardswish": (ops.hardswish, IMAGE),
    "hardsigmoid": (ops.hardsigmoid, IMAGE),
    "relu6": (ops.relu6, IMAGE),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2), IMAGE),
    "softmax": (lambda x: ops.softmax(x, -1), (2, 10)),
    "dropout": (lambda x: ops.dropout(x, 0.3), IMAGE),
    "max_pool1d": (lambda x: ops.max_pool1d(x, 2), (2, 6, 9)),
    "max_pool2d": (lambda x: ops.max_pool2d(x, 3, 2, 1, ceil_mode=True), IMAGE),
    "max_pool3d": (lambda x: ops.max_pool3d(x, 2, 1, dilation=2), (2, 6, 5, 5, 5)),
    "avg_pool1d": (lambda x: ops.avg_pool1d(x, 3, 2, 1), (2, 6, 9)),
    "avg_pool2d": (
        lambda x: ops.avg_pool2d(x, (3, 2), 2, 1, ceil_mode=True, count_include_pad=False),
        IMAGE,
    ),
    "avg_pool3d": (lambda x: ops.avg_pool3d(x, 2), (2, 6, 5, 5, 5)),
    "adaptive_avg_pool1d": (lambda x: ops.adaptive_avg_pool1d(x, 4), (2, 6, 9)),
    "adaptive_avg_pool2d": (lambda x: ops.adaptive_avg_pool2d(x, (4, 2)), IMAGE),
    "adaptive_avg_pool3d": (ops.adaptive_avg_pool3d, (2, 6, 3, 3, 3)),
    "adaptive_max_pool1d": (lambda x: ops.adaptive_max_pool1d(x, 4), (2, 6, 9)),
    "adaptive_max_pool2d": (ops.adaptive_max_pool2d, IMAGE),
    "adaptive_max_pool3d": (ops.adaptive_max_pool3d, (2, 6, 3, 3, 3)),
    "add": (lambda a, b, c: ops.add(a, b, c), IMAGE, IMAGE, (2, 6, 1, 1)),
    "mul": (lambda a, b: ops.mul(a, b), IMAGE, (2, 6, 1, 1)),
    "sub": (lambda a, b: ops.sub(a, b), IMAGE, (2, 1, 9, 9)),
    "div": (lambda a, b: ops.div(a, b), IMAGE, (2, 6, 1, 1)),
    "mean": (lambda x: ops.mean(x, (2, 3)), IMAGE),
    "sum": (lambda x: ops.sum(x, -1, keepdim=True), IMAGE),
    "scaled_dot_product_attention": (
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v),
        *((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)),
    ),
    "scaled_dot_product_attention causal": (
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=True),
        *((2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4)),
    ),
    "parameter": (lambda x: ops.mul(ops.parameter(x, (6, 1, 1), fill=0.1, name="scale"), x), IMAGE),
    "parameter of rows": (
        lambda x: ops.add(x, ops.parameter(x, (1, 7, 5), std=0.02, name="position")),
        (2, 7, 5),
    ),
    "expand": (
        lambda x: ops.concat([ops.expand(ops.parameter(x, (1, 1, 5), name="token"), x), x]),
        (2, 7, 5),
    ),
    "pad": (lambda x: ops.pad(x, (1, 2, 0, -3)), IMAGE),
    "pad by reflection": (lambda x: ops.pad(x, (2, 1), mode="reflect"), (2, 6, 9)),
    "channel_shuffle": (lambda x: ops.channel_shuffle(x, 3), IMAGE),
    "pixel_shuffle": (lambda x: ops.pixel_shuffle(x, 2), (2, 8, 3, 5)),
    "pixel_unshuffle": (lambda x: ops.pixel_unshuffle(x, 3), IMAGE),
    "interpolate": (lambda x: ops.interpolate(x, scale_factor=2), IMAGE),
    "interpolate linearly": (
        lambda x: ops.interpolate(x, 12, mode="linear", align_corners=True),
        (2, 6, 9),
    ),
    "interpolate bilinearly": (
        lambda x: ops.interpolate(x, (4, 20), mode="bilinear"),
        IMAGE,
    ),
    "interpolate by cubics": (
        lambda x: ops.interpolate(x, scale_factor=(1, 3), mode="bicubic"),
        IMAGE,
    ),
    "interpolate volumes": (
        lambda x: ops.interpolate(x, scale_factor=2, mode="trilinear"),
        (2, 6, 3, 3, 3),
    ),
    "split": (lambda x: ops.add(*ops.split(x, (3, 3))), IMAGE),
    "concat": (lambda a, b: ops.concat([a, b]), IMAGE, (2, 2, 9, 9)),
    "flatten": (ops.flatten, IMAGE),
    "flatten a part": (lambda x: ops.flatten(x, 2), IMAGE),
    "reshape": (lambda x: ops.reshape(x, (2, 2, 3, -1)), IMAGE),
    "permute": (lambda x: ops.permute(x, (0, 2, 3, 1)), IMAGE),
    "slice": (lambda x: ops.slice(x, 1, 2, 5), IMAGE),
    "slice the last dimension": (lambda x: ops.slice(x, -1, 2, 5), IMAGE),
}


def case(name: str) -> Graph:
    function, *rest = CASES[name]
    dtype = rest.pop() if isinstance(rest[-1], str) else "float32"
    return one(function, *rest, dtype=dtype)
