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
from archcalc.ops.attention import SDPA
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
from archcalc.ops.elementwise import add, mul
from archcalc.ops.linear import embedding, linear, matmul
from archcalc.ops.movement import concat, flatten, permute, reshape, slice
from archcalc.ops.norm import batch_norm, group_norm, layer_norm, local_response_norm
from archcalc.ops.operator import TABLE, Cost, Operator, operator
from archcalc.ops.pointwise import elementwise
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
from archcalc.ops.rearrange import copies, views
from archcalc.ops.recurrent import recurrent_work
from archcalc.ops.reduction import reduction
from archcalc.ops.transform import fft_work

# Importing a family declares its operators; these have functions for traced models alone.
TRACED_FAMILIES = (
    SDPA,
    DEFORM_CONV2D,
    lu,
    elementwise,
    copies,
    views,
    recurrent_work,
    reduction,
    fft_work,
)

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
    "concat",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "dropout",
    "embedding",
    "flatten",
    "gelu",
    "group_norm",
    "hardswish",
    "layer_norm",
    "linear",
    "local_response_norm",
    "matmul",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mul",
    "operator",
    "permute",
    "relu",
    "reshape",
    "sigmoid",
    "silu",
    "slice",
    "softmax",
    "tanh",
]
