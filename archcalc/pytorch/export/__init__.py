"""Declared networks as files that need no archcalc: plain PyTorch, ``torch.export``, ONNX.

A Python file is made in three steps: :mod:`blocks` groups the graph's nodes by their names,
:mod:`classes` finds the blocks that one class describes, and :mod:`source` writes the classes.
"""

from archcalc.pytorch.export.program import export_onnx, export_pt2
from archcalc.pytorch.export.python_file import export_python

__all__ = ["export_onnx", "export_pt2", "export_python"]
