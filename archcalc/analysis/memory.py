"""Memory by liveness: which activations are alive together, where most are, what training keeps.

An activation is alive from the node that makes it to the last node that reads it; the outputs of
the graph to the end. Views share their input's storage. Nothing else works in place unless the
graph says so, and no workspace of a library is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from archcalc.analysis.record import Record
from archcalc.analysis.storage import Key, Storages, key
from archcalc.graph import Attributes, Graph, Node, Value
from archcalc.ops import TABLE
from archcalc.ops.operator import Device, Saves


class Activation(NamedTuple):
    """The output of one node while inference runs."""

    name: str
    op: str
    shape: tuple[int, ...]
    nbytes: int
    """0 for a view."""
    live: int
    """Bytes alive while this node runs: what it reads, what it writes, what waits for later."""


class Saved(NamedTuple):
    """What autograd keeps of one node until the backward pass."""

    name: str
    what: Saves
    tensors: int
    """Bytes of its inputs or output; 0 where another node keeps the same storage already."""
    also: int
    """Bytes beside those: a pool's places, a norm's statistics, a dropout's mask."""

    @property
    def nbytes(self) -> int:
        return self.tensors + self.also


class Step(NamedTuple):
    """One training step, in bytes: what it holds, and the most it holds at a time."""

    optimizer: str
    weights: int
    gradients: int
    """Of every weight that this pass reads."""
    optimizer_state: int
    saved: int
    """Activations kept from the forward to the backward pass."""
    forward_peak: int
    backward_peak: int
    step_peak: int

    @property
    def peak(self) -> int:
        """Everything at once, in the phase that needs most."""
        return max(self.forward_peak, self.backward_peak, self.step_peak)

    @property
    def peak_phase(self) -> Literal["forward", "backward", "step"]:
        if self.forward_peak == self.peak:
            return "forward"
        return "backward" if self.backward_peak == self.peak else "step"


@dataclass(frozen=True, repr=False)
class Memory(Record):
    """Bytes of one pass."""

    weight_bytes: int
    activations: tuple[Activation, ...]
    saved: tuple[Saved, ...]
    eager: tuple[int, ...] = ()
    """Bytes alive at each node as eager torch runs the model: the caller holds the input, Python
    frames hold what they name, and kernels make what they return beside their result."""
    step: Step | None = None
    """A training step with this graph's forward pass."""

    @property
    def peak(self) -> Activation | None:
        """The first node at which most bytes are alive, in inference."""
        return max(self.activations, key=lambda activation: activation.live, default=None)

    @property
    def peak_bytes(self) -> int:
        """The minimum that any allocator needs for the activations of inference."""
        return self.peak.live if self.peak else 0

    @property
    def eager_peak_bytes(self) -> int:
        return max(self.eager, default=0)

    @property
    def eager_peak_at(self) -> str:
        """The first node at which most bytes are alive in eager torch."""
        if not self.eager:
            return ""
        return self.activations[self.eager.index(self.eager_peak_bytes)].name

    @property
    def saved_bytes(self) -> int:
        """Kept for the backward pass of one training step, weights and gradients aside."""
        return sum(saved.nbytes for saved in self.saved)

    def rows(self) -> list[dict[str, Any]]:
        return [activation._asdict() for activation in self.activations]


def memory(graph: Graph, device: Device = "cpu", optimizer: str = "sgd") -> Memory:
    """Liveness of the graph's evaluation pass, and what its training pass keeps for backward, with
    the kernels of the device and the state of the optimizer.

    The backward pass follows from the forward pass, also where the graph is a whole step.
    """
    forward = graph.forward
    return Memory(
        sum(weight.nbytes for weight in graph.weights),
        liveness(forward.eval()),
        saved_for_backward(forward.train(), device),
        eager_liveness(forward.eval()),
        training_step(graph, device, optimizer) if optimizer in OPTIMIZER_STATE else None,
    )


def liveness(graph: Graph) -> tuple[Activation, ...]:
    """Bytes alive at each executed node."""
    found = Storages(graph)
    owner, size = found.owner, found.size
    last_use: dict[Key, int] = {}
    for position, node in enumerate(graph.executed):
        for value in (*node.inputs, *node.outputs):
            last_use[owner[value.source, value.port]] = position
    for value in graph.outputs.values():
        if (value.source, value.port) in owner:
            last_use[owner[value.source, value.port]] = len(graph.executed)
    dying: dict[int, list[Key]] = {}
    for each, position in last_use.items():
        dying.setdefault(position, []).append(each)

    alive, rows = 0, []
    for position, node in enumerate(graph.executed):
        made = sum(
            size[value.source, value.port]
            for value in node.outputs
            if owner[value.source, value.port] == (value.source, value.port)
        )
        alive += made
        shape = node.output.shape if node.outputs else ()
        rows.append(Activation(node.name, node.op, shape, made, alive))
        alive -= sum(size[each] for each in dying.get(position, ()))
    return tuple(rows)


def held_until(graph: Graph, storages: Storages) -> dict[Key, int]:
    """The position of the last node that runs while eager torch holds each storage.

    Of a traced run it is known. Of a declared network: a call's arguments live until the call
    returns, so what a scope reads lives to the end of the scope.
    """
    executed = graph.executed
    end = len(executed)
    # Positions count all nodes; heads that do not run here are left out.
    place = {graph_place: at for at, graph_place in enumerate(_places(graph))}
    result: dict[Key, int] = {}
    scope_end: dict[str, int] = {}
    for at, node in enumerate(executed):
        parts = node.name.split(".")
        for depth in range(1, len(parts)):
            scope_end[".".join(parts[:depth])] = at
    for at, node in enumerate(executed):
        for value in node.outputs:
            owner = storages.owner[key(value)]
            died = graph.lifetimes.get(key(value))
            last = at if died is None else place.get(died, end if died >= end else at)
            result[owner] = max(result.get(owner, 0), last)
        for value in node.inputs:
            owner = storages.owner[key(value)]
            last = at
            if not graph.lifetimes:
                last = max(last, _scope_of_call(executed[place[value.source]], node, scope_end))
            result[owner] = max(result.get(owner, 0), last)
        if node.op == "input":
            result[storages.owner[key(node.output)]] = end
    for value in graph.outputs.values():
        if key(value) in storages.owner:
            result[storages.owner[key(value)]] = end
    return result


def _places(graph: Graph) -> list[int]:
    """The position of each executed node among all nodes."""
    if graph.training:
        return list(range(len(graph.nodes)))
    return [at for at, node in enumerate(graph.nodes) if not node.training_only]


def _scope_of_call(source: Node, reader: Node, scope_end: dict[str, int]) -> int:
    """The end of the outermost scope of the reader that the source lies outside of."""
    mine, other = reader.name.split(".")[:-1], source.name.split(".")[:-1]
    for depth, part in enumerate(mine):
        if depth >= len(other) or other[depth] != part:
            return scope_end[".".join(mine[: depth + 1])]
    return 0


def scratch(node: Node, storages: Storages, device: Device) -> int:
    """Bytes that a kernel makes beside its result: a pool's places, copies of matrices."""
    row = TABLE.get(node.op)
    if row is None:
        return 0
    extra = row.saves_also(node, False, device) if row.saves_also is not None else 0
    which = row.saves(node) if callable(row.saves) else row.saves
    if which == "matrices":
        extra += sum(storages.copied(value, 3) for value in node.inputs)
    elif which == "rows":
        extra += storages.copied(node.inputs[0], 2)
    return extra


def eager_liveness(graph: Graph, device: Device = "cpu") -> tuple[int, ...]:
    """Bytes alive at each node in inference, as eager torch runs the model."""
    found = Storages(graph)
    return _alive(graph, found, held_until(graph, found), device)


def _alive(graph: Graph, found: Storages, last: dict[Key, int], device: Device) -> tuple[int, ...]:
    dying: dict[int, int] = {}
    for owner, position in last.items():
        dying[position] = dying.get(position, 0) + found.size[owner]
    alive, rows = 0, []
    for at, node in enumerate(graph.executed):
        alive += sum(
            found.size[key(value)]
            for value in node.outputs
            if found.owner[key(value)] == key(value)
        )
        rows.append(alive + scratch(node, found, device))
        alive -= dying.get(at, 0)
    return tuple(rows)


OPTIMIZER_STATE: Mapping[str, int] = {
    "sgd": 0,
    "sgd-momentum": 1,
    "adam": 2,
    "adamw": 2,
    "rmsprop": 1,
    "adagrad": 1,
}
"""Numbers that an optimizer keeps for each weight."""
OPTIMIZER_SCRATCH: Mapping[str, int] = {"adam": 2, "adamw": 2, "rmsprop": 1, "adagrad": 1}
"""Numbers for each weight of the largest parameter while it is updated, one parameter at a time, as
torch does on the CPU."""


def training_step(graph: Graph, device: Device = "cpu", optimizer: str = "sgd") -> Step:
    """What one step of training holds, and the most at a time in each phase. Raises KeyError for an
    optimizer that is not in :data:`OPTIMIZER_STATE`."""
    graph = graph.forward.train()
    keeping = Keeping(graph, device)
    weights = sum(weight.nbytes for weight in graph.weights)
    read = {weight.name: weight.nbytes for node in graph.executed for weight in node.weights}
    gradients = sum(read.values())
    slots = OPTIMIZER_STATE[optimizer]
    # A counter of steps for each parameter, of float32.
    counters = 4 * len(read) if optimizer in OPTIMIZER_SCRATCH else 0
    state = slots * gradients + counters
    forward, backward, left = Passes(graph, keeping, device).peaks()
    update = OPTIMIZER_SCRATCH.get(optimizer, 0) * max(read.values(), default=0)
    return Step(
        optimizer,
        weights,
        gradients,
        state,
        sum(row.nbytes for row in keeping.rows),
        weights + state + forward,
        weights + state + backward,
        weights + state + gradients + left + update,
    )


class Passes:
    """The forward and the backward pass of one training step, storage by storage."""

    def __init__(self, graph: Graph, keeping: Keeping, device: Device) -> None:
        self.graph = graph
        self.keeping = keeping
        self.device = device
        self.nodes = [node for node in graph.executed if node.phase == "forward"]
        self.buffers: dict[int, int] = {}
        """Bytes of each gradient's storage."""
        self.gradient: dict[Key, int] = {}
        """The storage of the gradient of each value."""

    def peaks(self) -> tuple[int, int, int]:
        """The most bytes in the forward and in the backward pass, weights and optimizer aside, and
        what the caller still holds in the end: inputs and outputs."""
        storages, by_node = self.keeping.storages, self.keeping.by_node
        last = held_until(self.graph, storages)
        end = len(self.graph.executed)
        for owner in self.keeping.kept:
            last[owner] = end
        also, forward = 0, 0
        rows = _alive(self.graph, storages, last, self.device)
        for node, alive in zip(self.graph.executed, rows, strict=True):
            kept = by_node.get(node.name, (set(), 0))[1]
            made = scratch(node, storages, self.device)
            forward = max(forward, alive + also + max(kept - made, 0))
            also += kept
        callers = {
            storages.owner[key(value)]
            for value in (*[node.output for node in self.graph.inputs], *self.outputs())
        }
        left = sum(storages.size[owner] for owner in callers)
        alive = left + sum(storages.size[owner] for owner in self.keeping.kept - callers) + also
        return forward, self._backward(alive, callers), left

    def outputs(self) -> list[Value]:
        return [v for v in self.graph.outputs.values() if key(v) in self.keeping.storages.owner]

    def _backward(self, alive: int, callers: set[Key]) -> int:
        storages, by_node, graded = self.keeping.storages, self.keeping.by_node, self.keeping.graded
        for value in self.outputs():
            self._give(key(value), value.nbytes)
        peak, weights = alive, 0
        done: set[str] = set()
        for node in reversed(self.nodes):
            mine = [key(value) for value in node.outputs if key(value) in self.gradient]
            keys, also = by_node.get(node.name, (set(), 0))
            if mine:
                aliased = self._aliases(node)
                for value in node.inputs:
                    if key(value) not in graded:
                        continue
                    given = self.gradient.get(key(value))
                    extra = 0
                    if aliased and given is None:
                        self.gradient[key(value)] = self.gradient[mine[0]]
                    else:
                        if given is not None and not aliased:
                            extra = value.nbytes  # one more, which is added to the first
                        if given is None or self._shared(given):
                            self._give(key(value), value.nbytes)
                    peak = max(peak, alive + weights + self._held() + extra)
                for weight in node.weights:
                    if weight.name not in done:
                        done.add(weight.name)
                        weights += weight.nbytes
                peak = max(peak, alive + weights + self._held())
                for each in mine:
                    del self.gradient[each]
            alive -= also + sum(storages.size[each] for each in keys - callers)
        return peak

    def _aliases(self, node: Node) -> bool:
        """Whether the gradient of an input is that of the output, or a view of it."""
        row = TABLE.get(node.op)
        if row is None:
            return False
        out = node.outputs[0]
        if row.window == "concat":
            return True
        which = row.saves(node) if callable(row.saves) else row.saves
        plain = row.kind in ("elementwise", "movement", "activation") and row.saves_also is None
        passes = row.passes_through(node, self.graph.training)
        same = all(value.numel == out.numel for value in node.inputs)
        return ((plain and which == "nothing") or passes) and same

    def _shared(self, buffer: int) -> bool:
        return sum(each == buffer for each in self.gradient.values()) > 1

    def _give(self, place: Key, nbytes: int) -> None:
        name = len(self.buffers)
        self.buffers[name] = nbytes
        self.gradient[place] = name

    def _held(self) -> int:
        return sum(self.buffers[each] for each in set(self.gradient.values()))


def saved_for_backward(graph: Graph, device: Device = "cpu") -> tuple[Saved, ...]:
    """What autograd keeps, storage by storage, each once; nothing of a node whose result needs no
    gradient, as in front of the first weights."""
    return tuple(Keeping(graph, device).rows)


class Keeping:
    """Goes through a training pass and notes what autograd keeps of each node."""

    def __init__(self, graph: Graph, device: Device) -> None:
        self.storages = Storages(graph)
        self.graded: set[Key] = set()
        """The values that need a gradient."""
        self.kept: set[Key] = set()
        """The storages that are kept already, by their owner."""
        self.by_node: dict[str, tuple[set[Key], int]] = {}
        """The storages that a node is the first to keep, and the bytes beside them."""
        self.rows: list[Saved] = []
        for node in graph.executed:
            if node.phase == "forward":
                self._add(node, graph.training, device)

    def needs_gradient(self, value: Value) -> bool:
        return key(value) in self.graded

    def _add(self, node: Node, training: bool, device: Device) -> None:
        row = TABLE.get(node.op)
        if not node.weights and not any(map(self.needs_gradient, node.inputs)):
            return
        if row is not None and row.stops_gradient:
            return
        self.graded.update(key(each) for each in node.outputs if _differentiable(each))
        if row is None or row.passes_through(node, training):
            return
        if "dropout_p" in node.attrs and any(map(self.needs_gradient, node.inputs[3:])):
            # No fused kernel computes the gradient of a mask.
            node = node._replace(attrs=Attributes(node.attrs | {"mask_needs_gradient": True}))
        which = row.saves(node) if callable(row.saves) else row.saves
        in_place = bool(node.attrs.get("inplace"))
        if in_place and row.saves_in_place is not None:
            which = row.saves_in_place
        values, copies = self._chosen(node, which, in_place)
        owner = self.storages.owner
        keys = {owner[key(value)] for value in values} - self.kept
        self.kept |= keys
        tensors = sum(self.storages.size[each] for each in keys)
        also = copies
        if row.saves_also is not None:
            also += row.saves_also(node, training, device)
        self.by_node[node.name] = keys, also
        if which != "nothing" or also:
            self.rows.append(Saved(node.name, which, tensors, also))

    def _chosen(self, node: Node, which: Saves, in_place: bool) -> tuple[list[Value], int]:
        """The values kept, and the bytes of those kept as copies or Python numbers."""
        inputs, outputs = list(node.inputs), list(node.outputs[:1])
        first = inputs[:1]
        if which == "nothing":
            return [], 0
        if which in ("input", "rows") and not first:
            return [], 0
        if which == "input":
            return ([], first[0].nbytes) if in_place else (first, 0)
        if which == "rows":
            if len(node.weights) != 0 or len(inputs) == 1 or self.needs_gradient(inputs[1]):
                kept = self._as_batch(first[0], 2)
            else:
                kept = [], 0
            computed = [each for each in inputs[1:2] if self.needs_gradient(first[0])]
            return kept[0] + computed, kept[1]
        if which == "others":
            return inputs[1:], 0
        if which == "output":
            return outputs, 0
        if which == "input and output":
            return first + outputs, 0
        if which == "inputs and output":
            return inputs + outputs, 0
        if which == "attention by products":
            return self._as_batch(inputs[2], 3)
        if which in ("factors", "matrices", "divisors"):
            return self._factors(node, which, in_place)
        return inputs, 0

    def _factors(self, node: Node, which: Saves, in_place: bool) -> tuple[list[Value], int]:
        a, *rest = node.inputs
        if not rest:
            return [], 0  # the other operand is a Python number
        b = rest[0]
        values: list[Value] = []
        copies = 0
        if self.needs_gradient(b):
            if which == "matrices":
                found, copies = self._as_batch(a, 3)
                values += found
            elif in_place:
                copies += a.nbytes
            else:
                values.append(a)
        if self.needs_gradient(a) or (which == "divisors" and self.needs_gradient(b)):
            if which == "matrices":
                found, more = self._as_batch(b, 3)
                values += found
                copies += more
            else:
                values.append(b)
        return values, copies

    def _as_batch(self, value: Value, rank: int) -> tuple[list[Value], int]:
        """The value, or the bytes of its copy where torch cannot see it as one matrix, or as one
        batch of matrices."""
        copied = self.storages.copied(value, rank)
        return ([], copied) if copied else ([value], 0)


def _differentiable(value: Value) -> bool:
    return value.dtype.startswith(("float", "bfloat", "complex"))
