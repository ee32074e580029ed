"""Export a network with ``torch.export`` or as ONNX."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from archcalc.errors import missing
from archcalc.graph import Graph
from archcalc.guard import guard
from archcalc.io.files import replacing
from archcalc.pytorch.build import build


def export_pt2(
    model: Graph | nn.Module,
    path: str | os.PathLike[str],
    *,
    seed: int = 0,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Write a ``torch.export`` program in evaluation mode.

    A declared graph is built with weights from ``seed`` and accepts any batch size. A torch module
    keeps its weights and is called with ``args`` and ``kwargs``; torch decides whether its batch
    size is dynamic. ``torch.export.load(path).module()`` returns a module that runs the program.

    Raises UsageError if ``path`` cannot be written or torch cannot export the module.
    """
    with replacing(path) as beside:
        torch.export.save(_program(model, seed, args, kwargs), beside)


def export_onnx(
    model: Graph | nn.Module,
    path: str | os.PathLike[str],
    *,
    seed: int = 0,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Write an ONNX model in evaluation mode with torch's own exporter.

    The arguments are those of :func:`export_pt2`. Raises MissingExtraError without onnx and
    onnxscript, and UsageError if ``path`` cannot be written or torch cannot export the module.
    """
    absent = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if absent:
        raise missing("onnx", "writing ONNX", " and ".join(absent))
    with replacing(path) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = _program(model, seed, args, kwargs)
        opened = () if isinstance(model, nn.Module) else model.inputs
        with guard("torch cannot write the model as ONNX"):
            torch.onnx.export(
                program,
                f=beside,
                output_names=["output"] if opened else None,
                # Names the dynamic sizes.
                dynamic_shapes=tuple({0: "batch"} for _ in opened) or None,
                external_data=False,  # one file, so that it can be renamed
                verbose=False,
                dynamo=True,
            )


def _program(
    model: Graph | nn.Module,
    seed: int,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None,
) -> torch.export.ExportedProgram:
    """Export the evaluation path with a dynamic batch size; a graph is traced with two images."""
    module: nn.Module
    if isinstance(model, nn.Module):
        module = model.eval()
    else:
        module = build(model, seed=seed).eval().graph_module()
        args = tuple(
            torch.zeros(2, *node.output.shape[1:], dtype=getattr(torch, node.output.dtype))
            for node in model.inputs
        )
    batch = None
    if not kwargs and all(isinstance(each, torch.Tensor) and each.dim() for each in args):
        batch = tuple({0: torch.export.Dim.AUTO} for _ in args)
    with guard("torch.export cannot follow the model"):
        return torch.export.export(module, args, dict(kwargs or {}), dynamic_shapes=batch)
