"""Write a formula template for an operator without a row in the table."""

from __future__ import annotations

from archcalc.graph import Node, Value


def stub(node: Node) -> str:
    """Return an ``@archcalc.formula`` template for this node's operator, to paste into a file."""
    function = "".join(c if c.isalnum() else "_" for c in node.op.rpartition("::")[2]).strip("_")
    names = [f"x{index + 1}" for index in range(len(node.inputs))]
    lines = [
        f'@archcalc.formula("{node.op}")',
        f"def {function or 'operation'}({', '.join([*names, '*', 'out'])}):",
        *[f"    # {name}: {_size(value)}" for name, value in zip(names, node.inputs, strict=True)],
        f"    # out: {', '.join(map(_size, node.outputs)) or 'nothing'}"
        + (f", at {node.where}" if node.where else ""),
        "    return ...  # multiply-adds from these shapes",
    ]
    return "\n".join(lines) + "\n"


def _size(value: Value) -> str:
    return f"{value.shape} {value.dtype}"
