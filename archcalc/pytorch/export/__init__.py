"""Export networks to files that do not need archcalc: plain PyTorch, ``torch.export`` and ONNX.

A Python file is written in three steps: :mod:`blocks` groups the graph's nodes by name,
:mod:`classes` merges blocks of the same form, and :mod:`source` writes the classes.
"""

from archcalc.pytorch.export.program import export_onnx, export_pt2
from archcalc.pytorch.export.python_file import export_python

__all__ = ["export_onnx", "export_pt2", "export_python"]
