"""LSTM, GRU and plain recurrent layers, over sequences and as single cells."""

from __future__ import annotations

from collections.abc import Callable

from archcalc.graph import Node, Shape
from archcalc.ops import counters
from archcalc.ops.operator import Operator, Work, operands, operator
from archcalc.ops.window import Untold


def recurrent_work(gates: int, activation: int, elementwise: int) -> Callable[[Node, bool], Work]:
    """Each weight matrix multiplies one vector per step and sequence, in every layer and direction.
    ``activation`` and ``elementwise`` are operations per hidden unit."""

    def work(node: Node, training: bool) -> Work:
        shapes = operands(node)
        rows = steps(node)
        matrices = tuple(shape for shape in shapes if len(shape) == 2)
        biases = tuple(shape for shape in shapes if len(shape) == 1)
        # The first matrix of each layer and direction is input-to-hidden, with gates×H rows.
        period = 3 if node.attrs.get("proj_size") else 2
        hidden = sum(matrix[0] // gates for matrix in matrices[::period])
        result: dict[str, tuple[tuple[Shape, ...], ...]] = {
            "macs": tuple((rows, matrix) for matrix in matrices),
            "activation": ((rows, (activation, hidden)),),
            "elementwise": ((rows, (elementwise + gates, hidden)),),
        }
        if biases:
            result["bias"] = tuple((rows, bias) for bias in biases)
        return result

    return work


def steps(node: Node) -> Shape:
    """(steps, sequences) of the input in either order, or (rows,) for a packed input or a cell."""
    return node.inputs[0].shape[:-1] or (1,)


def _layer(name: str, gates: int, activation: int, elementwise: int, why: str) -> Operator:
    return operator(
        name,
        "linear",
        window=Untold("sequence"),
        counters=counters.UNSEEN,
        formula=f"(steps×batch)×(sizes of all weight matrices) macs; {why}",
        work=recurrent_work(gates, activation, elementwise),
        saves="inputs",
    )


for _suffix in ("", "_cell"):
    _layer(f"lstm{_suffix}", 4, 22, 4, "per unit: three sigmoids, two tanh, 8 more")
    _layer(f"gru{_suffix}", 3, 13, 5, "per unit: two sigmoids, one tanh, 8 more")
    _layer(f"rnn_tanh{_suffix}", 1, 5, 0, "per unit: one tanh, one addition")
    _layer(f"rnn_relu{_suffix}", 1, 1, 0, "per unit: one comparison, one addition")
