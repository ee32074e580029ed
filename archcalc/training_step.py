"""A whole training step of a declared network: forward, backward, and the optimizer's update.

The backward pass follows the ``backward`` rule of each operator, as autograd runs it. It starts
from the gradients of all floating-point outputs; the loss itself is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from archcalc.errors import UsageError
from archcalc.graph import Attributes, Graph, Value, Weight
from archcalc.language import Message
from archcalc.ops import TABLE
from archcalc.ops.gradient import Backward, Tape


class Update(NamedTuple):
    """One operation of an optimizer on one weight."""

    op: str
    writes: str
    """"weight", a state of the optimizer ("average"), or a temporary ("denominator")."""
    reads: tuple[str, ...]
    """Any of these, or "gradient"."""
    attrs: Mapping[str, Any] = {}


STEP = Update("add", "step", ("step",), {"other": 1})
SQUARES = (
    Update("mul", "squares", ("squares",)),
    Update("addcmul", "squares", ("squares", "gradient", "gradient")),
)
ADAM = (
    STEP,
    Update("lerp", "average", ("average", "gradient")),
    *SQUARES,
    Update("sqrt", "denominator", ("squares",)),
    Update("div", "denominator", ("denominator",)),
    Update("add", "denominator", ("denominator",)),
    Update("addcdiv", "weight", ("weight", "average", "denominator")),
)
MOMENTUM = (
    Update("mul", "momentum", ("momentum",)),
    Update("add", "momentum", ("momentum", "gradient")),
)
LEARNING_RATE = {"alpha": -0.1}

OPTIMIZERS: Mapping[str, tuple[Update, ...]] = {
    "sgd": (Update("add", "weight", ("weight", "gradient"), LEARNING_RATE),),
    "sgd-momentum": (*MOMENTUM, Update("add", "weight", ("weight", "momentum"), LEARNING_RATE)),
    "sgd-nesterov": (
        *MOMENTUM,
        Update("add", "look_ahead", ("gradient", "momentum"), {"alpha": 0.9}),
        Update("add", "weight", ("weight", "look_ahead"), LEARNING_RATE),
    ),
    "adam": ADAM,
    "adamw": (STEP, Update("mul", "weight", ("weight",)), *ADAM[1:]),
    "rmsprop": (
        STEP,
        *SQUARES,
        Update("sqrt", "denominator", ("squares",)),
        Update("add", "denominator", ("denominator",)),
        Update("addcdiv", "weight", ("weight", "gradient", "denominator")),
    ),
    "adagrad": (
        STEP,
        Update("addcmul", "squares", ("squares", "gradient", "gradient")),
        Update("sqrt", "denominator", ("squares",)),
        Update("add", "denominator", ("denominator",)),
        Update("addcdiv", "weight", ("weight", "gradient", "denominator")),
    ),
}
"""The operations of each optimizer on a weight once its state exists: those of torch's
implementation with ``foreach=False``, with torch's defaults, and with a momentum of 0.9 if it has
one."""

STATES = ("step", "average", "squares", "momentum")


def training_step(graph: Graph, optimizer: str = "") -> Graph:
    """The graph in training mode, with the nodes of its backward pass in phase "backward". With an
    optimizer, its update of every weight that has a gradient follows in phase "optimizer".

    >>> import archcalc
    >>> step = training_step(archcalc.graph("inception-5x5"), optimizer="sgd")
    >>> {phase.name: phase.macs for phase in step.profile().by_phase}
    {'forward': 120422400, 'backward': 120422400, 'optimizer': 0}

    Raises UsageError for an unknown optimizer, and for an operator without a backward rule.
    """
    if optimizer and optimizer not in OPTIMIZERS:
        raise UsageError(f"unknown optimizer {optimizer!r}: one of {', '.join(OPTIMIZERS)}")
    graph = graph.train()
    tape = Tape(graph)
    differentiate(graph, tape)
    notes = graph.notes
    if len(tape.nodes) == len(graph.nodes):
        notes += (Message("no parameter needs a gradient, so there is no backward pass"),)
    elif optimizer:
        update(graph, tape, OPTIMIZERS[optimizer])
    return replace(graph, nodes=tuple(tape.nodes), notes=notes)


def differentiate(graph: Graph, tape: Tape) -> None:
    """Walk the graph backwards, from the outputs that depend on a weight."""
    for value in graph.outputs.values():
        if tape.needs(value):
            # The gradient of an output comes from outside; it has the output's shape.
            tape.give((value.source, value.port), value, graph.nodes[value.source].name)
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        gradients = tuple(tape.gradients.get((index, port)) for port in range(len(node.outputs)))
        if not any(gradients):
            continue
        rule = TABLE[node.op].backward if node.op in TABLE else None
        if rule is None:
            raise UsageError(
                f"the backward pass of {node.name} is unknown: {node.op} has no backward rule"
            )
        rule(Backward(tape, node, gradients))


def update(graph: Graph, tape: Tape, updates: tuple[Update, ...]) -> None:
    """One step of the optimizer for every weight that has a gradient."""
    for weight in graph.weights:
        gradient = tape.gradients.get(weight.name)
        if gradient is not None:
            _update(tape, weight, gradient, updates)


def _update(tape: Tape, weight: Weight, gradient: Value, updates: tuple[Update, ...]) -> None:
    prefix = f"optimizer.{weight.name}"
    known = {"gradient": gradient}
    for op, writes, reads, attrs in updates:
        shape = () if writes == "step" else weight.shape
        for name in reads:
            if name in STATES and name not in known:
                (known[name],) = tape.emit(
                    f"{prefix}.{name}",
                    "constant",
                    (),
                    (shape,),
                    weight.dtype,
                    attrs=Attributes(),
                    phase="optimizer",
                )
        (known[writes],) = tape.emit(
            f"{prefix}.{op}",
            op,
            tuple(known[name] for name in reads if name != "weight"),
            (shape,),
            weight.dtype,
            weights=(weight,) if "weight" in reads else (),
            attrs=Attributes(attrs, inplace=True) if writes in reads else Attributes(attrs),
            phase="optimizer",
        )
