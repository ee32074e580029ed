"""Small networks for any batch size, at least one for each operator that has a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Case(NamedTuple):
    run: Callable[[Tensor], Any]
    shape: tuple[int, ...] = (1, 4, 12, 12)
    border: Literal["clipped", "holes", "mirrored"] = "clipped"
    """How a window at the border sees the image: clipped, clipped and with holes, or with pixels
    that padding mirrors."""


LINE, SMALL, VOLUME = (1, 4, 15), (1, 4, 6, 6), (1, 4, 5, 5, 5)
BY_DIMS = {1: LINE, 2: SMALL, 3: VOLUME}


def resize(mode: str, size: Any = None, factor: Any = None, **how: Any) -> Any:
    return lambda x: F.interpolate(x, size, factor, mode, **how)


def channels_last(run: Callable[[Tensor], Tensor]) -> Any:
    return lambda x: run(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def of_windows(run: Callable[[Tensor], Any]) -> Any:
    """Put a windowed operator before the function, so that two windows are composed."""
    return lambda x: run(F.avg_pool2d(x, (3, 2)))


def in_a_window(run: Callable[[Tensor], Any]) -> Any:
    """Put a windowed operator with overlap after the function."""
    return lambda x: F.avg_pool2d(run(x), 3, 2)


def attention(x: Tensor) -> Tensor:
    rows = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(rows, rows, rows).transpose(1, 2).unflatten(2, (6, 6))


CONVOLUTIONS = {
    "conv1d": Case(nn.Conv1d(4, 4, 3, 2, 1), LINE),
    "conv1d dilated": Case(nn.Conv1d(4, 4, 3, dilation=3, padding=3), LINE, "holes"),
    "conv2d": Case(nn.Conv2d(4, 4, (3, 5), (2, 1), (1, 2))),
    "conv2d even": Case(nn.Conv2d(4, 4, 4, 3)),
    "conv2d grouped": Case(nn.Conv2d(4, 4, 3, groups=4)),
    "conv2d dilated": Case(nn.Conv2d(4, 4, 3, padding=2, dilation=2), border="holes"),
    "conv2d same": Case(nn.Conv2d(4, 4, 3, padding="same")),
    "conv2d same, even": Case(nn.Conv2d(4, 4, 4, padding="same")),
    "conv2d same, even and dilated": Case(
        nn.Conv2d(4, 4, 2, padding="same", dilation=3), border="holes"
    ),
    "conv2d reflecting": Case(
        nn.Conv2d(4, 4, 3, padding=2, padding_mode="reflect"), border="mirrored"
    ),
    "conv2d replicating": Case(
        nn.Conv2d(4, 4, 3, padding=2, padding_mode="replicate"), border="mirrored"
    ),
    "conv3d": Case(nn.Conv3d(4, 4, (1, 2, 3), (1, 2, 2), 1), VOLUME),
    "conv_transpose1d": Case(nn.ConvTranspose1d(4, 4, 3, 2, 1, 1), LINE),
    "conv_transpose2d": Case(nn.ConvTranspose2d(4, 4, 2, 2), SMALL),
    "conv_transpose2d overlapping": Case(nn.ConvTranspose2d(4, 4, 4, 2, 1), SMALL),
    "conv_transpose2d with gaps": Case(nn.ConvTranspose2d(4, 4, 2, 3), SMALL),
    "conv_transpose2d dilated": Case(nn.ConvTranspose2d(4, 4, 3, 2, 2, dilation=2), SMALL, "holes"),
    "conv_transpose2d grouped": Case(nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, groups=2), SMALL),
    "conv_transpose3d": Case(nn.ConvTranspose3d(4, 4, 2, 2), VOLUME),
}
POOLS = {
    "max_pool1d": Case(nn.MaxPool1d(3, 2), LINE),
    "max_pool2d": Case(nn.MaxPool2d(3, 2, 1)),
    "max_pool2d dilated": Case(nn.MaxPool2d(3, 1, 1, dilation=2), border="holes"),
    "max_pool2d rounding up": Case(nn.MaxPool2d(3, 2, ceil_mode=True)),
    "max_pool2d with indices": Case(lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
    "max_pool3d": Case(nn.MaxPool3d(2), VOLUME),
    "avg_pool1d": Case(nn.AvgPool1d(3, 2, 1), LINE),
    "avg_pool2d": Case(nn.AvgPool2d((3, 2), 2, 1)),
    "avg_pool2d rounding up": Case(nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False)),
    "avg_pool3d": Case(nn.AvgPool3d(2, 1), VOLUME),
    "lp_pool2d": Case(lambda x: F.lp_pool2d(x, 2, 3, 2)),
    "adaptive_avg_pool1d": Case(nn.AdaptiveAvgPool1d(7), LINE),
    "adaptive_avg_pool2d": Case(nn.AdaptiveAvgPool2d(4)),
    "adaptive_avg_pool2d not dividing": Case(nn.AdaptiveAvgPool2d((5, 7))),
    "adaptive_avg_pool2d growing": Case(nn.AdaptiveAvgPool2d(18)),
    "adaptive_avg_pool2d global": Case(nn.AdaptiveAvgPool2d(1)),
    "adaptive_avg_pool2d of one axis": Case(nn.AdaptiveAvgPool2d((None, 1))),
    "adaptive_avg_pool3d": Case(nn.AdaptiveAvgPool3d(3), VOLUME),
    "adaptive_max_pool1d": Case(nn.AdaptiveMaxPool1d(5), LINE),
    "adaptive_max_pool2d": Case(nn.AdaptiveMaxPool2d((5, 3))),
    "adaptive_max_pool3d": Case(nn.AdaptiveMaxPool3d(2), VOLUME),
}
PLAIN_MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}
SIZES: dict[str, tuple[Any, ...]] = {
    "twice": (None, 2),
    "thrice": (None, 3),
    "to 7": (7,),
    "to 3": (3,),
    "to 1": (1,),
    "by 1.7": (None, 1.7),
    "by 0.4": (None, 0.4),
}
INTERPOLATION = {
    **{
        f"{mode} {dims}d {what}": Case(resize(mode, *how), BY_DIMS[dims])
        for mode, each in PLAIN_MODES.items()
        for dims in each
        for what, how in SIZES.items()
    },
    **{
        f"{mode} aligned {what}": Case(
            resize(mode, *how, align_corners=True), BY_DIMS[PLAIN_MODES[mode][0]]
        )
        for mode in ("linear", "bilinear", "bicubic", "trilinear")
        for what, how in SIZES.items()
    },
    **{
        f"{mode} antialiased {what}": Case(resize(mode, *how, antialias=True), (1, 2, 20, 18))
        for mode in ("bilinear", "bicubic")
        for what, how in {**SIZES, "to 10×6": ((10, 6),), "to 30×27": ((30, 27),)}.items()
    },
    "bilinear antialiased, aligned": Case(
        resize("bilinear", 9, antialias=True, align_corners=True), (1, 4, 18, 18)
    ),
    "bilinear, scale recomputed": Case(
        resize("bilinear", None, 1.7, recompute_scale_factor=True), SMALL
    ),
    "nearest of windows": Case(of_windows(resize("nearest", None, 2))),
    "bilinear in a window": Case(in_a_window(resize("bilinear", None, 2)), SMALL),
}
REARRANGEMENTS = {
    "pixel_shuffle": Case(nn.PixelShuffle(2), SMALL),
    "pixel_shuffle of windows": Case(of_windows(nn.PixelShuffle(2))),
    "pixel_shuffle in a window": Case(in_a_window(nn.PixelShuffle(2))),
    "pixel_unshuffle": Case(nn.PixelUnshuffle(2)),
    "pixel_unshuffle, mixed": Case(nn.Sequential(nn.PixelUnshuffle(3), nn.Conv2d(36, 2, 2))),
    "channel_shuffle": Case(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ChannelShuffle(2))),
    "pad": Case(lambda x: F.pad(x, (1, 2, 3, 0))),
    "pad by a crop": Case(lambda x: F.pad(x, (-1, 2, -3, 0))),
    "pad in a window": Case(nn.Sequential(nn.ZeroPad2d((2, 1, 0, 3)), nn.Conv2d(4, 4, 3))),
    "pad channels": Case(lambda x: F.pad(x, (0, 0, 0, 0, 1, 2))),
    "pad by reflection": Case(nn.ReflectionPad2d((2, 1, 3, 0)), border="mirrored"),
    "pad by reflection in a window": Case(in_a_window(nn.ReflectionPad2d(2)), border="mirrored"),
    "pad by replication": Case(nn.ReplicationPad2d((2, 1, 3, 0)), border="mirrored"),
    "slice": Case(lambda x: x[:, :, 2:9, 3:]),
    "slice with steps": Case(lambda x: x[:, :, 1::2, 2:11:3]),
    "slice from the end": Case(lambda x: x[:, 1:, -5:, :-4]),
    "slice of windows with steps": Case(of_windows(lambda x: x[..., 1::2, ::3])),
    "narrow": Case(lambda x: x.narrow(2, 3, 4)),
    "slice of channels": Case(lambda x: x[:, 1:2]),
    "split": Case(lambda x: x.split(4, 2)[1]),
    "chunk of channels": Case(lambda x: x.chunk(2, 1)[1]),
    "unbind": Case(lambda x: torch.stack(x.unbind(1)[:2], 1)),
    "concat": Case(lambda x: torch.cat([F.avg_pool2d(x, 3, 1, 1), x], 1)),
    "concat of crops": Case(lambda x: torch.cat([x[:, :, 2:, 1:], x[:, :, :-2, :-1]], 1)),
    "stack": Case(lambda x: torch.stack([x, F.avg_pool2d(x, 3, 1, 1)], 2).flatten(1, 2)),
    "expand": Case(lambda x: x[:, :1].expand(-1, 4, -1, -1) + 1),
    "reshape of channels": Case(lambda x: x.reshape(-1, 2, 2, 12, 12)[:, 1]),
    "reshape to cells": Case(
        lambda x: x.reshape(-1, 4, 6, 2, 6, 2).permute(0, 1, 3, 5, 2, 4).reshape(-1, 16, 6, 6)
    ),
    "reshape to repeat pixels": Case(
        lambda x: x[..., None].expand(-1, -1, -1, -1, 2).reshape(-1, 4, 12, 24)
    ),
    "flatten": Case(nn.Sequential(nn.Flatten(), nn.Linear(576, 3), nn.Unflatten(1, (3, 1, 1)))),
    "permute": Case(channels_last(lambda x: x * 2)),
    "axes transposed": Case(lambda x: F.avg_pool2d(x, (3, 1), (2, 1)).transpose(2, 3)),
    "axes transposed and back": Case(
        lambda x: F.avg_pool2d(F.avg_pool2d(x, (3, 1)).mT, (2, 1)).mT,
    ),
}


def matrix(rows: int, columns: int) -> Tensor:
    """Return a matrix without zeros."""
    return torch.arange(1, rows * columns + 1).reshape(rows, columns)


REDUCTIONS = {
    **{name: getattr(torch, name) for name in ("sum", "mean", "nansum", "nanmean", "prod")},
    **{name: getattr(torch, name) for name in ("amax", "amin", "logsumexp")},
    "std": lambda x, dim, keep: x.std(dim, keepdim=keep),
    "var": lambda x, dim, keep: x.var(dim, keepdim=keep),
    **{name: getattr(torch, name) for name in ("argmax", "argmin", "any", "all")},
    "count_nonzero": lambda x, dim, keep: (x > 0.5).count_nonzero(dim).unsqueeze(dim),
    "norm": lambda x, dim, keep: x.norm(2, dim, keep),
    # detach(), because torch 2.9 has no derivative.
    "aminmax": lambda x, dim, keep: torch.cat(x.detach().aminmax(dim=dim, keepdim=keep), dim),
    **{
        name: lambda x, dim, keep, name=name: getattr(torch, name)(x, dim, keep)[0]
        for name in ("max", "min", "median", "mode")
    },
    "kthvalue": lambda x, dim, keep: x.kthvalue(2, dim, keep)[0],
    "var_mean": lambda x, dim, keep: sum(torch.var_mean(x, dim, keepdim=keep)),
    "std_mean": lambda x, dim, keep: sum(torch.std_mean(x, dim, keepdim=keep)),
}
WHOLE_DIMENSIONS = {
    **{
        f"{name} of {what}": Case(
            lambda x, call=call, dim=dim, name=name: call(halved(x, name), dim, True)
        )
        for name, call in REDUCTIONS.items()
        for what, dim in (("channels", 1), ("columns", 2))
    },
    **{
        f"{call.__name__} of {what}": Case(lambda x, call=call, dim=dim: call(x, dim))
        for call in (F.softmax, F.log_softmax, F.softmin)
        for what, dim in (("channels", 1), ("rows", -1))
    },
    "layer_norm": Case(channels_last(lambda x: F.layer_norm(x, (4,)))),
    "layer_norm of images": Case(lambda x: F.layer_norm(x, (4, 12, 12))),
    "rms_norm": Case(channels_last(lambda x: F.rms_norm(x, (4,)))),
    "group_norm": Case(lambda x: F.group_norm(x, 2)),
    "local_response_norm": Case(lambda x: F.local_response_norm(x, 3)),
    "linear": Case(channels_last(lambda x: F.linear(x, matrix(3, 4).to(x)))),
    "matmul": Case(channels_last(lambda x: x @ matrix(4, 3).to(x))),
    "matmul of rows": Case(lambda x: matrix(4, 12).to(x) @ x),
    "einsum": Case(lambda x: torch.einsum("nchw,cd->ndhw", x, matrix(4, 3).to(x))),
    "scaled_dot_product_attention": Case(attention, SMALL),
    "gate": Case(lambda x: x * x.mean((2, 3), True).sigmoid()),
    "gate of rows": Case(lambda x: x * x.mean(2, True).sigmoid()),
}


def halved(x: Tensor, name: str) -> Tensor:
    """Return booleans for ``all`` and ``any``."""
    return x > 0.1 if name == "all" else x > 0.9 if name == "any" else x


UNKNOWN: dict[str, tuple[str, Case]] = {
    "roll": ("wraps", Case(lambda x: x.roll(1, 2))),
    "circular padding": ("wraps", Case(lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"))),
    "flip": ("order", Case(lambda x: x.flip(2))),
    "unfold": ("windows", Case(lambda x: x.unfold(2, 3, 1))),
    "im2col": ("windows", Case(nn.Unfold(3))),
    "cumsum": ("sequence", Case(lambda x: x.cumsum(2))),
    "sort": ("values", Case(lambda x: x.sort(2)[0])),
    "an index": ("values", Case(lambda x: x[:, :, torch.tensor([3, 1], device=x.device)])),
    "fft": ("transform", Case(lambda x: torch.fft.rfft2(x).abs())),
    "branches of two strides": ("strides", Case(lambda x: F.avg_pool2d(x, 2) + x[..., :6, :6])),
    "repeat": ("layout", Case(lambda x: x.repeat(1, 1, 2, 1))),
}
"""Cases with the reason for which no receptive field is known."""
