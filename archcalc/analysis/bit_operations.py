"""Bit operations: what a multiply-add costs at the precision of its operands."""

from __future__ import annotations

from archcalc.graph import DTYPES, Graph, Node
from archcalc.ops.operator import Cost


def bit_operations(node: Node, cost: Cost) -> int:
    """Multiply-adds times the bits of both operands, as QONNX counts them; Baskin et al. 2018
    (arXiv:1804.10969) add a term for the accumulator."""
    if not node.inputs:
        return 0
    second = node.weights[0].dtype if node.weights else node.inputs[-1].dtype
    return cost.macs * DTYPES[node.inputs[0].dtype].bits * DTYPES[second].bits


def is_quantised(graph: Graph) -> bool:
    """Whether a layer with weights has an input or weights below 16 bits."""
    return any(
        DTYPES[dtype].bits < 16
        for node in graph
        if node.weights and node.inputs
        for dtype in (node.inputs[0].dtype, node.weights[0].dtype)
    )
