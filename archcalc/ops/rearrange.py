"""What traced models move without computing, beyond ``concat``, ``flatten`` and ``reshape``."""

from __future__ import annotations

from archcalc.ops.movement import A_VIEW
from archcalc.ops.operator import operator


def views(*names: str) -> None:
    for name in names:
        operator(name, "movement", free=A_VIEW, view=True)


def copies(*names: str, why: str = "copies values, no arithmetic") -> None:
    for name in names:
        operator(name, "movement", free=why)


operator("parameter", "input", free="a weight that a function of the model reads by itself")
operator("constant", "input", free="a buffer or a constant of the model")

views("expand", "unfold", "diagonal", "detach", "real", "imag", "view_as_real", "view_as_complex")
views("conj", "as_strided", "unbind", "split")
copies("stack", "pad", "repeat", "repeat_interleave", "roll", "flip", "clone", "copy", "tril")
copies("triu", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "col2im", "diag")
copies("rot90", "tile", "block_diag", "diag_embed", "meshgrid", "setitem", "max_unpool2d")
copies("contiguous", why="copies where the layout asks for it, no arithmetic")
copies("to", why="another dtype or device, no arithmetic")
copies("gather", "index", "index_select", "take", "take_along_dim", why="a look-up")
copies(
    "scatter",
    "masked_select",
    "index_put",
    "index_fill",
    "index_copy",
    "masked_scatter",
    why="a look-up",
)
copies("slice_backward", "select_backward", why="copies values, no arithmetic")
copies("random", "multinomial", "randperm", why="random numbers are not arithmetic")
copies("fill", "zero", "arange", why="constants, no arithmetic")
copies("upsample_nearest", why="copies the nearest value, no arithmetic")
copies("pack_padded_sequence", "pad_packed_sequence", "one_hot", why="copies values, no arithmetic")
copies("assert", "sym_size", why="no arithmetic on the values")
