"""Operators over shape handles, under torch's names, and the table that prices them.

>>> from archcalc.graph import Builder
>>> from archcalc.ops import conv2d
>>> x = Builder().input((1, 192, 28, 28))
>>> conv2d(x, 32, 5, padding=2).shape
(1, 32, 28, 28)
"""

from archcalc.ops.activation import (
    dropout,
    gelu,
    hardswish,
    relu,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from archcalc.ops.attention import scaled_dot_product_attention
from archcalc.ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from archcalc.ops.decomposition import lu
from archcalc.ops.detection import DEFORM_CONV2D
from archcalc.ops.elementwise import add, mul, sub
from archcalc.ops.linear import embedding, linear, matmul
from archcalc.ops.movement import concat, flatten, permute, reshape, slice, split
from archcalc.ops.norm import batch_norm, group_norm, layer_norm, local_response_norm
from archcalc.ops.operator import TABLE, Cost, Operator, operator
from archcalc.ops.pointwise import div, hardsigmoid, leaky_relu, relu6
from archcalc.ops.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from archcalc.ops.rearrange import (
    channel_shuffle,
    expand,
    pad,
    parameter,
    pixel_shuffle,
    pixel_unshuffle,
)
from archcalc.ops.recurrent import recurrent_work
from archcalc.ops.reduction import mean, sum
from archcalc.ops.transform import interpolate

# Importing a family declares its operators; these families are only used by traced models.
TRACED_FAMILIES = (DEFORM_CONV2D, lu, recurrent_work)

__all__ = [
    "TABLE",
    "Cost",
    "Operator",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "channel_shuffle",
    "concat",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "div",
    "dropout",
    "embedding",
    "expand",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "matmul",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mean",
    "mul",
    "operator",
    "pad",
    "parameter",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "relu6",
    "reshape",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "slice",
    "softmax",
    "split",
    "sub",
    "sum",
    "tanh",
]
