"""A declared graph as a program: ``torch.export`` and ONNX."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec

import torch

from archcalc.errors import missing
from archcalc.graph import Graph
from archcalc.io.files import replacing
from archcalc.pytorch.build import build


def export_pt2(graph: Graph, path: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write a ``torch.export`` program in evaluation mode, weights by ``seed``; the batch is open.

    ``torch.export.load(path).module()`` runs it. Raises UsageError when ``path`` cannot be written.
    """
    with replacing(path) as beside:
        torch.export.save(_program(graph, seed), beside)


def export_onnx(graph: Graph, path: str | os.PathLike[str], *, seed: int = 0) -> None:
    """Write an ONNX model in evaluation mode through torch's own exporter; the batch is open.

    Raises MissingExtraError without onnx and onnxscript, UsageError when ``path`` cannot be
    written.
    """
    absent = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if absent:
        raise missing("onnx", "writing ONNX", " and ".join(absent))
    with replacing(path) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about its own internals
        torch.onnx.export(
            _program(graph, seed),
            f=beside,
            output_names=["output"],
            dynamic_shapes=tuple({0: "batch"} for _ in graph.inputs),  # names what is open
            external_data=False,  # one file, so that it can be renamed
            verbose=False,
            dynamo=True,
        )


def _program(graph: Graph, seed: int) -> torch.export.ExportedProgram:
    """The evaluation path, traced with two images and the batch left open."""
    path = build(graph, seed=seed).eval().graph_module()
    inputs = tuple(
        torch.zeros(2, *node.output.shape[1:], dtype=getattr(torch, node.output.dtype))
        for node in graph.inputs
    )
    batch = tuple({0: torch.export.Dim.AUTO} for _ in inputs)
    return torch.export.export(path, inputs, dynamic_shapes=batch)
