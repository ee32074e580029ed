"""Fit the models of a calibration to timed networks.

For each kind of operator, gradient boosting models the logarithm of a call's time over its lower
bound. Spreads and intervals come from cross-validation over networks in five folds, because errors
on the fitted calls themselves are too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archcalc.analysis.prediction.calibration import (
    COVERAGE,
    KindModel,
    NetworkModel,
    least_seconds,
)
from archcalc.analysis.prediction.features import NAMES
from archcalc.analysis.prediction.predict import WIDTH, network_spread
from archcalc.analysis.prediction.trees import Trees
from archcalc.analysis.roofline import Ceilings
from archcalc.pytorch.calibrate.timing import Timed

Numbers = NDArray[np.float64]

FOLDS = 5
MEDIAN = {
    "n_estimators": 250,
    "max_depth": 5,
    "learning_rate": 0.08,
    "subsample": 0.6,
    "max_features": 0.4,
    "min_samples_leaf": 3,
    "random_state": 0,
}
QUANTILE = {
    "loss": "quantile",
    "n_estimators": 40,
    "max_depth": 3,
    "learning_rate": 0.1,
    "subsample": 0.6,
    "max_features": 0.4,
    "min_samples_leaf": 20,
    "random_state": 0,
}
FEWEST = 20
"""The fewest calls of a kind for a model; a kind with fewer is not calibrated."""
FLOOR = 0.02
"""The smallest spread of a network's time: two runs of one network differ by as much."""


class _Rows(NamedTuple):
    """All calls of one kind."""

    ops: tuple[str, ...]
    features: Numbers
    target: Numbers
    """Logarithm of the time over its lower bound."""
    least: Numbers
    """Lower bounds of the time in seconds."""
    network: NDArray[np.int64]
    """The index of each call's network."""


def fit(timed: Sequence[Timed], ceilings: Ceilings) -> tuple[dict[str, KindModel], NetworkModel]:
    """Fit a model for every kind with enough calls, and one for whole networks."""
    kinds: dict[str, KindModel] = {}
    seconds: list[Numbers] = []
    spreads: list[Numbers] = []
    owners: list[NDArray[np.int64]] = []
    for kind, rows in _by_kind(timed, ceilings).items():
        if len(rows.target) < FEWEST or len(set(rows.network.tolist())) < FOLDS:
            # There is no model, so use the measured time instead of a prediction.
            seconds.append(rows.least * np.exp(rows.target))
            spreads.append(np.zeros(len(rows.target)))
            owners.append(rows.network)
            continue
        unseen = _unseen(rows)
        error = rows.target - unseen
        low = _quantile(rows.features, error, (1 - COVERAGE) / 2)
        high = _quantile(rows.features, error, (1 + COVERAGE) / 2)
        inputs = rows.features[:, : len(NAMES)]
        kinds[kind] = KindModel(
            rows.ops,
            len(rows.target),
            tuple(inputs.min(axis=0).tolist()),
            tuple(inputs.max(axis=0).tolist()),
            float(np.median(np.abs(np.exp(-error) - 1))),
            trees(_boosted(rows.features, rows.target, MEDIAN)),
            trees(low),
            trees(high),
        )
        width = high.predict(rows.features) - low.predict(rows.features)
        seconds.append(rows.least * np.exp(unseen))
        spreads.append(np.maximum(width, 0) / WIDTH)
        owners.append(rows.network)
    parts = zip(seconds, spreads, owners, strict=True)
    return kinds, _network(timed, [*parts])


def _by_kind(timed: Sequence[Timed], ceilings: Ceilings) -> dict[str, _Rows]:
    found: dict[str, list[tuple[int, Any, float]]] = {}
    for place, each in enumerate(timed):
        for call, seconds in zip(each.calls, each.seconds, strict=True):
            found.setdefault(call.kind, []).append((place, call, seconds))
    made = {}
    for kind, rows in sorted(found.items()):
        ops = tuple(sorted({call.op for _, call, _ in rows}))
        features = [(*call.values, *(float(call.op == op) for op in ops)) for _, call, _ in rows]
        least = np.array([least_seconds(call.flops, call.nbytes, ceilings) for _, call, _ in rows])
        taken = np.maximum([seconds for *_, seconds in rows], 1e-9)
        made[kind] = _Rows(
            ops,
            np.array(features, np.float64),
            np.log(taken / least),
            least,
            np.array([place for place, *_ in rows]),
        )
    return made


def _unseen(rows: _Rows) -> Numbers:
    """Predict each call with a model fitted without its network."""
    found = np.zeros(len(rows.target))
    fold = rows.network % FOLDS
    for number in set(fold.tolist()):
        out = fold == number
        if out.all():  # one fold has all calls, so none are left to fit
            found[out] = rows.target.mean()
            continue
        model = _boosted(rows.features[~out], rows.target[~out], MEDIAN)
        found[out] = model.predict(rows.features[out])
    return found


def _boosted(features: Numbers, target: Numbers, settings: dict[str, Any]) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(**settings).fit(features, target)


def _quantile(features: Numbers, error: Numbers, alpha: float) -> Any:
    return _boosted(features, error, {**QUANTILE, "alpha": alpha})


def _network(
    timed: Sequence[Timed], parts: Sequence[tuple[Numbers, Numbers, NDArray[np.int64]]]
) -> NetworkModel:
    """Fit the time of a whole pass to the sum over its calls, and estimate the error."""
    whole = np.array([each.whole for each in timed])
    count = np.array([float(len(each.calls)) for each in timed])
    sums = np.zeros(len(timed))
    for seconds, _, owner in parts:
        np.add.at(sums, owner, seconds)
    overhead, per_call, scale = plane(sums, count, whole)
    predicted = overhead + per_call * count + scale * sums
    spread = np.array(
        [
            network_spread(
                np.concatenate([seconds[owner == place] for seconds, _, owner in parts]).tolist(),
                np.concatenate([spreads[owner == place] for _, spreads, owner in parts]).tolist(),
                FLOOR,
            )
            for place in range(len(timed))
        ]
    )
    scores = np.log(whole / predicted) / spread
    return NetworkModel(
        overhead=overhead,
        per_call=per_call,
        scale=scale,
        low=-conformal(-scores),
        high=conformal(scores),
        floor=FLOOR,
        networks=len(timed),
        median_error=float(np.median(np.abs(predicted / whole - 1))),
    )


def plane(sums: Numbers, count: Numbers, whole: Numbers) -> tuple[float, float, float]:
    """Return (overhead, seconds per call, scale) with the least squared relative errors.

    A second fit leaves far outliers out. Seconds per call can be negative, because timing each node
    adds time that an undivided pass does not take. Impossible numbers (a negative overhead, a scale
    far from 1, a network that takes no time) mean too little data; then fewer of them are fitted.
    """
    table = np.stack([np.ones(len(whole)), count, sums], axis=1) / whole[:, None]
    for columns in ([0, 1, 2], [1, 2]):
        found = np.zeros(3)
        chosen = np.ones(len(whole), bool)
        for _ in range(2):
            ones = np.ones(int(chosen.sum()))
            found[columns] = np.linalg.lstsq(table[chosen][:, columns], ones, rcond=None)[0]
            ratios = np.maximum(table @ found, 1e-9)
            errors = np.abs(np.log(ratios))
            chosen = errors <= max(3 * float(np.median(errors)), 0.01)
        if 0.5 < found[2] < 2 and found[0] >= 0 and ratios.min() > 0.1:
            return float(found[0]), float(found[1]), float(found[2])
    return 0.0, 0.0, float(np.median(whole / sums))


def conformal(scores: Numbers) -> float:
    """Return the upper bound of a new network's score by split conformal prediction.

    It is the order statistic for the upper end of the coverage, corrected for the sample size.
    """
    ordered = np.sort(scores)
    rank = ceil((len(ordered) + 1) * (1 + COVERAGE) / 2)
    return float(ordered[min(rank, len(ordered)) - 1])


def trees(model: Any) -> Trees:
    """Convert scikit-learn's ensemble to plain numbers."""
    roots: list[int] = []
    feature: list[int] = []
    value: list[float] = []
    left: list[int] = []
    right: list[int] = []
    for estimator in model.estimators_[:, 0]:
        tree, start = estimator.tree_, len(feature)
        roots.append(start)
        for place in range(tree.node_count):
            leaf = tree.children_left[place] < 0
            feature.append(-1 if leaf else int(tree.feature[place]))
            left.append(0 if leaf else start + int(tree.children_left[place]))
            right.append(0 if leaf else start + int(tree.children_right[place]))
            if leaf:
                value.append(float(f"{model.learning_rate * tree.value[place, 0, 0]:.5g}"))
            else:
                value.append(float(tree.threshold[place]))
    base = float(np.ravel(model.init_.predict(np.zeros((1, model.n_features_in_))))[0])
    return Trees(base, tuple(roots), tuple(feature), tuple(value), tuple(left), tuple(right))
