"""How long a network takes on a calibrated machine, with an interval.

Each call's time is predicted from its features; a network's is their sum, which a pass of the whole
scales and adds an overhead to. The interval comes from networks that were timed as a whole and
whose calls no model had seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any, NamedTuple

from archcalc.analysis.latency import Latency, Predicted
from archcalc.analysis.prediction.calibration import Calibration, KindModel, least_seconds
from archcalc.analysis.prediction.features import Call, calls
from archcalc.analysis.record import Record
from archcalc.errors import UsageError
from archcalc.graph import Graph, Shape

FOREIGN = 1.0
"""What the spread of a call grows by where its operator was not timed: with 5 % to 95 % at ±1.64
spreads, a factor of five either way."""
DISTANT = 0.15
"""What it grows by for each doubling of a size beyond those timed."""
WIDTH = 3.29
"""Spreads between the 5 % and the 95 % quantile of a normal distribution."""
NOTICED = 1.0
"""Doublings beyond the sizes timed from which a call is named."""


class NodePrediction(NamedTuple):
    """One call."""

    name: str
    op: str
    kind: str
    seconds: float
    """The predicted median."""
    spread: float
    """Standard deviation of the logarithm."""
    lacks: str = ""
    """What the calibration lacks about it: ``operator`` or ``size``."""


class Lack(NamedTuple):
    """What was not calibrated."""

    op: str
    lacks: str
    calls: int
    share: float
    """Of the predicted time."""


@dataclass(frozen=True, repr=False)
class Prediction(Record):
    """The predicted time of one network, in seconds."""

    spec: str
    inputs: tuple[Shape, ...]
    seconds: float
    """The predicted median."""
    low: float
    """The interval's ends: 90 % of networks lie between."""
    high: float
    nodes: tuple[NodePrediction, ...]

    @property
    def headline(self) -> str:
        return (
            f"{self.spec}: {1e3 * self.seconds:.3g} ms, 90 % between {1e3 * self.low:.3g} and "
            f"{1e3 * self.high:.3g} ms"
        )

    @property
    def lacks(self) -> tuple[Lack, ...]:
        """The operators that were not calibrated, or not at such sizes; the costliest first."""
        total = sum(node.seconds for node in self.nodes) or 1.0
        found: dict[tuple[str, str], list[float]] = {}
        for node in self.nodes:
            if node.lacks:
                found.setdefault((node.op, node.lacks), []).append(node.seconds / total)
        rows = [Lack(op, lacks, len(each), sum(each)) for (op, lacks), each in found.items()]
        return tuple(sorted(rows, key=lambda row: -row.share))

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": node.name,
                "op": node.op,
                "kind": node.kind,
                "predicted_s": node.seconds,
                "low_s": node.seconds * exp(-WIDTH / 2 * node.spread),
                "high_s": node.seconds * exp(WIDTH / 2 * node.spread),
                "lacks": node.lacks,
            }
            for node in self.nodes
        ]


@dataclass(frozen=True)
class Predictions:
    """The predicted times of some networks, and what they were predicted from."""

    calibration: Calibration
    by_graph: tuple[tuple[Graph, Prediction], ...]

    def of(self, graph: Graph) -> Prediction | None:
        """The prediction of this very graph."""
        return next((found for each, found in self.by_graph if each is graph), None)


def predict_all(graphs: Sequence[Graph], calibration: Calibration) -> Predictions:
    """The predicted time of each network. Raises what :func:`predict` raises."""
    return Predictions(calibration, tuple((graph, predict(graph, calibration)) for graph in graphs))


def predict(graph: Graph, calibration: Calibration) -> Prediction:
    """The time of a forward pass in evaluation mode.

    Raises UsageError for a training step, and for a graph in another dtype than the calibrated one.
    """
    if graph.training or len(graph.forward) != len(graph):
        raise UsageError(
            f"the time of {graph.spec} cannot be predicted in training mode; a calibration times "
            "forward passes in evaluation mode"
        )
    if not calibration.suits(graph):
        raise UsageError(
            f"{graph.spec} is not in {calibration.setting.dtype}, the dtype of the calibration"
        )
    found = calls(graph)
    nodes = [*_nodes(found, calibration)]
    seconds, low, high = _whole(nodes, calibration)
    inputs = tuple(node.output.shape for node in graph.inputs)
    return Prediction(graph.spec, inputs, seconds, low, high, tuple(nodes))


def beside(latency: Latency, found: Prediction) -> Latency:
    """A measurement with its prediction, and so its nodes, by name."""
    lacks = tuple(lack.op for lack in found.lacks)
    latency = replace(latency, predicted=Predicted(found.seconds, found.low, found.high, lacks))
    if latency.layers is None:
        return latency
    known = {node.name: node.seconds for node in found.nodes}
    times = [row._replace(predicted=known.get(row.name)) for row in latency.layers.times]
    return replace(latency, layers=latency.layers._replace(times=tuple(times)))


def _whole(nodes: Sequence[NodePrediction], calibration: Calibration) -> tuple[float, float, float]:
    """(median, low, high) of a network."""
    network = calibration.network
    least = 0.1 * sum(node.seconds for node in nodes)  # far outside what was timed
    seconds = max(
        network.overhead
        + network.per_call * len(nodes)
        + network.scale * sum(node.seconds for node in nodes),
        least,
    )
    spread = network_spread(
        [node.seconds for node in nodes], [node.spread for node in nodes], network.floor
    )
    return seconds, seconds * exp(network.low * spread), seconds * exp(network.high * spread)


def network_spread(seconds: Sequence[float], spreads: Sequence[float], floor: float) -> float:
    """The spread of a sum whose parts err together: their mean by time."""
    total = sum(seconds)
    if not total:
        return floor
    mean = sum(part * spread for part, spread in zip(seconds, spreads, strict=True)) / total
    return max(floor, mean)


def _nodes(found: Sequence[Call], calibration: Calibration) -> list[NodePrediction]:
    """In the order of the calls; each kind's calls are evaluated together."""
    made: dict[int, NodePrediction] = {}
    by_kind: dict[str, list[int]] = {}
    for place, call in enumerate(found):
        by_kind.setdefault(call.kind, []).append(place)
    for kind, places in by_kind.items():
        model = calibration.kinds.get(kind)
        chosen = [found[place] for place in places]
        rows = (
            _foreign(chosen, calibration) if model is None else _of_kind(chosen, model, calibration)
        )
        made.update(zip(places, rows, strict=True))
    return [made[place] for place in range(len(found))]


def _of_kind(
    found: Sequence[Call], model: KindModel, calibration: Calibration
) -> list[NodePrediction]:
    """Calls of a kind that was timed. One of another operator is taken for the mean of those that
    were timed, and may be as far off as any of them."""
    import numpy as np

    rows, owners = [], []
    for place, call in enumerate(found):
        for op in (call.op,) if call.op in model.ops else model.ops:
            rows.append((*call.values, *(float(op == each) for each in model.ops)))
            owners.append(place)
    matrix = np.asarray(rows, np.float64)
    median = model.median.evaluate(matrix)
    spread = (model.high.evaluate(matrix) - model.low.evaluate(matrix)) / WIDTH
    made = []
    for place, call in enumerate(found):
        mine = [row for row, owner in enumerate(owners) if owner == place]
        ratio = float(np.mean(median[mine]))
        wide = max(float(np.max(spread[mine])), 0.0)
        beyond = _beyond(call, model)
        wide += DISTANT * beyond
        lacks = "size" if beyond > NOTICED else ""
        if call.op not in model.ops:
            wide += FOREIGN + float(np.ptp(median[mine])) / 2
            lacks = "operator"
        least = least_seconds(call.flops, call.nbytes, calibration.ceilings)
        made.append(NodePrediction(call.name, call.op, call.kind, least * exp(ratio), wide, lacks))
    return made


def _foreign(found: Sequence[Call], calibration: Calibration) -> list[NodePrediction]:
    """Calls of a kind that was not timed: as many times their least time as the kinds that were
    timed take, with what those differ by."""
    ratios = [model.median.base for model in calibration.kinds.values()]
    ratio = sum(ratios) / len(ratios) if ratios else log(2)
    wide = FOREIGN + (max(ratios) - min(ratios)) / 2 if ratios else 2 * FOREIGN
    return [
        NodePrediction(
            call.name,
            call.op,
            call.kind,
            least_seconds(call.flops, call.nbytes, calibration.ceilings) * exp(ratio),
            wide,
            "operator",
        )
        for call in found
    ]


def _beyond(call: Call, model: KindModel) -> float:
    """By how many doublings a size of the call is outside the sizes timed; the worst of them."""
    return max(
        (
            max(low - value, value - high, 0.0)
            for value, low, high in zip(call.values, model.lowest, model.highest, strict=True)
        ),
        default=0.0,
    )
